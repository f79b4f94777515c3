"""The record of a provider, and the closed list of quirks that a row may use.

A provider is a dialect, addresses and a credential scheme; what deviates is named by a quirk and carried
out by one generic mechanism (`quirks.py`). No code anywhere asks for a provider's name.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from msgspec import Struct, field


class Auth(Struct, frozen=True, kw_only=True):
    """How a key travels. An empty `scheme` means that the header's value is the key itself.

    Tokens that are no keys travel as `Authorization: Bearer`, with `token_headers` beside them: those given
    by the parameter `token_param`, those in the environment under `token_env`, and keys that begin with
    `token_prefix`, which is cut off where `cut_prefix` says that it is only a mark.
    """

    header: str = "authorization"
    scheme: str = "Bearer"
    optional: bool = False
    token_param: str = ""
    token_env: tuple[str, ...] = ()
    token_prefix: str = ""
    cut_prefix: bool = False
    token_headers: dict[str, str] = {}


class Quirks(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Deviations of an OpenAI-shaped API, applied to top-level keys unless said otherwise.

    rename          key → the name this API knows it by
    refuse          keys it rejects: an error for the caller, or dropped under `drop_params`
    drop            keys that mean nothing to it and are left out without a word
    values          key → {JSON text of a value: the value to send instead}
    flatten         content lists of text parts become one string
    drop_null       keys whose value is null are removed from messages
    strip_message   keys removed from every message (leftovers of other APIs' answers)
    tool_strict     False: `strict` is removed from function tools
    strip_schema    keys removed from the parameters of function tools, at every depth
    rename_text     as `rename`, where the value is a text: with an object it keeps its name
    only            key → the values it takes; with another one the key is refused. "key.inner" looks into an object
    clamp           key → (least, most): numbers beyond are set to the bound
    roles           role of a message → the role this API knows
    unstreamed      key → its value in a body that is no stream, where the caller says nothing of it
    effort          the effort of its reasoning where `reasoning_effort` names none: "none" for not at all
    reasoning       keys that are refused while it reasons → the value that they may have even then
    to_responses    chats that go to the operation "responses": all, or those with tools while it reasons
    seals           the operation "responses" hands out its reasoning sealed, for the next call
    """

    rename: dict[str, str] = {}
    refuse: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    values: dict[str, dict[str, Any]] = {}
    flatten: bool = False
    drop_null: bool = False
    strip_message: tuple[str, ...] = ()
    tool_strict: bool = True
    strip_schema: tuple[str, ...] = ()
    rename_text: dict[str, str] = {}
    only: dict[str, tuple[Any, ...]] = {}
    clamp: dict[str, tuple[float, float]] = {}
    roles: dict[str, str] = {}
    unstreamed: dict[str, Any] = {}
    effort: str = ""
    reasoning: dict[str, Any] = {}
    to_responses: Literal["", "all", "tools"] = ""
    seals: bool = False


class ModelRule(Struct, frozen=True, kw_only=True):
    """Further quirks of the models whose name matches the regular expression from its start."""

    match: str
    quirks: Quirks


class Locate(Struct, frozen=True, kw_only=True):
    """Where a provider tells the address of calls, which `base_of` does not know: what is asked for with GET, and how
    that is read, "" where there is none; `missing` is what is said then."""

    path: str
    read: Callable[[Any], str]
    missing: str


class Variant(Struct, frozen=True, kw_only=True):
    """Models of a provider that are reached another way: those whose name matches the regular expression from its
    start. `cut` is taken off the beginning of the name."""

    match: str
    row: "Provider"
    cut: str = ""


PATHS: Final = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "models": "/models",
    "responses": "/responses",
    "images": "/images/generations",
    "image_edits": "/images/edits",
    "image_variations": "/images/variations",
    "speech": "/audio/speech",
    "transcriptions": "/audio/transcriptions",
    "translations": "/audio/translations",
    "moderations": "/moderations",
    "rerank": "/rerank",
    "fim": "/fim/completions",
    "ocr": "/ocr",
    "realtime": "/realtime?model={model}",
    "files": "/files",
    "batches": "/batches",
    "fine_tuning": "/fine_tuning/jobs",
}


def paths(*operations: str) -> dict[str, str]:
    """Where OpenAI has these operations, or who added them to its API."""
    return {name: PATHS[name] for name in operations}


OPENAI_PATHS: Final = paths("chat", "completions", "embeddings", "models")
TO_MAX_TOKENS: Final = {"max_completion_tokens": "max_tokens"}
"""Most servers know only the older name."""


