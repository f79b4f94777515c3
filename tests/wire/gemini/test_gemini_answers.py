"""Answers, whole and streamed: each rule of the format by name."""

import json
from typing import Any

import pytest

from headgate import errors
from headgate.wire import anthropic, bedrock, ir, openai_chat, responses
from headgate.wire.dialect import Frame
from headgate.wire.fold import fold, unfold
from headgate.wire.gemini import DIALECT

FRAME = Frame(id="ours", created=0, model="ours")


def _answer(parts: list[Any], **candidate: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, **candidate}],
        "modelVersion": "v",
        "responseId": "r",
    }


def _call(name: str, **fields: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **fields}}


def _reply(document: Any) -> ir.Reply:
    return DIALECT.read_reply(json.dumps(document).encode())


def _sse(*documents: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(document).encode() + b"\r\n\r\n" for document in documents)


def _events(stream: bytes, size: int = 4096) -> list[ir.Event]:
    reader = DIALECT.stream_reader()
    events = [event for at in range(0, len(stream), size) for event in reader.feed(stream[at : at + size])]
    return [*events, *reader.close()]


def _failure(stream: bytes) -> errors.HeadgateError:
    events = _events(stream)
    assert _events(stream, 1)[-1].__class__ is ir.StreamFailure
    assert not any(isinstance(event, ir.ReplyEnd) for event in events)
    last = events[-1]
    assert isinstance(last, ir.StreamFailure)
    return last.error


def _blocks(reply: ir.Reply) -> list[ir.Block]:
    return reply.choices[0].turn.blocks


# --- parts -----------------------------------------------------------------------------------------------


def test_calls_without_ids_get_distinct_ones_that_never_change() -> None:
    document = _answer([_call("f", args={"x": 1}), _call("f")], finishReason="STOP")
    whole = _blocks(_reply(document))
    streamed = _blocks(
        fold(_events(_sse(_answer([_call("f", args={"x": 1})]), _answer([_call("f")], finishReason="STOP"))))
    )
    assert whole == streamed == _blocks(_reply(document))
    assert [block.arguments for block in whole if isinstance(block, ir.ToolCall)] == ['{"x":1}', "{}"]
    assert len({block.id for block in whole if isinstance(block, ir.ToolCall)}) == 2


def test_an_id_that_was_given_is_kept() -> None:
    block = _blocks(_reply(_answer([_call("f", id="mine")], finishReason="STOP")))[0]
    assert isinstance(block, ir.ToolCall) and block.id == "mine"


def test_ids_of_answers_without_an_id_differ_between_answers() -> None:
    one, two = (
        _blocks(_reply({"candidates": [{"content": {"parts": [_call("f", args={"x": x})]}}]}))[0]
        for x in (1, 2)
    )
    assert isinstance(one, ir.ToolCall) and isinstance(two, ir.ToolCall) and one.id != two.id


def test_thoughts_and_signatures() -> None:
    parts = [
        {"text": "hm", "thought": True},
        {"text": "hi", "thoughtSignature": "s1"},
        {**_call("f"), "thoughtSignature": "s2"},
    ]
    thought, text, call = _blocks(_reply(_answer(parts, finishReason="STOP")))
    assert isinstance(thought, ir.Thinking) and thought.text == "hm"
    assert isinstance(text, ir.Text) and (text.text, text.signature) == ("hi", "s1")
    assert isinstance(call, ir.ToolCall) and call.signature == "s2"


def test_a_signature_on_an_empty_text_is_not_lost() -> None:
    stream = _sse(
        _answer([{"text": "hi"}]), _answer([{"text": "", "thoughtSignature": "s"}], finishReason="STOP")
    )
    assert _blocks(fold(_events(stream))) == [ir.Text("hi"), ir.Text("", signature="s")]


def test_media_of_an_answer() -> None:
    parts = [
        {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
        {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "QUJD"}},
    ]
    image, sound = _blocks(_reply(_answer(parts, finishReason="STOP")))
    assert isinstance(image, ir.Image) and image.source == ir.Source("data", "QUJD", "image/png")
    assert isinstance(sound, ir.Audio) and sound.format == "pcm16"


