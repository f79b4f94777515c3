"""Answers of text completions in providers' own formats, and of Responses."""

from typing import Any

from documented.shapes import COUNTED, Exchange, chunk, events, lines, whole

GENERATE = "https://docs.cohere.com/v1/reference/generate"
WRITER = "https://dev.writer.com/api-reference/completion-api/text-generation"
WATSONX = "https://cloud.ibm.com/apidocs/watsonx-ai#text-generation"
LUMINOUS = "https://docs.aleph-alpha.com/api/complete"
LUMINOUS_STREAM = (
    {"type": "stream_chunk", "index": 0, "log_probs": None, "completion": "Hello"},
    {"type": "stream_chunk", "index": 0, "log_probs": None, "completion": " there"},
    {"type": "stream_summary", "index": 0, "model_version": "2022-04", "finish_reason": "maximum_tokens"},
    {"type": "completion_summary", "num_tokens_prompt_total": 9, "num_tokens_generated": 3},
)


def generated(text: str, event: str = "text-generation") -> dict[str, Any]:
    return {"text": text, "is_finished": False, "event_type": event}


GENERATE_END = {
    "is_finished": True,
    "event_type": "stream-end",
    "finish_reason": "COMPLETE",
    "response": {
        "id": "64c6",
        "generations": [{"id": "1325", "text": "Hello there", "finish_reason": "COMPLETE"}],
        "prompt": "Hi",
        "meta": {"api_version": {"version": "1"}, "billed_units": {"input_tokens": 9, "output_tokens": 3}},
    },
}

