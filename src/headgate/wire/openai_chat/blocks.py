"""Messages ↔ turns: the part of the chat format that requests and replies share.

One message is one turn; a `tool` message is a user's turn that holds a tool result. What a message has
and the IR has no name for stays in `turn.extra`. A reasoning block remembers which key it came under.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from headgate.wire import ir
from headgate.wire.openai_chat.fields import (
    ANTHROPIC,
    FAMILY,
    Refuse,
    cache_of,
    extra_of,
    list_at,
    object_at,
    own,
    read_url,
    text_at,
    write_cache,
    write_url,
)

REASONING: Final = ("reasoning_content", "reasoning")
_BLOCKS: Final = "_blocks"
_PARTS: Final = frozenset(("text", "image_url", "input_audio", "file", "refusal", "thinking"))


def read_message(message: dict[str, Any], place: str, refuse: Refuse) -> ir.Turn:
    """Any message but those of role tool and function."""
    fields = dict(message)
    role = fields.pop("role", "assistant")
    name = fields.pop("name", None)
    cache = cache_of(fields.pop("cache_control", None))
    blocks = _read_thinking(fields)
    foreign = _read_foreign(fields)
    content = fields.pop("content", None)
    flat = isinstance(content, str)
    texts = read_content(content, f"{place}.content", refuse)
    _read_citations(fields, texts)
    _read_text_signatures(fields, texts)
    blocks += [*foreign, *texts]
    if isinstance(fields.get("refusal"), str):
        blocks.append(ir.Refusal(text=fields.pop("refusal")))
    blocks += _read_media(fields)
    blocks += _read_calls(fields, place, refuse)
    if cache is not None and blocks:
        last = blocks[-1]
        if not isinstance(last, ir.Opaque | ir.Thinking | ir.Refusal):
            last.cache = cache
    if name is not None and not isinstance(name, str):
        refuse(f"{place}.name", "a string")
    return ir.Turn(role=role, blocks=blocks, name=name, flat=flat, extra=extra_of(fields))


def read_content(content: Any, place: str, refuse: Refuse) -> list[ir.Block]:
    """A string, a list of parts, or nothing."""
    if content is None:
        return []
    if isinstance(content, str):
        return [ir.Text(text=content)]
    return [
        block
        for at, part in enumerate(list_at(content, place, refuse))
        for block in _read_part(part, f"{place}[{at}]", refuse)
    ]


def read_result(message: dict[str, Any], place: str, refuse: Refuse) -> ir.Turn:
    """A message of role tool, or of the older role function."""
    fields = dict(message)
    legacy = fields.pop("role") == "function"
    call_id = "" if legacy else text_at(fields.pop("tool_call_id", None), f"{place}.tool_call_id", refuse)
    name = fields.pop("name", None)
    content = fields.pop("content", None)
    result = ir.ToolResult(
        call_id=call_id,
        content=read_content(content, f"{place}.content", refuse),
        name=name if isinstance(name, str) else None,
        kind="legacy" if legacy else "function",
        cache=cache_of(fields.pop("cache_control", None)),
        flat=not isinstance(content, list),
    )
    return ir.Turn(role="user", blocks=[result], extra=extra_of(fields))


def _read_part(part: Any, place: str, refuse: Refuse) -> list[ir.Block]:
    fields = dict(object_at(part, place, refuse))
    kind = fields.get("type")
    if not isinstance(kind, str):
        refuse(f"{place}.type", "a string")
    if kind not in _PARTS:
        return [ir.Opaque(family=FAMILY, value=part)]
    del fields["type"]
    cache = cache_of(fields.pop("cache_control", None))
    if kind == "text":
        text = text_at(fields.pop("text", None), f"{place}.text", refuse)
        return [ir.Text(text=text, cache=cache, extra=extra_of(fields))]
    if kind == "refusal":
        return [ir.Refusal(text=text_at(fields.get("refusal"), f"{place}.refusal", refuse))]
    if kind == "thinking":
        return [_thinking_part(part, fields.get("thinking"))]
    return [_read_media_part(kind, fields, cache, place, refuse, part)]


def _read_media_part(
    kind: str, fields: dict[str, Any], cache: ir.Cache | None, place: str, refuse: Refuse, part: Any
) -> ir.Block:
    inner = fields.pop(kind, None)
    if kind == "image_url":
        if isinstance(inner, str):
            inner = {"url": inner}
        inner = dict(object_at(inner, f"{place}.image_url", refuse))
        url = text_at(inner.pop("url", None), f"{place}.image_url.url", refuse)
        detail = inner.pop("detail", None)
        media_type = inner.pop("format", None)
        return ir.Image(
            source=read_url(url, media_type if isinstance(media_type, str) else None),
            detail=detail if isinstance(detail, str) else None,
            cache=cache,
            extra=extra_of({**fields, **({"image_url": inner} if inner else {})}),
        )
    inner = object_at(inner, f"{place}.{kind}", refuse)
    if kind == "input_audio":
        sound = text_at(inner.get("data"), f"{place}.input_audio.data", refuse)
        form = text_at(inner.get("format"), f"{place}.input_audio.format", refuse)
        source = ir.Source(kind="data", value=sound, media_type=f"audio/{form}")
        return ir.Audio(source=source, format=form, cache=cache, extra=extra_of(fields))
    name, data, file_id = inner.get("filename"), inner.get("file_data"), inner.get("file_id")
    if not isinstance(data, str) and not isinstance(file_id, str):
        return ir.Opaque(family=FAMILY, value=part)
    media_type = inner.get("format")
    kind_of = media_type if isinstance(media_type, str) else None
    if isinstance(data, str):
        source = read_url(data, kind_of)
        if source.kind == "url" and not data.startswith(("http://", "https://", "gs://")):
            source = ir.Source(kind="data", value=data, media_type=kind_of)
    elif str(file_id).startswith(("http://", "https://", "gs://")):
        source = ir.Source(kind="url", value=str(file_id), media_type=kind_of)
    else:
        source = ir.Source(kind="id", value=str(file_id), media_type=kind_of, family=FAMILY)
    return ir.File(
        source=source, name=name if isinstance(name, str) else None, cache=cache, extra=extra_of(fields)
    )


def _thinking_part(part: Any, inner: Any) -> ir.Block:
    """Mistral's: the text is itself a list of parts."""
    if isinstance(inner, str):
        return ir.Thinking(text=inner, extra=extra_of({"key": "content", "part": part}))
    if isinstance(inner, list) and all(isinstance(one, dict) for one in inner):
        text = "".join(str(one.get("text", "")) for one in inner)
        return ir.Thinking(text=text, extra=extra_of({"key": "content", "part": part}))
    return ir.Opaque(family=FAMILY, value=part)


