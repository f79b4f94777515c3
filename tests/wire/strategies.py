"""Hypothesis strategies for JSON and for the IR.

General pieces come first; `chat_bodies` makes requests as chat's clients write them, `replies` answers that a
chat message can hold. An IR that a format reads and writes unchanged is in its normal form.
"""

from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from headgate.wire import ir

texts = st.text(st.characters(codec="utf-8"), max_size=12)
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,9}", fullmatch=True)
counts = st.integers(0, 10**6)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False, width=32)
base64_texts = st.sampled_from(["AAAA", "iVBORw0KGgo=", "/9j/4AAQ", "JVBERi0="])
urls = st.sampled_from(["https://example.com/a.png", "http://example.com/b", "https://example.com/?q=ä"])

json_leaves = st.none() | st.booleans() | numbers | texts
json_values = st.recursive(
    json_leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
unknown = st.dictionaries(st.from_regex(r"x_[a-z]{1,6}", fullmatch=True), json_values, max_size=2)
"""Fields that no format knows."""

told = st.dictionaries(
    st.from_regex(r"x_[a-z]{1,6}", fullmatch=True), json_values.filter(lambda v: v is not None), max_size=2
)
"""The same, none of them null."""


def shape(
    required: dict[str, Any], optional: dict[str, Any] | None = None
) -> st.SearchStrategy[dict[str, Any]]:
    """An object with all of `required`, some of `optional`, and perhaps unknown fields."""
    known = st.fixed_dictionaries(required, optional=optional or {})
    return st.builds(lambda fields, more: {**more, **fields}, known, st.just({}) | unknown)


# --- chat requests ---------------------------------------------------------------------------------------

cache_controls = shape({"type": st.just("ephemeral")}, {"ttl": st.sampled_from(["5m", "1h"])})
marked = {"cache_control": cache_controls}
data_uris = st.builds(
    "data:{};base64,{}".format, st.sampled_from(["image/png", "application/pdf"]), base64_texts
)

parts = st.one_of(
    shape({"type": st.just("text"), "text": texts}, marked),
    shape(
        {
            "type": st.just("image_url"),
            "image_url": st.one_of(
                urls, shape({"url": urls | data_uris}, {"detail": st.sampled_from(["low", "auto"])})
            ),
        },
        marked,
    ),
    shape(
        {
            "type": st.just("input_audio"),
            "input_audio": shape({"data": base64_texts}, {"format": st.sampled_from(["wav", "mp3", "flac"])}),
        }
    ),
    shape(
        {"type": st.just("file"), "file": shape({"file_data": data_uris | base64_texts}, {"filename": words})}
    ),
    shape({"type": st.just("file"), "file": shape({"file_id": words | urls})}),
    shape({"type": st.just("document_url"), "document_url": urls}),
    shape({"type": st.just("video_url"), "video_url": shape({"url": urls})}),
    shape({"type": st.from_regex(r"[xyz]_[a-z]{1,5}", fullmatch=True), "value": json_values}),
)
thoughts = shape(
    {
        "type": st.just("thinking"),
        "thinking": st.lists(shape({"type": st.just("text"), "text": texts}), max_size=2),
    },
    {"closed": st.booleans()},
)
contents = texts | st.lists(parts, max_size=3)

functions = shape({"name": names, "arguments": st.sampled_from(["", "{}", '{"a": 1}', "{", " "])})
calls = st.one_of(
    shape(
        {"id": words, "type": st.just("function"), "function": functions},
        {"index": counts, "provider_specific_fields": shape({}, {"thought_signature": words}), **marked},
    ),
    shape({"id": words, "type": st.just("custom"), "custom": shape({"name": names, "input": texts})}),
)
thinking_blocks = st.lists(
    st.one_of(
        shape({"type": st.just("thinking"), "thinking": texts}, {"signature": texts | st.none()}),
        shape({"type": st.just("redacted_thinking"), "data": words}),
    ),
    max_size=2,
)
vendor_fields = shape(
    {},
    {
        "thought_signatures": st.lists(words, max_size=2),
        "opaque": st.lists(
            shape({"family": st.just("anthropic"), "value": json_objects, "at": counts}), max_size=2
        ),
    },
)
annotations = st.lists(
    st.one_of(
        shape(
            {
                "type": st.just("url_citation"),
                "url_citation": shape(
                    {"url": urls}, {"title": texts, "start_index": counts, "end_index": counts}
                ),
            }
        ),
        shape({"type": st.just("file"), "file": json_objects}),
    ),
    max_size=2,
)
spoken = st.builds(
    lambda role, fields: {"role": role, **fields},
    st.sampled_from(["system", "developer", "user"]),
    shape({"content": contents}, {"name": names, **marked}),
)
assistants = shape(
    {"role": st.just("assistant")},
    {
        "content": st.none()
        | texts
        | st.lists(parts | thoughts | shape({"type": st.just("refusal"), "refusal": texts}), max_size=3),
        "refusal": st.none() | texts,
        "reasoning_content": st.none() | texts,
        "reasoning": st.none() | texts,
        "reasoning_details": st.lists(json_objects, max_size=2),
        "thinking_blocks": thinking_blocks,
        "tool_calls": st.none() | st.lists(calls, max_size=2),
        "function_call": st.none() | functions,
        "audio": st.none() | shape({"id": texts}),
        "images": st.none()
        | st.lists(
            shape({"type": st.just("image_url"), "image_url": shape({"url": urls}), "index": counts}),
            max_size=2,
        ),
        "annotations": st.none() | annotations,
        "provider_specific_fields": st.none() | vendor_fields,
        "name": names,
        "prefix": st.booleans(),
        **marked,
    },
)
tool_messages = st.one_of(
    shape({"role": st.just("tool"), "tool_call_id": words, "content": contents}, {"name": names, **marked}),
    shape({"role": st.just("function"), "name": names, "content": texts | st.none()}),
)
messages = st.one_of(spoken, assistants, tool_messages)

definitions = shape(
    {"name": names},
    {"description": texts, "parameters": st.none() | json_objects, "strict": st.none() | st.booleans()},
)
tools = st.one_of(
    shape({"type": st.just("function"), "function": definitions}, marked),
    shape({"function": definitions}),
    shape(
        {
            "type": st.just("custom"),
            "custom": shape({"name": names}, {"description": texts, "format": json_objects}),
        }
    ),
    shape(
        {"type": st.sampled_from(["web_search_20250305", "mcp", "openrouter:web_search"])}, {"name": names}
    ),
)
tool_choices = st.one_of(
    st.sampled_from(["auto", "none", "required", "any"]),
    shape({"type": st.just("function"), "function": shape({"name": names})}),
    shape({"type": st.just("custom"), "custom": shape({"name": names})}),
    shape({"type": st.just("tool"), "name": names}),
    shape(
        {
            "type": st.just("allowed_tools"),
            "allowed_tools": shape({"mode": st.just("auto"), "tools": st.lists(json_objects)}),
        }
    ),
)
response_formats = st.one_of(
    shape({"type": st.sampled_from(["text", "json_object", "grammar"])}, {"schema": json_objects}),
    shape(
        {
            "type": st.just("json_schema"),
            "json_schema": shape(
                {},
                {
                    "name": names,
                    "schema": json_objects,
                    "strict": st.none() | st.booleans(),
                    "description": texts,
                },
            ),
        }
    ),
)
_wishes = {
    "max_tokens": counts,
    "max_completion_tokens": counts,
    "temperature": st.integers(0, 2) | st.floats(0, 2, width=32),
    "top_p": st.floats(0, 1, width=32),
    "top_k": counts,
    "stop": texts | st.lists(texts, max_size=2),
    "seed": counts,
    "n": st.integers(1, 3),
    "presence_penalty": st.floats(-2, 2, width=32),
    "frequency_penalty": st.floats(-2, 2, width=32),
    "logit_bias": st.dictionaries(names, st.integers(-100, 100), max_size=2),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 20),
    "parallel_tool_calls": st.booleans(),
    "modalities": st.lists(st.sampled_from(["text", "audio"]), max_size=2),
    "audio": json_objects,
    "verbosity": names,
    "user": texts,
    "metadata": json_objects,
    "service_tier": names,
    "stream": st.booleans(),
    "stream_options": shape({}, {"include_usage": st.none() | st.booleans()}),
    "response_format": response_formats,
    "reasoning_effort": st.sampled_from(["none", "low", "xhigh", "word"]),
    "thinking": st.one_of(
        shape({"type": st.just("enabled"), "budget_tokens": counts}),
        shape({"type": st.sampled_from(["disabled", "adaptive"])}),
    ),
    "reasoning": shape(
        {}, {"effort": names, "max_tokens": counts, "enabled": st.booleans(), "exclude": st.booleans()}
    ),
    "tools": st.lists(tools, max_size=2),
    "functions": st.lists(definitions, max_size=2),
    "tool_choice": tool_choices,
    "function_call": st.sampled_from(["auto", "none"]) | shape({"name": names}),
    "web_search_options": json_objects,
    "cache_control": cache_controls,
    "store": st.booleans(),
}
chat_bodies = shape(
    {"model": names, "messages": st.lists(messages, min_size=1, max_size=3)},
    {key: st.none() | wish for key, wish in _wishes.items()},
)