TEXTS = (
    Exchange(
        "aleph-alpha-stream",
        LUMINOUS,
        "aleph_alpha/luminous-base",
        "completions",
        events(*LUMINOUS_STREAM),
        "text/event-stream",
        finish="length",
        same=False,
    ),
    Exchange(
        "aleph-alpha-stream-without-done",
        LUMINOUS,
        "aleph_alpha/luminous-base",
        "completions",
        events(*LUMINOUS_STREAM, end="", eol="\r\n"),
        "text/event-stream",
        finish="length",
        same=False,
    ),
    Exchange(
        "aleph-alpha-error",
        LUMINOUS,
        "aleph_alpha/luminous-base",
        "completions",
        whole({"error": "the server is busy", "code": "QUEUE_FULL"}),
        status=503,
        text=None,
    ),
    Exchange(
        "cohere-generate",
        GENERATE,
        "cohere/command-light",
        "completions",
        whole(
            {
                "id": "64c6",
                "generations": [{"id": "1325", "text": "Hello there", "finish_reason": "MAX_TOKENS"}],
                "prompt": "Hi",
                "meta": GENERATE_END["response"]["meta"],
            }
        ),
        finish="length",
        same=False,
    ),
    Exchange(
        "cohere-generate-without-counts",
        GENERATE,
        "cohere/command-nightly",
        "completions",
        whole({"id": "64c6", "generations": [{"id": "1325", "text": "Hello there"}], "prompt": "Hi"}),
        tokens=None,
        same=False,
    ),
    Exchange(
        "cohere-generate-of-any-model",
        GENERATE,
        "cohere/command-a-03-2025",
        "completions",
        whole(
            {
                "id": "64c6",
                "generations": [{"id": "1325", "text": "Hello there", "finish_reason": "COMPLETE"}],
                "prompt": "Hi",
                "meta": GENERATE_END["response"]["meta"],
            }
        ),
        same=False,
    ),
    Exchange(
        "cohere-generate-stream",
        GENERATE,
        "cohere/command",
        "completions",
        lines(generated("Hello"), generated(" there"), GENERATE_END),
        "application/stream+json",
        same=False,
    ),
    Exchange(
        "cohere-generate-stream-without-types",
        GENERATE,
        "cohere/command",
        "completions",
        lines(
            {"text": "Hello", "is_finished": False},
            {"text": " there", "is_finished": False},
            {"is_finished": True, "finish_reason": "MAX_TOKENS", "response": {"id": "64c6"}},
        ),
        "text/plain; charset=utf-8",
        finish="length",
        tokens=None,
        same=False,
    ),
    Exchange(
        "cohere-generate-stream-error",
        GENERATE,
        "cohere/command",
        "completions",
        lines(
            {"event_type": "stream-error", "is_finished": True, "finish_reason": "ERROR", "err": "too busy"}
        ),
        "application/stream+json",
        status=500,
        told=200,
        text=None,
    ),
    Exchange(
        "cohere-generate-error",
        GENERATE,
        "cohere/command",
        "completions",
        whole({"message": "model 'command' was removed on September 15, 2025"}),
        status=404,
        text=None,
    ),
    Exchange(
        "watsonx-generation",
        WATSONX,
        "watsonx/google/flan-ul2",
        "completions",
        whole(
            {
                "model_id": "google/flan-ul2",
                "created_at": "2024-03-10T14:40:37.661Z",
                "results": [
                    {
                        "generated_text": "Hello there",
                        "generated_token_count": 3,
                        "input_token_count": 9,
                        "stop_reason": "max_tokens",
                    }
                ],
                "system": {"warnings": [{"message": "a disclaimer", "id": "disclaimer_warning"}]},
            }
        ),
        finish="length",
        same=False,
    ),
    Exchange(
        "watsonx-generation-error",
        WATSONX,
        "watsonx/google/flan-ul2",
        "completions",
        whole(
            {
                "errors": [{"code": "model_not_supported", "message": "Model 'x' is not supported"}],
                "trace": "t",
                "status_code": 404,
            }
        ),
        status=404,
        text=None,
    ),
    Exchange(
        "writer",
        WRITER,
        "writer/palmyra-x4",
        "completions",
        whole({"choices": [{"text": "Hello there", "log_probs": None}], "model": "palmyra-x4"}),
        tokens=None,
        same=False,
    ),
    Exchange(
        "writer-stream",
        WRITER,
        "writer/palmyra-x4",
        "completions",
        events({"value": "Hello"}, {"value": " there"}, end=""),
        "text/event-stream",
        tokens=None,
        same=False,
    ),
    Exchange(
        "writer-error",
        "https://dev.writer.com/api-reference/error-codes",
        "writer/palmyra-x4",
        "completions",
        whole(
            {
                "errors": [{"description": "no such model", "extras": {}, "key": "fail.modelNotFound"}],
                "extras": {},
                "tpe": "EmptyRequest",
            }
        ),
        status=400,
        text=None,
    ),
    Exchange(
        "vllm-completions-stream",
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        "hosted_vllm/m",
        "completions",
        events(
            {
                **chunk(),
                "object": "text_completion",
                "choices": [{"index": 0, "text": "Hello", "logprobs": None}],
            },
            {
                **chunk(),
                "object": "text_completion",
                "choices": [{"index": 0, "text": " there", "finish_reason": "length", "stop_reason": None}],
            },
            {**COUNTED, "object": "text_completion"},
        ),
        "text/event-stream",
        finish="length",
    ),
)

RESPONSE = {
    "id": "gen-1",
    "object": "response",
    "created_at": 1764265411,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "model": "openai/gpt-oss-20b",
    "output": [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "Hm"}],
        },
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello there", "annotations": [], "logprobs": []}],
        },
    ],
    "output_text": "",
    "usage": {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 12,
        "cost": 0.0000113,
        "is_byok": False,
    },
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "max_output_tokens": None,
    "temperature": None,
    "metadata": {},
    "store": False,
}

RESPONSES = (
    Exchange(
        "openrouter-responses",
        "https://openrouter.ai/docs/api-reference/responses-api/overview",
        "openrouter/openai/gpt-oss-20b",
        "responses",
        whole(RESPONSE),
        reasoning="Hm",
    ),
    Exchange(
        "openrouter-responses-error",
        "https://openrouter.ai/docs/api-reference/responses-api/error-handling",
        "openrouter/openai/gpt-oss-20b",
        "responses",
        whole(
            {
                "error": {"code": "invalid_prompt", "message": "Missing required parameter: 'model'."},
                "metadata": None,
            }
        ),
        status=400,
        text=None,
    ),
    Exchange(
        "openrouter-responses-error-in-200",
        "https://openrouter.ai/docs/api-reference/errors",
        "openrouter/openai/gpt-oss-20b",
        "responses",
        whole(
            {"error": {"code": 502, "message": "Provider returned error", "metadata": {"raw": "overloaded"}}}
        ),
        status=502,
        told=200,
        text=None,
    ),
)
