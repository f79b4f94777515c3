"""The one place that chooses how a body travels: PASS, PATCH or TRANSLATE (docs/architecture.md)."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Raw, Struct

from headgate.core import forms
from headgate.core.call import PICTURES, Call
from headgate.core.deployment import Deployment, Route
from headgate.core.dialects import dialect
from headgate.core.params import OURS, take_ours
from headgate.errors import BadRequestError, UnsupportedParamsError
from headgate.ports import Outgoing
from headgate.providers.quirks import effort_of, marked, run
from headgate.wire import free_tools
from headgate.wire.allowed import narrowed
from headgate.wire.envelope import UNREADABLE
from headgate.wire.ir import Echo, Request, Source, Thinking
from headgate.wire.seals import MARK, unreadable

PASS: Final = "pass"  # noqa: S105 -- no password
PATCH: Final = "patch"
TRANSLATE: Final = "translate"

_ASKED: Final = ("openai_chat", "completions")
"""Formats whose streams tell their usage only when they are asked to."""
_NESTED: Final = ("gemini", "ollama", "ollama_embeddings", "anthropic_count", "responses_count")
"""Formats whose parameters stand inside another key, or that have few: settings of a deployment, which are flat,
don't fit in as they are."""
_SAID: Final = {"anthropic": "messages", "responses": "input"}
"""Formats whose answers may hold what another vendor's model thought → where that comes back."""
_SEALED: Final = f'"{MARK}'.encode()
_UNSIGNED: Final = (b'"signature":""', b'"signature": ""')
_ASK: Final = Raw(b'{"include_usage":true}')
_TRUE: Final = Raw(b"true")
_NO_MESSAGES: Final = Raw(b'[{"role":"user","content":""}]')
CHAT: Final = "openai_chat"
"""The format whose words a deployment's settings are in."""
_encode = msgspec.json.encode
_options = msgspec.json.Decoder(dict[str, Any])


class Prepared(Struct):
    """A body ready to send. `strip_usage`: we asked for usage in a stream, the client did not. `more` are further
    bodies for the same address (ir.Written). `remote` are media to fetch first, which belong to `request`: pictures
    to work on have no body until then. `uploads`: what it holds of media is to be uploaded first, and named."""

    route: Route
    head: bytes
    body: bytes | Outgoing
    path: str
    echo: Echo | None = None
    strip_usage: bool = False
    more: list[bytes] = []
    remote: list[Source] = []
    uploads: bool = False
    request: Request | None = None


def prepare(call: Call, deployment: Deployment, request: Request | None = None) -> Prepared:
    """`request` is what an earlier preparation read, its media fetched since.

    Raises BadRequestError for a request that can't be read, UnsupportedParamsError for one that can't be
    expressed."""
    operation = deployment.operation_for(call.operation, call.dialect.name)
    if operation == "chat" and deployment.to_responses and _to_responses(call, deployment):
        operation = "responses"
    route = deployment.route(operation, call.stream)
    fits = call.dialect.names_model != "parts" and not (deployment.defaults and call.dialect.name in _NESTED)
    if route.dialect is call.dialect and fits and call.files is None and not _others(call, deployment):
        return _same(call, deployment, route)
    return _translate(call, deployment, route, request)


def _others(call: Call, deployment: Deployment) -> bool:
    """Whether a message bears another vendor's thoughts: the format's own models refuse them, translation leaves
    them out."""
    key = _SAID.get(call.dialect.name)
    if key is None:
        return False
    said = bytes(call.envelope.get(key, b""))
    if said.rfind(_SEALED) >= 0:
        return True
    signs = deployment.own and deployment.provider.dialect == "anthropic"
    return signs and any(said.rfind(mark) >= 0 for mark in _UNSIGNED)


def _to_responses(call: Call, deployment: Deployment) -> bool:
    """Whether the model takes this chat in the format of Responses only."""
    if deployment.to_responses == "all":
        return True
    if bytes(call.envelope.get("tools", b"null")) in (b"null", b"[]"):
        return False
    if call.dialect.name == CHAT:
        return effort_of(deployment.plan, {**deployment.defaults, **call.envelope}) != "none"
    wish = call.meaning().reasoning
    if wish is None or (wish.effort is None and wish.budget is None and not wish.adaptive):
        return deployment.plan.effort != "none"
    return wish.budget != 0 and wish.effort != "none"