def _read_thinking(fields: dict[str, Any]) -> list[ir.Block]:
    """Signed blocks where there are any, else the plain text."""
    rows = fields.get("thinking_blocks")
    if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
        del fields["thinking_blocks"]
        key = extra_of({"key": "thinking_blocks"})
        found: list[ir.Block] = [
            ir.Thinking(
                text=str(row.get("thinking") or ""),
                signature=row.get("signature") if isinstance(row.get("signature"), str) else None,
                redacted=row.get("data") if isinstance(row.get("data"), str) else None,
                family=ANTHROPIC,
                extra=key,
            )
            for row in rows
        ]
        if isinstance(fields.get("reasoning_content"), str):
            del fields["reasoning_content"]
        return found
    for name in REASONING:
        if isinstance(fields.get(name), str):
            return [ir.Thinking(text=fields.pop(name), extra=extra_of({"key": name}))]
    return []


def _read_foreign(fields: dict[str, Any]) -> list[ir.Block]:
    """Blocks of another family that a reply writer had put aside for the next turn."""
    vendor = fields.get("provider_specific_fields")
    rows = vendor.get(_BLOCKS) if isinstance(vendor, dict) else None
    if not isinstance(vendor, dict) or not isinstance(rows, list):
        return []
    rest = {key: value for key, value in vendor.items() if key != _BLOCKS}
    if rest:
        fields["provider_specific_fields"] = rest
    else:
        del fields["provider_specific_fields"]
    return [
        ir.Opaque(family=row["family"], value=row["value"])
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("family"), str) and "value" in row
    ]


def _read_text_signatures(fields: dict[str, Any], texts: list[ir.Block]) -> None:
    vendor = fields.get("provider_specific_fields")
    rows = vendor.get("thought_signatures") if isinstance(vendor, dict) else None
    target = next((block for block in texts if isinstance(block, ir.Text)), None)
    if isinstance(rows, list) and rows and isinstance(rows[0], str) and target is not None:
        target.signature = rows[0]