# --- answers ---------------------------------------------------------------------------------------------


def kept(
    fields: st.SearchStrategy[dict[str, Any]], family: str = "openai"
) -> st.SearchStrategy[ir.Extra | None]:
    return fields.map(lambda known: {family: known} if known else None)


tokens = st.builds(
    ir.TokenLogprob,
    token=texts,
    logprob=st.floats(-100, 0, width=32),
    bytes=st.none() | st.lists(st.integers(0, 255), max_size=3),
    top=st.lists(st.builds(ir.TokenLogprob, token=texts, logprob=st.floats(-100, 0, width=32)), max_size=2),
)


@st.composite
def usages(draw: st.DrawFn) -> ir.Usage:
    """Parts never exceed their whole; a total is always told."""
    part = st.none() | st.integers(0, 50)
    usage = ir.Usage(
        input=draw(st.integers(300, 10**6)),
        output=draw(st.integers(300, 10**6)),
        cache_read=draw(part),
        cache_write=draw(part),
        reasoning=draw(part),
        audio_input=draw(part),
        audio_output=draw(part),
        image_input=draw(part),
        image_output=draw(part),
        accepted_prediction=draw(part),
        rejected_prediction=draw(part),
        web_searches=draw(part),
        service_tier=draw(st.none() | names),
        extra=draw(kept(unknown)),
    )
    usage.total = usage.input + usage.output
    if usage.cache_write is not None:
        usage.cache_read = usage.cache_read or 0
        usage.cache_write_long = draw(st.none() | st.integers(0, usage.cache_write))
    return usage


