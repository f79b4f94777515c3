"""Turns → messages: the part of the chat format that requests, replies and streams write alike."""

import base64
from collections.abc import Iterable
from typing import Any

from headgate.wire import ir
from headgate.wire.openai_chat.blocks import REASONING, SET_ASIDE
from headgate.wire.openai_chat.fields import ANTHROPIC, FAMILY, own, write_cache, write_url


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
                    vendor.setdefault(SET_ASIDE, []).append({"family": block.family, "value": block.value})
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