class Bulk(Struct, frozen=True, kw_only=True):
    """Batches that are jobs on files in a bucket.

    `form` names how jobs and lines are written (`core/bulk.py`), `model_of` makes the job's model of a deployment's;
    `operation` is what the requests of its lines are.
    `store` is the row of who keeps the files; `store_params` makes its parameters of the deployment's and the
    environment. `settings` are what a job is made of beside: each with the parameters, and in capitals the
    variables, that may hold it, the first of which counts; `needs` those without which there is no batch.
    """

    form: str
    model_of: Callable[[str], str]
    store: "Provider"
    store_params: Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, Any]]
    settings: dict[str, tuple[str, ...]]
    needs: tuple[str, ...]
    operation: Literal["chat", "embeddings"] = "chat"


class Provider(Struct, frozen=True, kw_only=True):
    """One row.

    `dialect` is what it speaks for chat, `dialects` maps an operation to what it speaks there, where that isn't the
    operation's own. `paths` maps an operation to what is appended to the base URL, with "{model}" filled in. Both
    have "chat_stream" where a stream has a format or an address of its own, and "messages" where chats in Anthropic's
    format have one beside. `base_url` None means that the user must
    give one, by `api_base`, `base_url_param` or a variable of `base_url_env`. `path_of` makes the
    template where it depends on more than the operation; `model_of` the name of the model in the frames of a realtime
    connection, where it is more than the model's own.

    `rejects` are keys that its own servers reject in messages; those that are reached by this row at another address
    may take them.

    `bare` is a regular expression of model names that mean this provider without its prefix.
    `model_prefix` is put before a model name that holds no "/". `stream_usage` says how usage comes in a
    stream: "ask" by stream_options, "always" unasked, "refused" when asking is an error. `header_env` maps
    a header to the environment variable that holds its value. `cache_marks`: it takes Anthropic's `cache_control`
    in the content parts of OpenAI's messages. `base_vars` maps a placeholder of `base_url` to the
    parameter that fills it and, after it, the environment variables. `body_env` maps parameters of which a call needs
    one to environment variables: where nobody gives any of them, the first that is found is sent. `credential` names
    a scheme of `providers/auth` that signs where no key is given, with its argument after a colon. `base_of` gives
    the base URL by a path of its API ("" for calls of models), the parameters and the environment, where a template
    does not do; `locate` finds out what follows it where it says "" of calls.

    `batch_price` is what a batch costs where the price table has no price for it, as a part of the plain one, in
    decimals; `lacks` is a sentence for who asks for batches that can't be forwarded. `bulk` is how its batches are
    made where they are jobs on files in a bucket.

    `variants` are rows for some of its models, the first that matches. `body` are fields of every body,
    `body_vars` those that a parameter fills, or the environment variables after it, and no caller;
    `body_model` False: the body names no model, but those of the operations `named_in`; `cut_model` is where a
    model's name in the body ends. `uploads` are the form's fields with which media of a request are uploaded to
    the path of that name first: its bodies name them by id. `form`: bodies that we write travel as a form, not as
    JSON. `input_header` is the header of answers that counts their input's tokens.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    dialect: str = "openai_chat"
    embeddings: str = "openai_embeddings"
    dialects: dict[str, str] = {}
    base_url: str | None = None
    base_url_env: tuple[str, ...] = ()
    base_url_param: str = ""
    base_vars: dict[str, tuple[str, ...]] = {}
    api_key_env: tuple[str, ...] = ()
    auth: Auth = Auth()
    paths: dict[str, str] = field(default_factory=lambda: OPENAI_PATHS)
    path_of: "Callable[[Site], str] | None" = None
    model_of: "Callable[[Site], str] | None" = None
    headers: dict[str, str] = {}
    header_env: dict[str, str] = {}
    header_params: dict[str, str] = {}
    quirks: Quirks = Quirks()
    rejects: tuple[str, ...] = ()
    model_rules: tuple[ModelRule, ...] = ()
    model_prefix: str = ""
    bare: str = ""
    stream_usage: Literal["ask", "always", "refused"] = "ask"
    api_version_env: str = ""
    api_version: str = ""
    cache_marks: bool = False
    body_env: dict[str, tuple[str, ...]] = {}
    body_vars: dict[str, tuple[str, ...]] = {}
    credential: str = ""
    base_of: "Callable[[str, Mapping[str, Any], Mapping[str, str]], str] | None" = None
    locate: Locate | None = None
    variants: tuple[Variant, ...] = ()
    body: dict[str, Any] = {}
    batch_price: str = "1"
    lacks: str = ""
    bulk: Bulk | None = None
    body_model: bool = True
    named_in: tuple[str, ...] = ()
    input_header: str = ""
    uploads: dict[str, str] = {}
    cut_model: str = ""
    form: bool = False


class Site(Struct, frozen=True, kw_only=True):
    """What an address is made of. `operation` is a key of the row's `paths`."""

    provider: Provider
    operation: str
    model: str
    base: str
    api_version: str