@pytest.mark.parametrize("key", ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"])
def test_what_only_gemini_knows_is_opaque(key: str) -> None:
    part = {key: {"a": 1}, "thoughtSignature": "s"}
    assert _blocks(_reply(_answer([part], finishReason="STOP"))) == [ir.Opaque(family="gemini", value=part)]


def test_snake_case_is_read_as_well() -> None:
    document = {
        "candidates": [
            {
                "content": {"parts": [{"function_call": {"name": "f"}, "thought_signature": "s"}]},
                "finish_reason": "STOP",
            }
        ],
        "usage_metadata": {"promptTokenCount": 1},
        "model_version": "v",
    }
    reply = _reply(document)
    block = _blocks(reply)[0]
    assert isinstance(block, ir.ToolCall) and block.signature == "s"
    assert reply.model == "v" and reply.usage is not None and reply.choices[0].finish is not None


# --- why it ended ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw, reason",
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("NO_IMAGE", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_finish_reasons_keep_their_spelling(raw: str, reason: str) -> None:
    document = _answer([{"text": "x"}], finishReason=raw)
    finish = _reply(document).choices[0].finish
    assert finish == ir.Finish(reason=reason, raw=raw, family="gemini")  # type: ignore[arg-type]
    written = json.loads(DIALECT.write_reply(_reply(document), FRAME))
    assert written["candidates"][0]["finishReason"] == raw


def test_stop_after_calls_means_tool_calls_in_whatever_chunk_they_came() -> None:
    stream = _sse(_answer([_call("f")]), _answer([{"text": ""}], finishReason="STOP"))
    finish = fold(_events(stream)).choices[0].finish
    assert finish is not None and finish.reason == "tool_calls"


@pytest.mark.parametrize("content", [None, {}, {"role": "model"}, {"parts": []}])
def test_an_answer_may_have_no_content(content: Any) -> None:
    node = (
        {"finishReason": "MAX_TOKENS"}
        if content is None
        else {"content": content, "finishReason": "MAX_TOKENS"}
    )
    reply = _reply({"candidates": [node]})
    assert _blocks(reply) == []
    assert reply.choices[0].finish is not None and reply.choices[0].finish.reason == "length"


def test_a_blocked_prompt_is_a_choice_of_its_own() -> None:
    document = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    for reply in (_reply(document), fold(_events(_sse(document)))):
        assert _blocks(reply) == []
        assert reply.choices[0].finish == ir.Finish(reason="content_filter", raw="SAFETY", family="gemini")
        assert "candidates" not in json.loads(DIALECT.write_reply(reply, FRAME))


def test_a_finish_of_another_vendor_is_translated() -> None:
    turn = ir.Turn(role="assistant", blocks=[ir.Text("x")])
    finish = ir.Finish(reason="content_filter", raw="refusal", family="anthropic")
    body = DIALECT.write_reply(ir.Reply(choices=[ir.Choice(turn=turn, finish=finish)]), FRAME)
    assert json.loads(body)["candidates"][0]["finishReason"] == "SAFETY"
    assert (json.loads(body)["modelVersion"], json.loads(body)["responseId"]) == ("ours", "ours")


# --- usage, citations, log probabilities -----------------------------------------------------------------


@pytest.mark.parametrize(
    "counts, expected",
    [
        ({"candidatesTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 18}, (10, 8, 3)),
        ({"candidatesTokenCount": 8, "thoughtsTokenCount": 3, "totalTokenCount": 18}, (10, 8, 3)),
        (
            {
                "toolUsePromptTokenCount": 2,
                "candidatesTokenCount": 5,
                "thoughtsTokenCount": 3,
                "totalTokenCount": 20,
            },
            (12, 8, 3),
        ),
        ({"totalTokenCount": 10}, (10, 0, None)),
        ({"responseTokenCount": 4, "totalTokenCount": 14}, (10, 4, None)),
    ],
)
def test_thoughts_are_counted_once(counts: dict[str, int], expected: tuple[int, int, int | None]) -> None:
    usage = _reply({**_answer([]), "usageMetadata": {"promptTokenCount": 10, **counts}}).usage
    assert usage is not None
    assert (usage.input, usage.output, usage.reasoning) == expected


def test_byte_offsets_become_character_offsets() -> None:
    text = "Größe 日本 ok"
    start, end = len("Größe ".encode()), len("Größe 日本".encode())
    grounding = {
        "webSearchQueries": ["q"],
        "groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
        "groundingSupports": [
            {"segment": {"startIndex": start, "endIndex": end}, "groundingChunkIndices": [0]},
            {"segment": {"endIndex": 3}, "groundingChunkIndices": [0, 9]},
        ],
    }
    document = _answer([{"text": text}], finishReason="STOP", groundingMetadata=grounding)
    stream = _sse(
        _answer([{"text": text[:3]}]),
        _answer([{"text": text[3:]}], finishReason="STOP", groundingMetadata=grounding),
    )
    for reply in (_reply(document), fold(_events(stream))):
        block = _blocks(reply)[0]
        assert isinstance(block, ir.Text) and block.citations is not None
        spans = [text[citation.start : citation.end] for citation in block.citations]
        assert spans == ["日本", "Gr"]
        assert block.citations[0].url == "u" and block.citations[0].title == "t"
        assert reply.choices[0].extra == {"gemini": {"groundingMetadata": grounding}}


def test_citations_of_another_vendor_become_grounding() -> None:
    cited = ir.Citation(url="u", title="t", start=2, end=4)
    turn = ir.Turn(role="assistant", blocks=[ir.Text("ä日本語", citations=[cited])])
    reply = ir.Reply(choices=[ir.Choice(turn=turn, finish=ir.Finish(reason="stop"))], id="i", model="m")
    again = _blocks(DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)))[0]
    assert isinstance(again, ir.Text) and again.citations == [cited]
    streamed = _blocks(fold(_events(DIALECT.stream_writer(FRAME).write(unfold(reply)))))[0]
    assert isinstance(streamed, ir.Text) and streamed.citations == [cited]


def test_log_probabilities() -> None:
    result = {
        "chosenCandidates": [{"token": "é", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "é", "logProbability": -0.5}, {"token": "e"}]}],
    }
    reply = _reply(_answer([{"text": "é"}], finishReason="STOP", logprobsResult=result))
    tokens = reply.choices[0].logprobs
    assert tokens is not None and tokens[0].bytes == [0xC3, 0xA9]
    assert [other.token for other in tokens[0].top or ()] == ["é", "e"]