def _read_citations(fields: dict[str, Any], texts: list[ir.Block]) -> None:
    rows = fields.get("annotations")
    target = next((block for block in texts if isinstance(block, ir.Text)), None)
    if not isinstance(rows, list) or not rows or target is None:
        return
    if all(isinstance(row, dict) and isinstance(row.get("url_citation"), dict) for row in rows):
        target.citations = [read_citation(row) for row in rows]
        del fields["annotations"]


def read_citation(row: dict[str, Any]) -> ir.Citation:
    inner = row["url_citation"]
    url, title = inner.get("url"), inner.get("title")
    start, end = inner.get("start_index"), inner.get("end_index")
    return ir.Citation(
        url=url if isinstance(url, str) else None,
        title=title if isinstance(title, str) else None,
        start=start if isinstance(start, int) else None,
        end=end if isinstance(end, int) else None,
        extra=extra_of({"annotation": row}),
    )


def _read_media(fields: dict[str, Any]) -> list[ir.Block]:
    """What a model made or what is referred to: `audio` and `images` of a message."""
    found: list[ir.Block] = []
    audio = fields.get("audio")
    if isinstance(audio, dict):
        found.append(read_audio(audio))
        del fields["audio"]
    images = fields.get("images")
    if isinstance(images, list) and images:
        urls = [row["image_url"].get("url") for row in images if _is_image(row)]
        if len(urls) == len(images) and all(isinstance(url, str) for url in urls):
            found += [
                ir.Image(source=read_url(url), extra=extra_of({"image": row}))
                for url, row in zip(urls, images, strict=True)
            ]
            del fields["images"]
    return found


def _is_image(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("image_url"), dict)


def read_audio(raw: dict[str, Any]) -> ir.Audio:
    data = raw.get("data")
    return ir.Audio(
        source=ir.Source(kind="data", value=data) if isinstance(data, str) else None,
        id=raw["id"] if isinstance(raw.get("id"), str) else None,
        transcript=raw["transcript"] if isinstance(raw.get("transcript"), str) else None,
        expires_at=raw["expires_at"] if isinstance(raw.get("expires_at"), int) else None,
        extra=extra_of({"audio": raw}),
    )


def _read_calls(fields: dict[str, Any], place: str, refuse: Refuse) -> list[ir.Block]:
    found: list[ir.Block] = []
    calls = fields.get("tool_calls")
    if calls:
        for at, call in enumerate(list_at(calls, f"{place}.tool_calls", refuse)):
            found.append(read_call(call, f"{place}.tool_calls[{at}]", refuse))
        del fields["tool_calls"]
    legacy = fields.get("function_call")
    if isinstance(legacy, dict):
        found.append(
            ir.ToolCall(
                id="", name=str(legacy.get("name") or ""), arguments=arguments_of(legacy), kind="legacy"
            )
        )
        del fields["function_call"]
    return found


def read_call(call: Any, place: str, refuse: Refuse) -> ir.Block:
    fields = dict(object_at(call, place, refuse))
    kind = fields.get("type") or "function"
    inner = fields.pop(kind, None) if isinstance(kind, str) else None
    if not isinstance(inner, dict):
        if kind in ("function", "custom"):
            refuse(f"{place}.{kind}", "an object")
        return ir.Opaque(family=FAMILY, value=call)
    fields.pop("type", None)
    call_id = fields.pop("id", None)
    vendor = fields.get("provider_specific_fields")
    signature = vendor.get("thought_signature") if isinstance(vendor, dict) else None
    if isinstance(signature, str) and isinstance(vendor, dict):
        rest = {key: value for key, value in vendor.items() if key != "thought_signature"}
        del fields["provider_specific_fields"]
        if rest:
            fields["provider_specific_fields"] = rest
    custom = kind == "custom"
    return ir.ToolCall(
        id=call_id if isinstance(call_id, str) else "",
        name=str(inner.get("name") or ""),
        arguments=str(inner.get("input") or "") if custom else arguments_of(inner),
        kind="custom" if custom else "function",
        cache=cache_of(fields.pop("cache_control", None)),
        signature=signature if isinstance(signature, str) else None,
        extra=extra_of(fields),
    )


