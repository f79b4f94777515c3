"""Google Vertex AI: Gemini, and the models of partners that are served there.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference and
https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/use-partner-models. The base URL ends with
project and location; what follows is the publisher's.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from headgate.errors import BadRequestError
from headgate.providers.address import LABEL, join
from headgate.providers.base import TO_MAX_TOKENS, Auth, Bulk, Provider, Quirks, Site, Variant
from headgate.providers.rows import stores

LOCATION = "us-central1"
_LOCATIONS = ("VERTEXAI_LOCATION", "VERTEX_LOCATION", "GOOGLE_CLOUD_LOCATION")
_IN_PATH = re.compile(r"/locations/([a-z0-9-]+)(?:/|$)")
_VERSION = re.compile(r"/v1(?:beta1)?/")
_MODEL = re.compile(r"(?:/publishers/[^/]+)?/(?:models|endpoints)/[^/]+$")
_JOBS = "/batchPredictionJobs"


def _base(path: str, params: Mapping[str, Any], env: Mapping[str, str]) -> str:
    """Of a path of the API: the host of the location that it names. Else with project and location, too."""
    found = _IN_PATH.search(path)
    named = found[1] if found else params.get("vertex_location") or params.get("vertex_ai_location")
    location = str(named or next((env[name] for name in _LOCATIONS if env.get(name)), LOCATION))
    if not LABEL.fullmatch(location):
        raise BadRequestError("vertex_location can't be part of an address", param="vertex_location")
    host = f"{location}-aiplatform.googleapis.com"
    if "-" not in location:  # https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations
        host = (
            "aiplatform.googleapis.com"
            if location == "global"
            else f"aiplatform.{location}.rep.googleapis.com"
        )
    if path:
        return f"https://{host}" + ("" if _VERSION.match(path) else "/v1")
    if params.get("api_key"):  # express mode: the key belongs to the project
        return "https://aiplatform.googleapis.com/v1"
    return f"https://{host}/v1/projects/{_project(params, env)}/locations/{location}"


def _project(params: Mapping[str, Any], env: Mapping[str, str]) -> str:
    from headgate.providers.auth import google  # only who calls Vertex needs it
    from headgate.providers.auth.base import Surroundings

    around = Surroundings(params=params, env=env, read=lambda path: Path(path).read_bytes(), provider=_NAME)
    project = google.project(around)
    if not project:
        raise BadRequestError(
            f"{_NAME}'s address is made of the project: set vertex_project (VERTEXAI_PROJECT in the environment)",
            llm_provider="vertex_ai",
            param="vertex_project",
        )
    if not LABEL.fullmatch(project.replace(":", "")):
        raise BadRequestError("vertex_project can't be part of an address", param="vertex_project")
    return project


_NAME = "Google Vertex AI"
_METHODS = {
    "chat": ":generateContent",
    "chat_stream": ":streamGenerateContent?alt=sse",
    "embeddings": ":predict",
    "count_tokens": ":countTokens",
    "images": ":predict",
    "image_edits": ":predict",
    "rerank": "",
    "speech": "",
    "batches": "",
}
_TTS = {**_METHODS, "speech": ":generateContent"}
_IMAGES = ("images", "image_edits")
_RAW = {"chat": ":rawPredict", "chat_stream": ":streamRawPredict"}
_CLAUDE = {**_RAW, "batches": "", "count_tokens": "count-tokens:rawPredict"}
"""Counting names a model of its own. https://docs.anthropic.com/en/api/claude-on-vertex-ai"""