@st.composite
def cited_texts(draw: st.DrawFn) -> ir.Text:
    text = draw(words)
    citations = [
        ir.Citation(
            url=draw(urls),
            title=draw(st.none() | texts),
            cited_text=draw(st.none() | texts),
            start=draw(st.integers(0, len(text) - 1)),
            end=len(text),
            extra=draw(st.none() | kept(told, "anthropic") | kept(told)),
        )
        for _ in range(draw(st.integers(0, 2)))
    ]
    return ir.Text(text, citations=citations or None)


@st.composite
def contents_with_opaque(draw: st.DrawFn) -> list[ir.Block]:
    """Texts, with blocks of other families among them, and a signature on the last."""
    blocks: list[ir.Block] = []
    for _ in range(draw(st.integers(0, 2))):
        if draw(st.booleans()) and not (blocks and isinstance(blocks[-1], ir.Text)):
            blocks.append(draw(cited_texts()))
        blocks.append(ir.Opaque(family="anthropic", value=draw(json_objects)))
    last = draw(cited_texts())
    last.signature = draw(st.none() | words)
    return [*blocks, last]


thinkings = st.one_of(
    st.builds(lambda text: [ir.Thinking(text=text)], words),
    st.lists(
        st.builds(ir.Thinking, text=texts, signature=words, family=st.just("anthropic"))
        | st.builds(ir.Thinking, redacted=words, family=st.just("anthropic")),
        min_size=1,
        max_size=2,
    ),
)
arguments = st.sampled_from(["{}", '{"a": "ö"}', "{", "[1]"])
tool_calls = st.one_of(
    st.builds(ir.ToolCall, id=words, name=names, arguments=arguments, signature=st.none() | words),
    st.builds(ir.ToolCall, id=words, name=names, arguments=words, kind=st.just("custom")),
)
images = st.builds(
    ir.Image,
    source=st.builds(ir.Source, kind=st.just("url"), value=urls)
    | st.builds(ir.Source, kind=st.just("data"), value=base64_texts, media_type=st.just("image/png")),
)
sounds = st.builds(
    ir.Audio,
    id=words,
    source=st.none() | st.builds(ir.Source, kind=st.just("data"), value=base64_texts),
    transcript=st.none() | words,
    expires_at=st.none() | st.integers(1, 10**10),
)