def arguments_of(function: dict[str, Any]) -> str:
    """JSON text; some providers send the object itself."""
    raw = function.get("arguments")
    if isinstance(raw, str):
        return raw
    return "" if raw is None else msgspec.json.encode(raw).decode()


# --- writing ---------------------------------------------------------------------------------------------


def write_message(turn: ir.Turn, dropped: list[str] | None, place: str) -> dict[str, Any]:
    """One message. `dropped` None writes for a client: signatures and foreign blocks go along for the next
    turn; else for a provider, to whom they mean nothing."""
    client = dropped is None
    message: dict[str, Any] = {"role": turn.role}
    if turn.name is not None:
        message["name"] = turn.name
    parts: list[Any] = []
    vendor: dict[str, Any] = {}
    for at, block in enumerate(turn.blocks):
        where = f"{place}.content[{at}]"
        match block:
            case ir.Thinking():
                _write_thinking(block, message, parts, client)
            case ir.ToolCall():
                _write_call(block, message)
            case ir.Refusal():
                message["refusal"] = block.text
            case ir.Opaque() if block.family != FAMILY:
                if client:
                    vendor.setdefault(_BLOCKS, []).append({"family": block.family, "value": block.value})
                elif dropped is not None:
                    dropped.append(f"{where}: {_kind(block.value)} of {block.family}")
            case ir.Audio() if turn.role == "assistant":
                message["audio"] = _write_audio(block)
            case ir.Image() if turn.role == "assistant":
                message.setdefault("images", []).append(_write_image(block, len(message.get("images", ()))))
            case ir.ToolResult():
                continue
            case _:
                if (part := write_part(block, where, dropped)) is not None:
                    parts.append(part)
    _write_content(turn, parts, message)
    if client:
        _write_vendor(turn.blocks, message, vendor)
    if vendor:
        message["provider_specific_fields"] = vendor
    known = own(turn)
    if "provider_specific_fields" in known and vendor:
        message["provider_specific_fields"] = {**known["provider_specific_fields"], **vendor}
    return {**message, **{key: value for key, value in known.items() if key not in message}}


def write_result(block: ir.ToolResult, dropped: list[str], place: str) -> dict[str, Any]:
    parts = [
        part
        for at, inner in enumerate(block.content)
        if (part := write_part(inner, f"{place}.content[{at}]", dropped)) is not None
    ]
    plain = all(set(part) == {"type", "text"} for part in parts)
    content: Any = "".join(part["text"] for part in parts) if plain and (block.flat or not parts) else parts
    if block.kind == "legacy":
        return {"role": "function", "name": block.name, "content": content}
    message: dict[str, Any] = {"role": "tool", "tool_call_id": block.call_id, "content": content}
    if block.name is not None:
        message["name"] = block.name
    if block.cache is not None:
        message["cache_control"] = write_cache(block.cache)
    return message


def write_part(block: ir.Block, place: str, dropped: list[str] | None) -> dict[str, Any] | None:
    """A part of a content list, None for what the format has no part for."""
    part: dict[str, Any]
    match block:
        case ir.Text():
            part = {"type": "text", "text": block.text}
        case ir.Image() if block.source.kind in ("data", "url"):
            image = {"url": write_url(block.source, "image/png")}
            if block.detail is not None:
                image["detail"] = block.detail
            part = {"type": "image_url", "image_url": {**image, **own(block).get("image_url", {})}}
        case ir.Audio() if block.source is not None and block.source.kind == "data":
            form = block.format or (block.source.media_type or "audio/wav").rpartition("/")[2]
            part = {"type": "input_audio", "input_audio": {"data": block.source.value, "format": form}}
        case ir.File():
            part = {"type": "file", "file": _write_file(block)}
        case ir.Opaque() if block.family == FAMILY:
            return dict(block.value) if isinstance(block.value, dict) else None
        case _:
            if dropped is not None:
                dropped.append(f"{place}: {type(block).__name__.lower()}")
            return None
    if not isinstance(block, ir.Opaque) and block.cache is not None:
        part["cache_control"] = write_cache(block.cache)
    extra = own(block) if isinstance(block, ir.Node) else {}
    return {**part, **{key: value for key, value in extra.items() if key not in ("image_url", "image")}}