def _of(publisher: str, methods: Mapping[str, str]) -> Any:
    def path(site: Site) -> str:
        """A base that is a model or an endpoint itself gets the method alone."""
        if site.operation == "batches":
            return join(_MODEL.sub("", site.base), _JOBS)
        if site.operation == "rerank":
            return _ranker(site)
        if site.operation == "speech" and not methods["speech"]:
            return _speaker(site)
        if site.operation == "realtime":
            return _live(site)
        method = methods[site.operation]
        if site.operation == "count_tokens" and not method.startswith(":"):
            root, found, _ = site.base.partition("/publishers/")
            return f"{root if found else ''}/publishers/{publisher}/models/{method}"
        if method == ":predict" and site.operation in _IMAGES and "gemini" in site.model:
            method = ":generateContent"
        if _MODEL.search(site.base):
            return method
        if site.model.isdecimal():  # a tuned model, deployed
            return f"/endpoints/{{model}}{method}"
        return f"/publishers/{publisher}/models/{{model}}{method}"

    return path


def _ranker(site: Site) -> str:
    """Rerank is a service beside the models. https://cloud.google.com/generative-ai-app-builder/docs/ranking"""
    found = re.search(r"/projects/([^/]+)/", site.base)
    if found is None and site.base.startswith("http"):
        raise BadRequestError(
            f"{_NAME}'s rerank needs the project: set vertex_project and no API key, or an api_base with it",
            llm_provider=site.provider.id,
            param="vertex_project",
        )
    project = found[1] if found else "{vertex_project}"
    return (
        f"https://discoveryengine.googleapis.com/v1/projects/{project}/locations/global"
        "/rankingConfigs/default_ranking_config:rank"
    )


def _speaker(site: Site) -> str:
    """Google's own voices are a service beside the models, too; another host is asked itself.
    https://cloud.google.com/text-to-speech/docs/reference/rest/v1/text/synthesize"""
    google = (urlsplit(site.base).hostname or "").endswith(".googleapis.com")
    return ("https://texttospeech.googleapis.com" if google else "") + "/v1/text:synthesize"