FINISHES: tuple[tuple[str, Any], ...] = (
    ("stop", "stop"),
    ("eos", "stop"),
    ("length", "length"),
    ("tool_calls", "tool_calls"),
    ("content_filter", "content_filter"),
)
"""Chat's words for the end of an answer, and what they mean. Calls after a plain stop are still calls."""


@st.composite
def choices(draw: st.DrawFn, index: int, stream: bool) -> ir.Choice:
    blocks: list[ir.Block] = draw(st.just([]) | thinkings)
    content = draw(st.just([]) | contents_with_opaque())
    blocks = [*blocks, *content]
    blocks += draw(st.lists(st.builds(ir.Refusal, words), max_size=1))
    blocks += draw(st.lists(images, max_size=2))
    blocks += draw(st.lists(sounds, max_size=1))
    calls = draw(st.lists(tool_calls, max_size=2, unique_by=lambda call: call.id))
    calls += draw(
        st.lists(
            st.builds(ir.ToolCall, id=st.just(""), name=names, arguments=arguments, kind=st.just("legacy")),
            max_size=1,
        )
    )
    raw, reason = draw(st.sampled_from(FINISHES))
    return ir.Choice(
        turn=ir.Turn(
            role="assistant",
            blocks=[*blocks, *calls],
            flat=bool(content) and not stream,
            extra=draw(kept(told)),
        ),
        index=index,
        finish=ir.Finish(
            reason="tool_calls" if calls and reason == "stop" else reason, raw=raw, family="openai"
        ),
        logprobs=draw(st.none() | st.lists(tokens, min_size=1, max_size=2)),
        extra=draw(kept(told)),
    )


@st.composite
def replies(draw: st.DrawFn, stream: bool = False) -> ir.Reply:
    """Answers in chat's normal form. `stream`: as they come out of a stream, where a content has one form."""
    return ir.Reply(
        choices=[draw(choices(index, stream)) for index in range(draw(st.integers(1, 2)))],
        id=draw(words),
        model=draw(words),
        created=draw(st.integers(1, 10**10)),
        usage=draw(usages() if stream else st.none() | usages()),
        extra=draw(kept(told)),
    )


@st.composite
def chunked(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The bytes cut anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    edges = [0, *cuts, len(data)]
    return [data[start:end] for start, end in pairwise(edges)]
