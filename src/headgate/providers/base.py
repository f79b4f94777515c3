"""The record of a provider, and the closed list of quirks that a row may use.

A provider is a dialect, addresses and a credential scheme; what deviates is named by a quirk and carried
out by one generic mechanism (`quirks.py`). No code anywhere asks for a provider's name.
"""

from typing import Any, Literal

from msgspec import Struct


class Auth(Struct, frozen=True, kw_only=True):
    """How a key travels. An empty `scheme` means that the header's value is the key itself."""

    header: str = "authorization"
    scheme: str = "Bearer"
    optional: bool = False


class Quirks(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Deviations of an OpenAI-shaped API, applied to top-level keys unless said otherwise.

    rename          key → the name this API knows it by
    refuse          keys it rejects: an error for the caller, or dropped under `drop_params`
    values          key → {JSON value as text: value}: one value for another
    force           key → value set on every request
    flatten         content lists of text parts become one string
    strip_message   keys removed from every message (other APIs' leftovers)
    drop_null       keys whose value is null are removed from messages
    tool_strict     False: `strict` is removed from function tools
    model_prefix    put before a model name that holds no "/"
    """

    rename: dict[str, str] = {}
    refuse: tuple[str, ...] = ()
    values: dict[str, dict[str, Any]] = {}
    force: dict[str, Any] = {}
    flatten: bool = False
    strip_message: tuple[str, ...] = ()
    drop_null: bool = False
    tool_strict: bool = True
    model_prefix: str = ""


class ModelRule(Struct, frozen=True, kw_only=True):
    """Quirks of the models whose name matches the regular expression `match` from its start."""

    match: str
    quirks: Quirks


class Provider(Struct, frozen=True, kw_only=True):
    """One row.

    `paths` maps an operation to what is appended to the base URL ("{model}" is filled in, quoted);
    `base_url` None means that the user must give one. `stream_usage` says how usage comes in a stream:
    "ask" by stream_options, "always" unasked, "refused" when asking is an error.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    dialect: str = "openai_chat"
    base_url: str | None = None
    base_url_env: tuple[str, ...] = ()
    api_key_env: tuple[str, ...] = ()
    auth: Auth = Auth()
    paths: dict[str, str] = {
        "chat": "/chat/completions",
        "completions": "/completions",
        "embeddings": "/embeddings",
        "models": "/models",
    }
    headers: dict[str, str] = {}
    header_env: dict[str, str] = {}
    quirks: Quirks = Quirks()
    model_rules: tuple[ModelRule, ...] = ()
    stream_usage: Literal["ask", "always", "refused"] = "ask"
