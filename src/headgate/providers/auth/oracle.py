"""Oracle Cloud's signatures: RSA and SHA-256 over the request line and some headers, with a user's API key.

https://docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm; profiles:
https://docs.oracle.com/en-us/iaas/Content/API/Concepts/sdkconfig.htm. Knows no model and no address of a service.
"""

import base64
import configparser
import hashlib
import math
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from headgate.errors import AuthenticationError
from headgate.ports import Credential, Fetch, Signing, Told
from headgate.providers.auth.base import YOUNG, Renewing, Surroundings, missing
from headgate.providers.auth.rs256 import private_key
from headgate.providers.auth.values import clean, file_text, header_value, there

CONFIG: Final = "~/.oci/config"
NAMES: Final[dict[str, tuple[str, str, str]]] = {
    "user": ("oci_user", "OCI_USER", "user"),
    "fingerprint": ("oci_fingerprint", "OCI_FINGERPRINT", "fingerprint"),
    "tenancy": ("oci_tenancy", "OCI_TENANCY", "tenancy"),
    "region": ("oci_region", "OCI_REGION", "region"),
    "key": ("oci_key", "OCI_KEY", "key_content"),
    "key_file": ("oci_key_file", "OCI_KEY_FILE", "key_file"),
    "passphrase": ("oci_passphrase", "OCI_PASSPHRASE", "pass_phrase"),
    "token_file": ("oci_security_token_file", "OCI_SECURITY_TOKEN_FILE", "security_token_file"),
}
"""What is looked for: the parameter, the environment variable, the key in a profile."""
FILE: Final = ("oci_config_file", "OCI_CONFIG_FILE")
PROFILE: Final = ("oci_profile", "OCI_CONFIG_PROFILE")
WHO: Final = ("user", "fingerprint", "key", "key_file", "token_file")
"""What says whose signature it is: given singly, a profile adds none of the others."""
SESSION_SECONDS: Final = 600.0
"""How long a session's token is used before its file is read again."""
_WHAT: Final = "Oracle Cloud's private key"
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_PORTS: Final = {"http": ":80", "https": ":443"}


class Keys(Struct, frozen=True, kw_only=True):
    """`key_id` names `key`, an RSA key, to the server. `expires` is Unix seconds, infinity for keys that stay."""

    key_id: str
    key: Any
    secret: str = ""
    expires: float = math.inf

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.secret,)


def credential(around: Surroundings) -> Credential:
    """Never raises: what is wrong or missing is told by `renew`."""
    return Signer(around)


def region(around: Surroundings) -> str:
    """The deployment's, the environment's or the profile's region, "" where none is named.

    Raises AuthenticationError for a profile that is named and is not there, and for an unreadable file.
    """
    return found(around)["region"]


def found(around: Surroundings) -> dict[str, str]:
    """What is known of NAMES, "" for the others. Raises AuthenticationError as `region` does."""
    facts = {
        name: clean(around.param(param) or around.variable(variable), f"{param} or {variable}")
        for name, (param, variable, _) in NAMES.items()
    }
    held = _profile(around)
    if any(facts[name] for name in WHO):
        held = {name: value for name, value in held.items() if name not in WHO or not _keyed(facts, name)}
    return {name: value or held.get(name, "") for name, value in facts.items()}


def _keyed(facts: dict[str, str], name: str) -> bool:
    """Whether a profile's value would mix one key's name with another key."""
    return name in ("key", "key_file", "token_file") and bool(facts["key"] or facts["key_file"])


def _profile(around: Surroundings) -> dict[str, str]:
    named_file = around.param(FILE[0]) or around.variable(FILE[1])
    named = around.param(PROFILE[0]) or around.variable(PROFILE[1])
    path, profile = named_file or CONFIG, named or "DEFAULT"
    if not named_file and not named and not there(around, path):
        return {}
    what = "Oracle Cloud's configuration"
    text = file_text(around, path, what)
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise AuthenticationError(
            f"{what}, the file {around.path(path)}, can't be read: {type(error).__name__}",
            code="unreadable_credentials",
        ) from None
    if profile != "DEFAULT" and profile not in parser:
        raise missing(f"{what}: the file {around.path(path)} has no profile {profile[:80]!r}")
    section = parser[profile]
    return {name: section.get(key, "").strip() for name, (_, _, key) in NAMES.items()}


class Signer(Renewing[Keys]):
    """See ports.Credential."""

    def __init__(self, around: Surroundings) -> None:
        names = [NAMES[name] for name in ("key", "passphrase")]
        super().__init__(self._found, [around.param(one[0]) or around.variable(one[1]) for one in names])
        self._around = around

    async def _found(self, fetch: Fetch, now: float) -> Keys:
        """Looks anew each time: other programs write the files."""
        return keys(self._around, now)

    def sign(self, request: Signing, now: float) -> list[tuple[str, str]]:
        return sign(request, self.value, now)

    def refused(self, told: Told, lines: list[tuple[str, str]], now: float) -> bool:
        """True when the key may have been changed meanwhile, and is read again."""
        if told.status != 401 or now - self._since < YOUNG:
            return False
        self.forget()
        return True


def keys(around: Surroundings, now: float) -> Keys:
    """Raises AuthenticationError that says what is lacking, or what can't be read."""
    facts = found(around)
    lacking = [name for name in ("tenancy", "user", "fingerprint") if not facts[name]]
    if facts["token_file"]:
        lacking = []
    if not facts["key"] and not facts["key_file"]:
        lacking.append("key_file")
    if lacking:
        names = ", ".join(f"{NAMES[name][0]} or {NAMES[name][1]}" for name in lacking)
        raise missing(f"Oracle Cloud: no credentials: set {names}; or a profile in {CONFIG} ({PROFILE[0]})")
    pem = facts["key"] or file_text(around, facts["key_file"], _WHAT)
    key = private_key(pem, _WHAT, facts["passphrase"])
    if facts["token_file"]:
        what = "Oracle Cloud's session token"
        token = header_value(file_text(around, facts["token_file"], what), what)
        return Keys(key_id=f"ST${token}", key=key, secret=token, expires=now + SESSION_SECONDS)
    parts = [header_value(facts[name], NAMES[name][0]) for name in ("tenancy", "user", "fingerprint")]
    return Keys(key_id="/".join(part.replace('"', "") for part in parts), key=key)


def sign(request: Signing, keys: Keys, now: float) -> list[tuple[str, str]]:
    """date, x-content-sha256 where there is a body, and authorization."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    url = urlsplit(request.url)
    given = dict(request.headers)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    host = given.get("host") or url.netloc.rpartition("@")[2].removesuffix(_PORTS.get(url.scheme, ""))
    values = {
        "date": formatdate(now, usegmt=True),
        "(request-target)": f"{request.method.lower()} {target}",
        "host": host,
    }
    added = ["date"]
    if request.method.upper() in _WITH_BODY:
        values["content-length"] = str(len(request.body))
        values["content-type"] = given.get("content-type", "application/json")
        values["x-content-sha256"] = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
        added += ["x-content-sha256"] + ["content-type"] * ("content-type" not in given)
    text = "\n".join(f"{name}: {value}" for name, value in values.items())
    signature = base64.b64encode(keys.key.sign(text.encode(), PKCS1v15(), SHA256())).decode()
    words = {
        "version": "1",
        "keyId": keys.key_id,
        "algorithm": "rsa-sha256",
        "headers": " ".join(values),
        "signature": signature,
    }
    line = "Signature " + ",".join(f'{name}="{value}"' for name, value in words.items())
    return [*((name, values[name]) for name in added), ("authorization", line)]