# --- streams ---------------------------------------------------------------------------------------------


def test_a_stream_that_ends_without_a_finish_reason_was_cut() -> None:
    assert isinstance(_failure(_sse(_answer([{"text": "hi"}]))), errors.APIConnectionError)


def test_a_stream_of_nothing_was_cut() -> None:
    assert isinstance(_events(b"")[-1], ir.StreamFailure)


@pytest.mark.parametrize("start", [b"", _sse(_answer([{"text": "hi"}]))])
@pytest.mark.parametrize("framing", [b"data: %s\r\n\r\n", b"data: %s", b"%s"])
def test_an_error_in_the_stream_is_the_error_of_the_call(start: bytes, framing: bytes) -> None:
    document = {
        "error": {
            "code": 429,
            "message": "slow down",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}],
        }
    }
    error = _failure(start + framing % json.dumps(document).encode())
    assert isinstance(error, errors.RateLimitError)
    assert (error.message, error.retry_after) == ("slow down", 17.0)


def test_an_array_is_read_as_the_stream_that_it_is() -> None:
    body = json.dumps([_answer([{"text": "hi"}]), _answer([{"text": " you"}], finishReason="STOP")]).encode()
    for size in (1, 7, len(body)):
        assert _blocks(fold(_events(body, size))) == [ir.Text("hi you")]
    assert _blocks(DIALECT.read_reply(body)) == [ir.Text("hi you")]
    assert isinstance(_failure(body[:-30]), errors.APIConnectionError)


