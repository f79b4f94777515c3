"""InvokeModel's envelope around each maker's format, and the prompts of older models."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import json_objects

from headgate.core.dialects import dialect
from headgate.errors import (
    APIResponseValidationError,
    BadRequestError,
    HeadgateError,
    RateLimitError,
)
from headgate.wire import eventstream, ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.invoke.envelope import chunk_of

FRAME = Frame(id="ours", created=1, model="ours", stream_usage=True)
CLAUDE = dialect("bedrock_anthropic")
NOVA = dialect("bedrock_nova")
OPENAI = dialect("bedrock_openai")
PROMPT = dialect("bedrock_prompt")
ALL = ["bedrock_anthropic", "bedrock_nova", "bedrock_openai", "bedrock_prompt"]
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def ask(*turns: tuple[str, str], **fields: Any) -> ir.Request:
    listed = [ir.Turn(role=role, blocks=[ir.Text(text)]) for role, text in turns or [("user", "Hi")]]  # type: ignore[arg-type]
    return ir.Request(model="m", turns=listed, **fields)


def reply(*blocks: ir.Block, reason: ir.FinishReason = "stop") -> ir.Reply:
    turn = ir.Turn(role="assistant", blocks=list(blocks))
    usage = ir.Usage(input=20, output=7)
    return ir.Reply(choices=[ir.Choice(turn=turn, finish=ir.Finish(reason=reason))], usage=usage)


def read(name: str, data: bytes, size: int = 7) -> list[ir.Event]:
    reader = dialect(name).stream_reader()
    out = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*out, *reader.close()]


def test_claude_has_version_and_betas_in_the_body() -> None:
    request = ask(service_tier="auto", stream=True)
    request.extra = {"openai": {"anthropic_beta": ["context-1m-2025-08-07"]}}
    written = CLAUDE.write_request(request, Target(model=SONNET))
    assert written.headers == {}
    assert written.body["anthropic_version"] == "bedrock-2023-05-31"
    assert written.body["anthropic_beta"] == ["context-1m-2025-08-07"]
    assert {"model", "stream", "service_tier"}.isdisjoint(written.body)
    again = CLAUDE.write_request(CLAUDE.read_request(written.body), Target(model=SONNET))
    assert again.body == written.body


def test_claude_here_fetches_no_address() -> None:
    sources = [ir.Source("url", "https://example.com/a.png"), ir.Source("data", "AAAA")]
    inner = ir.ToolResult(call_id="c", content=[ir.Image(sources[0])])
    turns = [ir.Turn(role="user", blocks=[*(ir.Image(source) for source in sources), inner])]
    assert CLAUDE.remote_media(ir.Request(model="m", turns=turns)) == [sources[0], sources[0]]


@pytest.mark.parametrize("name", ALL)
@given(st.text(st.characters(codec="utf-8"), min_size=1), st.integers(1, 80))
def test_a_written_stream_reads_the_same(name: str, text: str, size: int) -> None:
    data = dialect(name).stream_writer(FRAME).write(unfold(reply(ir.Text(text))))
    assert all(message.name == "chunk" for message in eventstream.Decoder().feed(data))
    again = fold(read(name, data, size))
    assert [block.text for block in again.choices[0].turn.blocks if isinstance(block, ir.Text)] == [text]
    assert again.usage is not None
    assert (again.usage.input, again.usage.output) == (20, 7)


@pytest.mark.parametrize("name", ALL[:3])
def test_calls_travel_in_streams(name: str) -> None:
    said = reply(ir.ToolCall(id="c", name="t", arguments='{"a":1}'), reason="tool_calls")
    again = fold(read(name, dialect(name).stream_writer(FRAME).write(unfold(said))))
    assert again.choices[0].turn.blocks == said.choices[0].turn.blocks
    assert again.choices[0].finish is not None
    assert again.choices[0].finish.reason == "tool_calls"


@pytest.mark.parametrize("name", ALL)
def test_an_exception_ends_a_stream(name: str) -> None:
    events = [*list(unfold(reply(ir.Text("Hel"))))[:3], ir.StreamFailure(RateLimitError("slow down"))]
    data = dialect(name).stream_writer(FRAME).write(events)
    last = read(name, data)[-1]
    assert isinstance(last, ir.StreamFailure)
    assert type(last.error) is RateLimitError
    sniffer = dialect(name).sniffer()
    sniffer.feed(data)
    assert type(sniffer.error) is RateLimitError
    assert dialect(name).write_stream_error(RateLimitError("slow down")) in data


@pytest.mark.parametrize("name", ALL)
def test_a_cut_stream_is_no_answer(name: str) -> None:
    data = dialect(name).stream_writer(FRAME).write(unfold(reply(ir.Text("Hello"))))
    for part in (data[: len(data) // 2], data[:20], data[:-1][: data.rindex(b"chunk") - 20]):
        events = read(name, part)
        assert isinstance(events[-1], ir.StreamFailure)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("payload", [b"{}", b'{"bytes":1}', b'{"bytes":"%"}', b"x"])
def test_a_chunk_that_can_not_be_read_is_named(name: str, payload: bytes) -> None:
    last = read(name, eventstream.event("chunk", payload))[-1]
    assert isinstance(last, ir.StreamFailure)
    assert type(last.error) is APIResponseValidationError


@pytest.mark.parametrize("name", ALL)
@given(st.lists(json_objects, max_size=3))
def test_chunks_of_any_content_make_one_end(name: str, documents: list[dict[str, Any]]) -> None:
    data = b"".join(chunk_of(json.dumps(document).encode()) for document in documents)
    ends = [event for event in read(name, data, 50) if isinstance(event, ir.ReplyEnd | ir.StreamFailure)]
    assert len(ends) == 1


@pytest.mark.parametrize("name", ALL)
def test_frames_of_another_name_are_passed_over(name: str) -> None:
    data = dialect(name).stream_writer(FRAME).write(unfold(reply(ir.Text("Hi"))))
    assert fold(read(name, eventstream.event("ping", b"{}") + data)) == fold(read(name, data))


@pytest.mark.parametrize("name", ALL)
def test_json_in_place_of_a_stream(name: str) -> None:
    whole = dialect(name).write_reply(reply(ir.Text("Hi")), FRAME)
    blocks = fold(read(name, whole)).choices[0].turn.blocks
    assert [block.text for block in blocks if isinstance(block, ir.Text)] == ["Hi"]


def test_an_opening_holds_no_content() -> None:
    start = chunk_of(b'{"type":"message_start","message":{"id":"a","content":[],"usage":{"input_tokens":1}}}')
    delta = chunk_of(b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}')
    assert CLAUDE.is_opening(start)
    assert not CLAUDE.is_opening(start + delta)
    assert not CLAUDE.is_opening(delta[5:])


def test_nova_has_everything_in_one_body() -> None:
    written = NOVA.write_request(ask(max_tokens=5, top_k=3), Target(model="amazon.nova-lite-v1:0"))
    assert written.body == {
        "schemaVersion": "messages-v1",
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"maxTokens": 5, "topK": 3},
    }
    again = NOVA.read_request({**written.body, "inferenceConfig": {"max_new_tokens": 5, "topK": 3}})
    assert (again.max_tokens, again.top_k) == (5, 3)


def test_novas_pieces_of_a_text_are_one_block() -> None:
    events = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "a"}}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "b"}}},
        {"contentBlockStop": {"contentBlockIndex": 1}},
        {
            "contentBlockStart": {
                "contentBlockIndex": 2,
                "start": {"toolUse": {"toolUseId": "c", "name": "t"}},
            }
        },
        {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"toolUse": {"input": "{}"}}}},
        {"contentBlockStop": {"contentBlockIndex": 2}},
        {"contentBlockDelta": {"contentBlockIndex": 3, "delta": {"text": "c"}}},
        {"messageStop": {"stopReason": "tool_use"}},
        {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 2}}},
    ]
    data = b"".join(chunk_of(json.dumps(event).encode()) for event in events)
    found = read("bedrock_nova", data)
    call = ir.ToolCall(id="c", name="t", arguments="{}")
    assert fold(found).choices[0].turn.blocks == [ir.Text("ab"), call, ir.Text("c")]
    order = [
        (type(event).__name__, event.index)
        for event in found
        if isinstance(event, ir.BlockStart | ir.BlockStop)
    ]
    assert order == [(kind, at) for at in range(3) for kind in ("BlockStart", "BlockStop")]


@pytest.mark.parametrize(
    ("model", "key"),
    [("openai.gpt-oss-20b-1:0", "max_completion_tokens"), ("ai21.jamba-1-5-mini-v1:0", "max_tokens")],
)
def test_the_limit_has_the_name_that_the_model_knows(model: str, key: str) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 9}
    written = OPENAI.write_request(OPENAI.read_request(body), Target(model=model)).body
    assert written == {"messages": [{"role": "user", "content": "Hi"}], key: 9}


def test_mistrals_word_for_the_end_is_read() -> None:
    body = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "stop_reason": "length"}]
    }
    finish = OPENAI.read_reply(json.dumps(body).encode()).choices[0].finish
    assert finish is not None
    assert finish.reason == "length"


# --- prompts ---------------------------------------------------------------------------------------------

TALK = (("system", "S"), ("user", "a"), ("assistant", "b"), ("user", "c"))
HEADER = "<|start_header_id|>{}<|end_header_id|>\n\n{}"


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("amazon.titan-text-express-v1", {"inputText": "S\nUser: a\nBot: b\nUser: c\nBot:"}),
        (
            "anthropic.claude-v2",
            {
                "prompt": "S\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:",
                "max_tokens_to_sample": 4096,
            },
        ),
        (
            "meta.llama2-13b-chat-v1",
            {"prompt": "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\na [/INST] b</s>[INST] c [/INST]"},
        ),
        (
            "meta.llama3-70b-instruct-v1:0",
            {
                "prompt": "<|begin_of_text|>"
                + "".join(HEADER.format(role, text) + "<|eot_id|>" for role, text in TALK)
                + HEADER.format("assistant", "")
            },
        ),
        ("mistral.mistral-7b-instruct-v0:2", {"prompt": "<s>[INST] S\n\na [/INST] b</s>[INST] c [/INST]"}),
        (
            "cohere.command-r-v1:0",
            {
                "message": "c",
                "preamble": "S",
                "chat_history": [{"role": "USER", "message": "a"}, {"role": "CHATBOT", "message": "b"}],
            },
        ),
        ("cohere.command-text-v14", {"prompt": "S\n\na\n\nb\n\nc"}),
    ],
)
def test_a_conversation_as_a_prompt(model: str, body: dict[str, Any]) -> None:
    written = PROMPT.write_request(ask(*TALK), Target(model=model))
    assert written.dropped == []
    assert written.body == body


def test_a_begun_answer_is_gone_on_with() -> None:
    request = ask(("user", "a"), ("assistant", "b"))
    ends = {
        "meta.llama3-8b-instruct-v1:0": "b",
        "mistral.mistral-7b-instruct-v0:2": " b",
        "anthropic.claude-v2": "b",
    }
    for model, end in ends.items():
        assert PROMPT.write_request(request, Target(model=model)).body["prompt"].endswith(end)


def test_settings_in_the_words_of_each_maker() -> None:
    request = ask(max_tokens=9, temperature=0.5, top_p=0.9, stop=["x"], n=1)
    titan = PROMPT.write_request(request, Target(model="amazon.titan-text-lite-v1")).body
    assert titan["textGenerationConfig"] == {
        "maxTokenCount": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"],
    }  # fmt: skip
    llama = PROMPT.write_request(request, Target(model="meta.llama3-8b-instruct-v1:0"))
    assert llama.body["max_gen_len"] == 9
    assert llama.dropped == ["stop"]
    command = PROMPT.write_request(request, Target(model="cohere.command-text-v14")).body
    assert (command["p"], command["stop_sequences"]) == (0.9, ["x"])


def test_what_a_prompt_can_not_say_is_named() -> None:
    image = ir.Image(ir.Source("data", "AAAA", "image/png"))
    request = ir.Request(
        model="m",
        turns=[ir.Turn(role="user", blocks=[ir.Text("a"), image])],
        tools=[ir.Tool(name="t")],
        reasoning=ir.Reasoning(effort="low"),
        output=ir.OutputFormat(kind="json"),
    )
    written = PROMPT.write_request(request, Target(model="amazon.titan-text-lite-v1"))
    assert written.dropped == ["messages[0].content[1]: Image", "tools", "reasoning", "output"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"inputText": 1}, "inputText"),
        ({"prompt": "a", "max_tokens": "x"}, "max_tokens"),
        ({"message": "a", "chat_history": [1]}, "chat_history[0]"),
    ],
)
def test_bad_prompts_are_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        PROMPT.read_request(body)
    assert raised.value.param == param


def test_a_conversation_without_text_is_refused() -> None:
    with pytest.raises(BadRequestError, match="at least one"):
        PROMPT.write_request(ir.Request(model="m", turns=[]), Target(model="amazon.titan-text-lite-v1"))


def test_a_guardrail_that_intervened_ends_the_answer() -> None:
    event = b'{"outputText":"Input blocked","amazon-bedrock-guardrailAction":"INTERVENED"}'
    finish = fold(read("bedrock_prompt", chunk_of(event))).choices[0].finish
    assert finish is not None
    assert finish.reason == "content_filter"


@given(json_objects)
def test_any_answer_is_read_or_refused(body: dict[str, Any]) -> None:
    for name in ALL:
        with suppress(HeadgateError):
            dialect(name).read_reply(json.dumps(body).encode())
        dialect(name).glance(json.dumps(body).encode())


# --- embeddings ------------------------------------------------------------------------------------------


def embeddings(model: str, **body: Any) -> ir.Written:
    inner: Any = dialect("openai_embeddings")
    outer: Any = dialect("bedrock_embeddings")
    written: ir.Written = outer.write_request(inner.read_request({"model": "m", **body}), Target(model=model))
    return written


def test_embeddings_in_the_words_of_each_model() -> None:
    one: dict[str, Any] = {"input": "a", "dimensions": 256}
    assert embeddings("amazon.titan-embed-text-v2:0", **one).body == {"inputText": "a", "dimensions": 256}
    assert embeddings("amazon.titan-embed-text-v1", **one).dropped == ["dimensions"]
    image = embeddings("amazon.titan-embed-image-v1", **one).body
    assert image["embeddingConfig"] == {"outputEmbeddingLength": 256}
    nova = embeddings("amazon.nova-2-multimodal-embeddings-v1:0", **one).body
    assert nova["singleEmbeddingParams"]["embeddingDimension"] == 256
    many = embeddings(
        "cohere.embed-v4:0", input=["a", "b"], dimensions=512, input_type="query", truncate="END"
    )
    assert many.body == {
        "texts": ["a", "b"], "input_type": "search_query", "output_dimension": 512, "truncate": "END",
    }  # fmt: skip
    assert embeddings("cohere.embed-english-v3", input="a").body["input_type"] == "search_document"


@pytest.mark.parametrize("given_", [[1, 2], [[1], [2]]])
def test_titan_takes_text(given_: Any) -> None:
    with pytest.raises(BadRequestError) as raised:
        embeddings("amazon.titan-embed-text-v2:0", input=given_)
    assert raised.value.param == "input"


def test_embeddings_are_read_and_written() -> None:
    inner: Any = dialect("bedrock_embeddings")
    for vectors in ([[0.5, 1.0]], [[0.5], [1.0]]):
        body = (
            {"embedding": vectors[0], "inputTextTokenCount": 3}
            if len(vectors) == 1
            else {"embeddings": vectors}
        )
        read_ = inner.read_reply(json.dumps(body).encode())
        assert read_.vectors == vectors
        assert inner.read_reply(inner.write_reply(read_, FRAME)).vectors == vectors
    with pytest.raises(RateLimitError):
        inner.read_reply(b'{"message":"Too many requests, please wait"}')
    with pytest.raises(APIResponseValidationError):
        inner.read_reply(b'{"embeddings":{"int8":[[1]]}}')
    assert inner.glance(b"x").usage is None