def _same(call: Call, deployment: Deployment, route: Route) -> Prepared:
    envelope = dict(call.envelope)
    if deployment.defaults:
        envelope = {**deployment.defaults, **envelope}
    if not OURS.isdisjoint(envelope) or "metadata" in envelope:
        take_ours(envelope)
    for name in (*deployment.drop, *call.options.drop):
        envelope.pop(name, None)
    strip, addressed = False, call.dialect.names_model == "address"
    if addressed:
        envelope.pop("model", None)
        envelope.pop("stream", None)
    elif route.body_model:
        envelope["model"] = deployment.model_raw
    else:
        envelope.pop("model", None)
    if call.stream and call.dialect.name in _ASKED and deployment.provider.stream_usage == "ask":
        strip = _ask_for_usage(envelope) and not call.options.show_usage
    path = PASS
    if not deployment.plan.idle or marked(deployment.plan, envelope):
        path = PATCH
        call.dropped = run(deployment.plan, envelope, deployment.provider, drops(call, deployment))
    if deployment.extra or deployment.fixed:
        envelope |= deployment.fixed | deployment.extra
    return Prepared(route, _head(route, call.forward), _encode(envelope), path, None, strip)


def _translate(call: Call, deployment: Deployment, route: Route, request: Request | None) -> Prepared:
    if request is None:
        request = call.meaning()
        if deployment.defaults:
            request = _with_settings(call, deployment, request)
    _check(call, request)
    remote = route.dialect.remote_media(request)
    if remote and call.operation in PICTURES:
        return Prepared(route=route, head=b"", body=b"", path=TRANSLATE, remote=remote, request=request)
    if deployment.provider.uploads and (media := media_held(request)):
        remote = [source for source in media if source.kind == "url"]
        return Prepared(
            route=route, head=b"", body=b"", path=TRANSLATE, remote=remote, uploads=True, request=request
        )
    asked = request
    request = _without(request, deployment.drop + call.options.drop)
    request.model = deployment.body_model
    if isinstance(request, Request):
        request.stream = call.stream
        request = narrowed(request, route.dialect.family)
    written = route.dialect.write_request(request, deployment.target)
    if written.dropped and not remote:  # with the media in it, it is written once more
        report(written.dropped, call, deployment)
    if isinstance(request, Request):
        call.dropped = [*call.dropped, *_others_thoughts(request, deployment, route.dialect.family)]
        if free := free_tools.names_in(request):
            written.echo = written.echo or Echo()
            written.echo.free = free
    headers = dict(written.headers)
    data: bytes | Outgoing
    more: list[bytes] = []
    if forms.is_form(headers):
        fields = _finished(written.body["fields"], call, deployment, route)
        held = call.files.held if call.files else {}
        headers["content-type"], data = forms.encoded(fields, written.body["files"], held)
    else:
        body = _finished(written.body, call, deployment, route)
        data = _form(body) if deployment.provider.form else _encode(body)
        more = [_encode(_finished(one, call, deployment, route)) for one in written.more]
    return Prepared(
        route=route,
        head=_head(route, tuple(headers.items())),
        body=data,
        path=TRANSLATE,
        echo=written.echo,
        more=more,
        remote=remote,
        request=asked,
    )


def media_held(request: object) -> list[Source]:
    """The media in what the user says that no id names."""
    if not isinstance(request, Request):
        return []
    blocks = [block for turn in request.turns if turn.role == "user" for block in turn.blocks]
    sources = [getattr(block, "source", None) for block in blocks]
    return [source for source in sources if isinstance(source, Source) and source.kind != "id"]


def _check(call: Call, request: Request) -> None:
    """Of an operation that needs pictures: a body without them means another one."""
    if call.operation in PICTURES and call.operation != "images" and not getattr(request, "images", ()):
        raise BadRequestError("image: required, expected a picture to work on", param="image")


def _finished(body: dict[str, Any], call: Call, deployment: Deployment, route: Route) -> dict[str, Any]:
    """What we wrote, as the row and the deployment want it."""
    if not deployment.plan.idle:  # the row's quirks hold for what we wrote, too
        body = {name: Raw(_encode(value)) for name, value in body.items()}
        left_out = run(deployment.plan, body, deployment.provider, drops(call, deployment))
        call.dropped = [*call.dropped, *left_out]
    if deployment.extra or deployment.fixed:
        body = {**body, **deployment.fixed, **deployment.extra}
    if not route.body_model:
        body.pop("model", None)
    return body


