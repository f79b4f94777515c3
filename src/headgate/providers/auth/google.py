"""Who a deployment on Google Cloud is: application default credentials, and the project they belong to.

https://cloud.google.com/docs/authentication/application-default-credentials. Knows no model and no API; what a
credential document holds is known in google_files.py.
"""

from typing import Any, Final
from urllib.parse import urlencode

from headgate.errors import APIConnectionError, HeadgateError, Timeout
from headgate.ports import Ask, Credential, Fetch, Signing
from headgate.providers.auth.base import Bearer, Granted, Surroundings, Token, asked_json, missing
from headgate.providers.auth.google_files import CLOUD, Asking, Document, document
from headgate.providers.auth.values import address, file_text, header_value, json_text, there

CREDENTIAL_PARAMS: Final = ("vertex_credentials", "vertex_ai_credentials")
CREDENTIAL_VARIABLES: Final = ("VERTEXAI_CREDENTIALS", "VERTEX_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS")
PROJECT_PARAMS: Final = ("vertex_project", "vertex_ai_project")
PROJECT_VARIABLES: Final = ("VERTEXAI_PROJECT", "VERTEX_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT")
METADATA_SECONDS: Final = 3.0
"""A machine outside Google's cloud has nobody there: it should not wait for long."""


class _Billed(Token, frozen=True):
    """A token, and the project whose quota its calls count against: "" for the token's own."""

    quota: str = ""


class _Google(Bearer):
    def sign(self, request: Signing, now: float) -> list[tuple[str, str]]:
        lines = super().sign(request, now)
        quota = getattr(self.value, "quota", "")
        return [*lines, ("x-goog-user-project", quota)] if quota else lines


def credential(around: Surroundings, scope: str = CLOUD) -> Credential:
    """The document of `vertex_credentials` (a path, JSON text or an object) or of a variable, the file that
    gcloud's login left behind, the metadata server: the first of them that there is.

    Documents are read anew for each token, for their keys are rotated; what is wrong with them is said by `renew`.
    """

    async def source(fetch: Fetch, now: float) -> Token:
        found = _document(around)
        if found is None:
            return await _metadata(around, fetch, now, scope)
        token = await found.token(Asking(around=around, fetch=fetch, now=now, scope=scope))
        quota = around.variable("GOOGLE_CLOUD_QUOTA_PROJECT") or found.quota_project_id
        return _Billed(token.text, token.expires, header_value(quota, "the project that pays"))

    return _Google(source)


def keyed(around: Surroundings) -> bool:
    """Whether a parameter `api_key` counts, because no other parameter says who the deployment is.
    https://cloud.google.com/vertex-ai/generative-ai/docs/start/express-mode/overview"""
    return bool(around.param("api_key")) and not any(around.params.get(name) for name in CREDENTIAL_PARAMS)


def project(around: Surroundings) -> str:
    """The project's id, "" where neither a parameter, a variable nor the credential document names it.

    Raises AuthenticationError for a document that can't be read.
    """
    given = around.param(*PROJECT_PARAMS) or around.variable(*PROJECT_VARIABLES)
    if given:
        return given
    found = _document(around)
    return "" if found is None else found.project_id or found.quota_project_id


def _document(around: Surroundings) -> Document | None:
    """None where there is none. Raises AuthenticationError for one that is named and can't be read."""
    for where, given in _given(around):
        return document(*json_text(around, given, where))
    path = _login_file(around)
    return document(*json_text(around, path, "gcloud's login")) if there(around, path) else None


def _given(around: Surroundings) -> list[tuple[str, Any]]:
    """What names a document, the nearest first, with the name that it has in messages."""
    params = [(name, around.params.get(name)) for name in CREDENTIAL_PARAMS]
    variables = [(name, around.env.get(name)) for name in CREDENTIAL_VARIABLES]
    return [(name, value) for name, value in (*params, *variables) if value]


def _login_file(around: Surroundings) -> str:
    folder = around.variable("CLOUDSDK_CONFIG")
    if not folder:
        windows = around.variable("APPDATA")
        folder = f"{windows}/gcloud" if windows else "~/.config/gcloud"
    return around.path(f"{folder}/application_default_credentials.json")


async def _metadata(around: Surroundings, fetch: Fetch, now: float, scope: str) -> Token:
    """The service account of the machine. https://cloud.google.com/compute/docs/access/authenticate-workloads"""
    host = around.variable("GCE_METADATA_HOST", "GCE_METADATA_ROOT") or "metadata.google.internal"
    root = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
    ask = Ask(
        url=address(f"{root}?{urlencode({'scopes': scope})}", "GCE_METADATA_HOST"),
        headers={"metadata-flavor": "Google"},
        seconds=METADATA_SECONDS,
        direct=True,
    )
    try:
        if around.variable("NO_GCE_CHECK").lower() == "true":
            raise APIConnectionError("NO_GCE_CHECK forbids to ask")
        got = await asked_json(fetch, ask, Granted, "a token of Google's metadata server", now)
    except (APIConnectionError, Timeout) as error:
        if _is_googles(around):
            raise  # it may answer the next time
        raise missing(_looked_for(around, host, error)) from None
    return got.token(now)


def _is_googles(around: Surroundings) -> bool:
    """Whether the machine says that it is one of Google's.
    https://cloud.google.com/compute/docs/instances/detect-compute-engine"""
    name = "/sys/class/dmi/id/product_name"
    return there(around, name) and file_text(around, name, name).startswith("Google")


def _looked_for(around: Surroundings, host: str, error: HeadgateError) -> str:
    unset = ", ".join((CREDENTIAL_PARAMS[0], *CREDENTIAL_VARIABLES))
    return (
        f"no Google credentials: none of {unset} is set, there is no file {_login_file(around)}, and the metadata "
        f"server {host} gave none ({error.message}). Give vertex_credentials (the path or the text of a key file), "
        "or run `gcloud auth application-default login`"
    )