def _write_file(block: ir.File) -> dict[str, Any]:
    source = block.source
    written: dict[str, Any] = {"filename": block.name} if block.name is not None else {}
    if source.kind == "data":
        written["file_data"] = write_url(source, "application/pdf")
    elif source.kind == "text":
        import base64

        text = base64.b64encode(source.value.encode()).decode()
        written["file_data"] = f"data:{source.media_type or 'text/plain'};base64,{text}"
    else:
        written["file_id"] = source.value
    return written


def _write_content(turn: ir.Turn, parts: list[Any], message: dict[str, Any]) -> None:
    if not parts:
        if turn.role == "assistant" or "content" in own(turn):
            message["content"] = None
        else:
            message["content"] = "" if turn.flat else []
        return
    plain = all(set(part) <= {"type", "text", "cache_control"} and part["type"] == "text" for part in parts)
    if plain and (turn.role == "assistant" or turn.flat):
        marks = [part["cache_control"] for part in parts if "cache_control" in part]
        if turn.flat or not marks:
            message["content"] = "".join(part["text"] for part in parts)
            if marks:
                message["cache_control"] = marks[-1]
            return
    message["content"] = parts


def _write_thinking(block: ir.Thinking, message: dict[str, Any], parts: list[Any], client: bool) -> None:
    known = own(block)
    key = known.get("key")
    if key == "content":
        parts.append(known["part"])
    elif block.family == ANTHROPIC and (client or key == "thinking_blocks"):
        row = {"type": "thinking", "thinking": block.text, "signature": block.signature}
        if block.redacted is not None:
            row = {"type": "redacted_thinking", "data": block.redacted}
        message.setdefault("thinking_blocks", []).append(row)
        if block.redacted is None:
            message["reasoning_content"] = message.get("reasoning_content", "") + block.text
    elif block.redacted is None and (client or block.family is None):
        name = key if key in REASONING else "reasoning_content"
        message[name] = message.get(name, "") + block.text


def _write_call(block: ir.ToolCall, message: dict[str, Any]) -> None:
    if block.kind == "legacy":
        message["function_call"] = {"name": block.name, "arguments": block.arguments}
        return
    message.setdefault("tool_calls", []).append(write_call(block))


def write_call(block: ir.ToolCall) -> dict[str, Any]:
    key = "input" if block.kind == "custom" else "arguments"
    written: dict[str, Any] = {
        "id": block.id,
        "type": block.kind,
        block.kind: {"name": block.name, key: block.arguments},
    }
    if block.cache is not None:
        written["cache_control"] = write_cache(block.cache)
    known = dict(own(block))
    if block.signature is not None:
        vendor = known.get("provider_specific_fields") or {}
        known["provider_specific_fields"] = {**vendor, "thought_signature": block.signature}
    return {**written, **known}


def _write_audio(block: ir.Audio) -> dict[str, Any]:
    if (raw := own(block).get("audio")) is not None:
        return dict(raw)
    fields = {
        "id": block.id,
        "data": block.source.value if block.source else None,
        "expires_at": block.expires_at,
        "transcript": block.transcript,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _write_image(block: ir.Image, at: int) -> dict[str, Any]:
    if (raw := own(block).get("image")) is not None:
        return dict(raw)
    return {"type": "image_url", "image_url": {"url": write_url(block.source, "image/png")}, "index": at}


def _write_vendor(blocks: Iterable[ir.Block], message: dict[str, Any], vendor: dict[str, Any]) -> None:
    """Citations and signatures of texts: as annotations where they are OpenAI's kind."""
    offset = 0
    for block in blocks:
        if not isinstance(block, ir.Text):
            continue
        if block.signature is not None:
            vendor.setdefault("thought_signatures", []).append(block.signature)
        for citation in block.citations or ():
            if citation.url is not None:
                message.setdefault("annotations", []).append(write_citation(citation, offset))
            if citation.extra is not None and FAMILY not in citation.extra:
                vendor.setdefault("citations", []).append(next(iter(citation.extra.values())))
        offset += len(block.text)


def write_citation(citation: ir.Citation, offset: int = 0) -> dict[str, Any]:
    if (raw := own(citation).get("annotation")) is not None:
        return dict(raw)
    inner: dict[str, Any] = {"url": citation.url, "title": citation.title or ""}
    inner["start_index"] = offset + (citation.start or 0)
    inner["end_index"] = offset + (citation.end or 0)
    return {"type": "url_citation", "url_citation": inner}


def _kind(value: Any) -> str:
    return str(value.get("type", "block")) if isinstance(value, dict) else "block"