def _with_settings(call: Call, deployment: Deployment, request: Request) -> Request:
    """With the deployment's settings, which are in the words of OpenAI's chat, where the caller says nothing. Those
    that it has no words for go into the body as they are."""
    native = deployment.defaults
    settings: Request | None = None
    if isinstance(request, Request) and call.dialect.name != CHAT:
        named = {**deployment.defaults, "model": deployment.model_raw, "messages": _NO_MESSAGES}
        settings = dialect(CHAT).read_request(msgspec.json.decode(_encode(named)))
        unknown = (settings.extra or {}).get(dialect(CHAT).family, {})
        native = {name: value for name, value in native.items() if name in unknown}
    read = call.read({**native, **call.envelope})
    if settings is not None:
        for name in _optional(Request):
            if getattr(read, name) is None:
                setattr(read, name, getattr(settings, name))
    return read


def _form(body: Mapping[str, Raw]) -> bytes:
    """Values as a form has them: what is no text is its JSON."""
    plain = msgspec.json.decode(_encode(body))
    return urlencode(
        {name: one if isinstance(one, str) else _encode(one).decode() for name, one in plain.items()}
    ).encode()


def _others_thoughts(request: Request, deployment: Deployment, family: str) -> list[str]:
    """Reasoning that another vendor signed, or another account, stays with us: nobody else can read it."""
    sealed = [
        block
        for turn in request.turns
        for block in turn.blocks
        if isinstance(block, Thinking) and (block.signature or block.redacted) and block.family
    ]
    if not sealed:
        return []
    foreign = any(unreadable(block, family, deployment.account) for block in sealed)
    others = [
        f"reasoning signed by {signer}"
        for signer in sorted({block.family or "" for block in sealed} - {family})
    ]
    return [*others, *["reasoning sealed for another account"] * foreign]


def drops(call: Call, deployment: Deployment) -> bool:
    """Whether what the target can't take is left out: the call says, else the deployment."""
    return bool(deployment.drop_params if call.options.drop_params is None else call.options.drop_params)


def report(dropped: list[str], call: Call, deployment: Deployment) -> None:
    allowed = set(call.options.allow) | set(deployment.params.get("allowed_openai_params") or ())
    dropped = [name for name in dropped if name not in allowed]
    if dropped and not drops(call, deployment):
        raise UnsupportedParamsError(
            f"{deployment.provider.name} can't express {', '.join(dropped)} for {deployment.model}; "
            "leave it out or set drop_params",
            model=deployment.model,
            llm_provider=deployment.provider.id,
            param=dropped[0],
        )
    call.dropped = dropped


def _ask_for_usage(envelope: dict[str, Raw]) -> bool:
    """Asks for usage in the stream; whether the client had not asked for it."""
    given = envelope.get("stream_options")
    if given is None or bytes(given) == b"null":
        envelope["stream_options"] = _ASK
        return True
    try:
        options = _options.decode(given)
    except UNREADABLE:
        return False  # the provider says what is wrong with it
    if options.get("include_usage"):
        return False
    envelope["stream_options"] = Raw(_encode({**options, "include_usage": True}))
    return True


def _without(request: Request, dropped: tuple[str, ...]) -> Request:
    """A copy without the keys that speak to the gateway or that the operator drops."""
    copy = msgspec.structs.replace(request)
    if copy.extra and any(
        not OURS.isdisjoint(f) or not f.keys().isdisjoint(dropped) for f in copy.extra.values()
    ):
        copy.extra = {
            family: {key: value for key, value in fields.items() if key not in OURS and key not in dropped}
            for family, fields in copy.extra.items()
        }
    for name in _optional(type(copy)).intersection(dropped) if dropped else ():
        setattr(copy, name, None)
    return copy


@cache
def _optional(kind: type[Request]) -> frozenset[str]:
    names = {field.name for field in msgspec.structs.fields(kind) if field.default is None}
    return frozenset(names - {"extra"})


def _head(route: Route, more: tuple[tuple[str, str], ...]) -> bytes:
    """The route's head with further header lines: a later one replaces the route's, betas are joined."""
    if not more:
        return route.head
    lines = route.head.split(b"\r\n")
    for name, value in more:
        _MERGE.get(name, _replace)(lines, name.encode() + b": ", value.encode("latin-1", "replace"))
    return b"\r\n".join(lines)


def _replace(lines: list[bytes], start: bytes, value: bytes) -> None:
    lines[:] = [line for line in lines if not line.startswith(start)]
    lines.insert(-1, start + value)


def _join(lines: list[bytes], start: bytes, value: bytes) -> None:
    known = b",".join(line[len(start) :] for line in lines if line.startswith(start))
    parts = dict.fromkeys(part.strip() for part in (known + b"," + value).split(b",") if part.strip())
    _replace(lines, start, b",".join(parts))


_MERGE: Final[dict[str, Callable[[list[bytes], bytes, bytes], None]]] = {"anthropic-beta": _join}