def test_text_is_passed_on_as_soon_as_it_comes() -> None:
    events = DIALECT.stream_reader().feed(_sse(_answer([{"text": "hi"}])))
    assert ir.BlockDelta(0, 0, "text", "hi") in events


def test_several_candidates_keep_apart() -> None:
    stream = _sse(
        {
            "candidates": [
                {"content": {"parts": [{"text": "a"}]}},
                {"index": 1, "content": {"parts": [{"text": "b"}]}},
            ]
        },
        {"candidates": [{"finishReason": "STOP"}, {"index": 1, "finishReason": "MAX_TOKENS"}]},
    )
    reply = fold(_events(stream))
    assert [choice.turn.blocks for choice in reply.choices] == [[ir.Text("a")], [ir.Text("b")]]
    assert [choice.finish.reason for choice in reply.choices if choice.finish] == ["stop", "length"]


def test_calls_that_come_in_pieces_leave_whole() -> None:
    def piece(**fields: Any) -> dict[str, Any]:
        return _answer([{"functionCall": fields}])

    stream = _sse(
        piece(name="f", willContinue=True),
        piece(partialArgs=[{"jsonPath": "$.a", "stringValue": "x", "willContinue": True}], willContinue=True),
        piece(partialArgs=[{"jsonPath": "$.a", "stringValue": "y"}], willContinue=True),
        piece(partialArgs=[{"jsonPath": "$.b[0]", "numberValue": 2}], willContinue=True),
        piece(),
        _answer([], finishReason="STOP"),
    )
    block = _blocks(fold(_events(stream)))[0]
    assert isinstance(block, ir.ToolCall)
    assert json.loads(block.arguments) == {"a": "xy", "b": [2]}


def test_the_written_stream_is_what_google_sends() -> None:
    turn = ir.Turn(
        role="assistant", blocks=[ir.Text("a"), ir.ToolCall(id="c", name="f", arguments='{"x": 1}')]
    )
    choice = ir.Choice(turn=turn, finish=ir.Finish(reason="tool_calls"))
    stream = DIALECT.stream_writer(FRAME).write(
        unfold(ir.Reply(choices=[choice], id="i", model="m", usage=ir.Usage(input=2, output=1)))
    )
    assert stream.endswith(b"\r\n\r\n") and b"[DONE]" not in stream and b"event:" not in stream
    events = [json.loads(event.removeprefix(b"data: ")) for event in stream.split(b"\r\n\r\n") if event]
    assert all((event["responseId"], event["modelVersion"]) == ("i", "m") for event in events)
    assert [event["candidates"][0].get("finishReason") for event in events] == [None, None, "STOP"]
    call = events[1]["candidates"][0]["content"]["parts"][0]["functionCall"]
    assert (call["name"], call["args"]) == ("f", {"x": 1})
    assert events[-1]["usageMetadata"]["totalTokenCount"] == 3


def test_a_broken_stream_ends_with_an_error_and_no_finish() -> None:
    writer = DIALECT.stream_writer(FRAME)
    error = errors.ServiceUnavailableError("gone")
    stream = writer.write([ir.ReplyStart(), ir.StreamFailure(error)])
    assert DIALECT.write_stream_error(error) in stream
    assert isinstance(_failure(stream), errors.ServiceUnavailableError)


def test_the_sniffer_sees_errors_and_cut_streams() -> None:
    sniffer = DIALECT.sniffer()
    sniffer.feed(_sse(_answer([{"text": 'a "finishReason" and an "error"'}])))
    assert (sniffer.ended, sniffer.error) == (False, None)
    sniffer.feed(_sse({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}))
    assert isinstance(sniffer.error, errors.ServiceUnavailableError)
    assert not sniffer.ended


