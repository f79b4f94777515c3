"""Messages ↔ turns: the part of the chat format that requests and replies share.

One message is one turn; a `tool` message is a user's turn that holds a tool result. What a message has
and the IR has no name for stays in `turn.extra`. A reasoning block remembers which key it came under.
"""

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
    read_url,
    text_at,
)

REASONING: Final = ("reasoning_content", "reasoning")
SET_ASIDE: Final = "_blocks"
"""In `provider_specific_fields`: blocks of other families, kept for the next turn."""
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
    rows = vendor.get(SET_ASIDE) if isinstance(vendor, dict) else None
    if not isinstance(vendor, dict) or not isinstance(rows, list):
        return []
    rest = {key: value for key, value in vendor.items() if key != SET_ASIDE}
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