def _store_params(params: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    if params.get("api_key"):
        raise BadRequestError(
            f"{_NAME}'s batches need vertex_project and vertex_credentials: an API key reads no bucket",
            llm_provider="vertex_ai",
            param="api_key",
        )
    own = {name: value for name, value in params.items() if name not in ("api_base", "base_url")}
    credentials = own.get("vertex_credentials") or env.get("GCS_PATH_SERVICE_ACCOUNT")
    return {**own, "vertex_credentials": credentials} if credentials else own


def _bulk(publisher: str) -> Bulk:
    """`publisher` "" where the model's name begins with it."""

    def model_of(model: str) -> str:
        if model.startswith(("projects/", "publishers/")):
            return model
        house, slash, rest = model.partition("/")
        return f"publishers/{house}/models/{rest}" if slash else f"publishers/{publisher}/models/{model}"

    return Bulk(
        form="vertex",
        model_of=model_of,
        store=stores.GCS,
        store_params=_store_params,
        settings={"bucket": ("gcs_bucket_name", "bucket_name", "GCS_BATCH_BUCKET_NAME", "GCS_BUCKET_NAME")},
        needs=("bucket",),
    )


_ROOT = re.compile(r"(.*?)(?:/(v1(?:beta1)?))?(?:/(projects/.*))?$")


def _live(site: Site) -> str:
    """The Live API is a method of its own, whose frames name project and location.
    https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/multimodal-live"""
    root, version, _ = _parts(site)
    return f"{root}/ws/google.cloud.aiplatform.{version or 'v1'}.LlmBidiService/BidiGenerateContent"


def _live_model(site: Site) -> str:
    """Its whole name, with the place where it is; a key belongs to a project, and needs none."""
    place = _parts(site)[2] or ""
    if re.search(r"/(models|endpoints)/[^/]+$", place):
        return place
    kind = "endpoints" if site.model.isdecimal() else "publishers/google/models"
    return "/".join(filter(None, (place, kind, site.model)))


def _parts(site: Site) -> tuple[str | None, ...]:
    """Of the base URL: where it begins, the API's version, and the project with all that follows."""
    found = _ROOT.fullmatch(site.base)
    return found.groups() if found else (site.base, None, None)


def _row(publisher: str, methods: Mapping[str, str], **fields: Any) -> Provider:
    given: dict[str, Any] = {"path_of": _of(publisher, methods), "paths": dict(methods), **fields}
    if "batches" in given["paths"]:
        given["dialects"] = {**given.get("dialects", {}), "batches": "gemini"}
        given |= {"bulk": _bulk(publisher), "batch_price": _HALF}
    else:
        given["lacks"] = f"{_NAME} has batches of Gemini, of Claude, of open models and of text embeddings."
    return Provider(
        id="vertex_ai",
        name=_NAME,
        base_url_env=("VERTEXAI_API_BASE", "VERTEX_API_BASE"),
        base_of=_base,
        auth=Auth(header="x-goog-api-key", scheme=""),
        credential="google",
        **given,
    )


_HALF = "0.5"
"""https://cloud.google.com/vertex-ai/generative-ai/pricing"""

CLAUDE = _row(
    "anthropic",
    _CLAUDE,
    dialect="anthropic",
    stream_usage="always",
    body={"anthropic_version": "vertex-2023-10-16"},
    body_model=False,
    named_in=("count_tokens",),
)
MISTRAL = _row("mistralai", _RAW, cut_model="@", quirks=Quirks(rename=TO_MAX_TOKENS))
AI21 = _row("ai21", _RAW, cut_model="@", quirks=Quirks(rename=TO_MAX_TOKENS))
OPEN = _row(
    "",
    {},
    paths={"chat": "/endpoints/openapi/chat/completions", "batches": _JOBS},
    path_of=None,
    quirks=Quirks(rename=TO_MAX_TOKENS),
)
SELF_DEPLOYED = _row(
    "",
    {},
    paths={"chat": "/endpoints/{model}/chat/completions"},
    path_of=None,
    body_model=False,
    quirks=Quirks(rename=TO_MAX_TOKENS),
)
SPEAKING = _row(
    "google",
    _TTS,
    dialect="gemini",
    embeddings="vertex_embeddings",
    dialects={"count_tokens": "vertex_count", "rerank": "vertex_rerank", "speech": "gemini_speech"},
    stream_usage="always",
)
GOOGLE = _row(
    "google",
    {**_METHODS, "realtime": ""},
    aliases=("vertex_ai_beta", "google-vertex"),
    dialect="gemini",
    embeddings="vertex_embeddings",
    dialects={
        "count_tokens": "vertex_count",
        "rerank": "vertex_rerank",
        "speech": "google_tts",
        "images": "google_images",
        "image_edits": "google_images",
        "realtime": "gemini_live",
    },
    model_of=_live_model,
    stream_usage="always",
)
EMBEDDING = replace(
    GOOGLE,
    bulk=replace(_bulk("google"), operation="embeddings"),
    batch_price="0.8",  # https://cloud.google.com/vertex-ai/generative-ai/pricing#embedding-models
)
_NEWER = {**GOOGLE.paths, "embeddings": ":embedContent"}
NEWER_EMBEDDING = replace(
    EMBEDDING, path_of=_of("google", _NEWER), paths=_NEWER, embeddings="vertex_embed_content"
)
"""`predict` of gemini-embedding-2 is a 400 (FAILED_PRECONDITION), `embedContent` of gemini-embedding-001, too:
https://github.com/vercel/ai/issues/15853, https://github.com/quarkiverse/quarkus-langchain4j/issues/2376"""
ROW = replace(
    GOOGLE,
    variants=(
        Variant(match=r"gemini-embedding-[2-9]", row=NEWER_EMBEDDING),
        Variant(match=r"gemini-embedding|text-?embedding|text-multilingual-embedding", row=EMBEDDING),
        Variant(match=r"gemini-.*tts", row=SPEAKING),
        Variant(match=r"claude", row=CLAUDE),
        Variant(match=r"mistral|codestral|ministral", row=MISTRAL),
        Variant(match=r"jamba", row=AI21),
        Variant(match=r"openai/\d+$", row=SELF_DEPLOYED, cut="openai/"),
        Variant(match=r"[a-z0-9-]+/", row=OPEN),
    ),
)