# --- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status, message, kind",
    [
        (400, "API key not valid. Please pass a valid API key.", errors.AuthenticationError),
        (
            400,
            "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            errors.ContextWindowExceededError,
        ),
        (400, "Request payload size exceeds the limit: 20971520 bytes.", errors.ContextWindowExceededError),
        (400, "User location is not supported for the API use.", errors.BadRequestError),
        (403, "Vertex AI API has not been used in project 1 before", errors.BadRequestError),
        (403, "Permission denied", errors.PermissionDeniedError),
        (404, "models/x is not found", errors.NotFoundError),
        (429, "Resource exhausted", errors.RateLimitError),
        (499, "cancelled", errors.BadRequestError),
        (500, "internal", errors.InternalServerError),
        (503, "The model is overloaded.", errors.ServiceUnavailableError),
        (504, "Deadline exceeded", errors.Timeout),
    ],
)
def test_error_table(status: int, message: str, kind: type[errors.HeadgateError]) -> None:
    document: Any = {"error": {"code": status, "message": message, "status": "X"}}
    for body in (document, [document]):
        error = DIALECT.read_error(status, {}, json.dumps(body).encode())
        assert type(error) is kind
        assert error.message == message


@pytest.mark.parametrize("body", [b"", b"<html><title>502</title></html>", b"\xff\xfe", b"[]", b"null"])
def test_any_error_body_is_read(body: bytes) -> None:
    assert isinstance(DIALECT.read_error(502, {}, body), errors.BadGatewayError)


@pytest.mark.parametrize(
    "error, code, status",
    [
        (errors.BadRequestError("x"), 400, "INVALID_ARGUMENT"),
        (errors.AuthenticationError("x"), 401, "UNAUTHENTICATED"),
        (errors.PermissionDeniedError("x"), 403, "PERMISSION_DENIED"),
        (errors.NotFoundError("x"), 404, "NOT_FOUND"),
        (errors.RateLimitError("x"), 429, "RESOURCE_EXHAUSTED"),
        (errors.InternalServerError("x"), 500, "INTERNAL"),
        (errors.ServiceUnavailableError("x"), 503, "UNAVAILABLE"),
    ],
)
def test_errors_in_googles_words(error: errors.HeadgateError, code: int, status: str) -> None:
    said = json.loads(DIALECT.write_error(error))["error"]
    assert (said["code"], said["status"], said["message"]) == (code, status, "x")


def test_why_a_call_failed_is_told_in_geminis_word() -> None:
    document = _answer([], finishReason="UNEXPECTED_TOOL_CALL")
    written = json.loads(openai_chat.DIALECT.write_reply(_reply(document), FRAME))["choices"][0]
    assert written["finish_reason"] == "stop"
    assert written["provider_specific_fields"]["native_finish_reason"] == "UNEXPECTED_TOOL_CALL"


def test_a_part_that_is_only_a_signature_is_no_text_for_others() -> None:
    reply = _reply(_answer([{"text": "a"}, {"text": "", "thoughtSignature": "c2ln"}]))
    assert [block.text for block in reply.choices[0].turn.blocks if isinstance(block, ir.Text)] == ["a", ""]
    for dialect, texts in (
        (anthropic.DIALECT, lambda document: document["content"]),
        (responses.DIALECT, lambda document: document["output"]),
        (bedrock.DIALECT, lambda document: document["output"]["message"]["content"]),
    ):
        assert len(texts(json.loads(dialect.write_reply(reply, FRAME)))) == 1
    streamed = anthropic.DIALECT.stream_writer(FRAME).write(unfold(reply))
    assert streamed.count(b"event: content_block_start") == 1


@pytest.mark.parametrize(
    "dialect", [anthropic.DIALECT, responses.DIALECT, bedrock.DIALECT, openai_chat.DIALECT]
)
def test_a_signed_text_of_a_whole_answer_is_in_its_stream(dialect: Any) -> None:
    reply = _reply(_answer([{"text": "all of it", "thoughtSignature": "c2ln"}], finishReason="STOP"))
    reader = dialect.stream_reader()
    events = reader.feed(dialect.stream_writer(FRAME).write(unfold(reply)))
    blocks = fold([*events, *reader.close()]).choices[0].turn.blocks
    assert "".join(block.text for block in blocks if isinstance(block, ir.Text)) == "all of it"
