"""Exchanges as providers document them, where none was ever recorded: an answer, and what it says.

Each names the page that has its shape. tests/replay/test_documented.py plays them.
"""

import json
from typing import Any, NamedTuple

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


class Exchange(NamedTuple):
    """`model` is what callers name, `operation` what they ask for. `text` None: it fails, as `status` says, which is
    that of the client's answer where the provider's own, `told`, says nothing. `same`: the client's format is the
    provider's, so that every byte must arrive."""

    id: str
    source: str
    model: str
    operation: str
    answer: bytes
    kind: str = "application/json"
    status: int = 200
    told: int = 0
    text: str | None = "Hello there"
    reasoning: str = ""
    finish: str = "stop"
    tokens: tuple[int, int] | None = (9, 3)
    same: bool = True

    @property
    def stream(self) -> bool:
        return self.kind != "application/json"


def whole(document: Any) -> bytes:
    return json.dumps(document).encode()


def events(*documents: Any, end: str = "[DONE]", eol: str = "\n", named: bool = False) -> bytes:
    """Server-sent events; `named`: by the type in each."""
    rows = [(f"event: {one['type']}{eol}" if named else "") + f"data: {json.dumps(one)}" for one in documents]
    return "".join(row + eol * 2 for row in [*rows, *([f"data: {end}"] if end else [])]).encode()


def lines(*documents: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


def chat(**fields: Any) -> dict[str, Any]:
    """A whole chat answer; `message` and `choice` go over its parts."""
    message = {"role": "assistant", "content": "Hello there", **fields.pop("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **fields.pop("choice", {})}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1750000000, "model": "m"}
    return {**head, "choices": [choice], "usage": USAGE, **fields}


def chunk(delta: Any = None, finish: Any = None, **fields: Any) -> dict[str, Any]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1750000000, "model": "m"}
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish, **fields.pop("choice", {})}
    return {**head, "choices": [choice], **fields}


BEGUN = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hello"}),
    chunk({"content": " there"}),
)
COUNTED = {**chunk(usage=USAGE), "choices": []}

CHATS = (
    Exchange(
        "anthropic",
        "https://docs.anthropic.com/en/api/openai-sdk",
        "openai/claude-sonnet-4-5",
        "chat",
        whole(
            chat(
                id="msg_01A",
                message={"refusal": None, "audio": None, "tool_calls": None},
                service_tier=None,
                system_fingerprint=None,
            )
        ),
    ),
    Exchange(
        "anthropic-stream",
        "https://docs.anthropic.com/en/api/openai-sdk",
        "openai/claude-sonnet-4-5",
        "chat",
        events(*BEGUN, chunk({}, "stop"), COUNTED, eol="\r\n"),
        "text/event-stream; charset=utf-8",
    ),
    Exchange(
        "anthropic-error",
        "https://docs.anthropic.com/en/api/openai-sdk",
        "openai/claude-sonnet-4-5",
        "chat",
        whole(
            {
                "error": {
                    "code": "invalid_request_error",
                    "message": "max_tokens: Field required",
                    "type": "invalid_request_error",
                    "param": None,
                }
            }
        ),
        status=400,
        text=None,
    ),
    Exchange(
        "azure-stream",
        "https://learn.microsoft.com/azure/ai-services/openai/concepts/content-streaming",
        "azure/gpt-4o",
        "chat",
        events(
            {
                "id": "",
                "object": "",
                "created": 0,
                "model": "",
                "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
                "choices": [],
            },
            *BEGUN,
            chunk({}, "stop", choice={"content_filter_results": {}}),
            {
                "id": "",
                "object": "",
                "created": 0,
                "model": "",
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": None,
                        "content_filter_offsets": {"check_offset": 0, "start_offset": 0, "end_offset": 11},
                        "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
                    }
                ],
            },
            COUNTED,
        ),
        "text/event-stream",
    ),
    Exchange(
        "azure-error",
        "https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter",
        "azure/gpt-4o",
        "chat",
        whole(
            {
                "error": {
                    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content "
                    "management policy.",
                    "type": None,
                    "param": "prompt",
                    "code": "content_filter",
                    "status": 400,
                    "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
                }
            }
        ),
        status=400,
        text=None,
    ),
    Exchange(
        "fireworks",
        "https://docs.fireworks.ai/api-reference/post-chatcompletions",
        "fireworks_ai/deepseek-r1",
        "chat",
        whole(
            chat(
                message={"reasoning_content": "Hm", "tool_calls": None},
                choice={"logprobs": None, "raw_output": None, "token_ids": None},
                usage={**USAGE, "prompt_tokens_details": {"cached_tokens": 4}},
                perf_metrics={"prompt-tokens": "9"},
                prompt_token_ids=None,
            )
        ),
        reasoning="Hm",
    ),
    Exchange(
        "fireworks-error",
        "https://docs.fireworks.ai/guides/inference-error-codes",
        "fireworks_ai/deepseek-r1",
        "chat",
        whole({"error": {"object": "error", "type": "invalid_request_error", "message": "model not found"}}),
        status=404,
        text=None,
    ),
    Exchange(
        "nebius",
        "https://docs.tokenfactory.nebius.com/api-reference/inference/create-chat-completion",
        "nebius/meta-llama/Meta-Llama-3.1-70B-Instruct",
        "chat",
        whole(
            chat(
                message={"refusal": None, "function_call": None, "tool_calls": [], "reasoning_content": None},
                choice={"logprobs": None, "stop_reason": None},
                prompt_logprobs=None,
                kv_transfer_params=None,
                usage={**USAGE, "prompt_tokens_details": None},
            )
        ),
    ),
    Exchange(
        "nebius-error",
        "https://docs.tokenfactory.nebius.com/api-reference/inference/create-chat-completion",
        "nebius/m",
        "chat",
        whole(
            {
                "detail": [
                    {"type": "missing", "loc": ["body", "messages"], "msg": "Field required", "input": {}}
                ]
            }
        ),
        status=422,
        text=None,
    ),
    Exchange(
        "novita",
        "https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion",
        "novita/deepseek/deepseek-r1",
        "chat",
        whole(
            chat(
                message={"reasoning_content": "Hm", "tool_calls": None},
                choice={
                    "content_filter_results": {"hate": {"filtered": False}, "jailbreak": {"detected": False}}
                },
                system_fingerprint="",
                usage={**USAGE, "prompt_tokens_details": None, "completion_tokens_details": None},
            )
        ),
        reasoning="Hm",
    ),
    Exchange(
        "novita-error",
        "https://novita.ai/docs/api-reference/basic-error-code",
        "novita/m",
        "chat",
        whole({"code": 404, "reason": "MODEL_NOT_FOUND", "message": "model not found", "metadata": {}}),
        status=404,
        text=None,
    ),
    Exchange(
        "novita-error-in-200",
        "https://novita.ai/docs/api-reference/basic-error-code",
        "novita/m",
        "chat",
        whole({"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "not enough balance", "metadata": {}}),
        status=403,
        told=200,
        text=None,
    ),
    Exchange(
        "openai-stream",
        "https://platform.openai.com/docs/api-reference/chat-streaming",
        "openai/gpt-4o",
        "chat",
        events(
            chunk(
                {"role": "assistant", "content": "", "refusal": None},
                service_tier="default",
                system_fingerprint="fp",
                usage=None,
                obfuscation="x9",
                choice={"logprobs": None},
            ),
            chunk({"content": "Hello"}, usage=None, obfuscation="aB"),
            chunk({"content": " there"}, usage=None, obfuscation="q"),
            chunk({}, "stop", usage=None, obfuscation="7Yt"),
            {
                **COUNTED,
                "usage": {
                    **USAGE,
                    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                    "completion_tokens_details": {
                        "reasoning_tokens": 0,
                        "audio_tokens": 0,
                        "accepted_prediction_tokens": 0,
                        "rejected_prediction_tokens": 0,
                    },
                },
                "obfuscation": "zz",
            },
        ),
        "text/event-stream; charset=utf-8",
    ),
    Exchange(
        "openai-error-in-stream",
        "https://platform.openai.com/docs/guides/error-codes",
        "openai/gpt-4o",
        "chat",
        events(
            {
                "error": {
                    "message": "The server had an error while processing your request. Sorry about that!",
                    "type": "server_error",
                    "param": None,
                    "code": None,
                }
            },
            end="",
        ),
        "text/event-stream",
        status=500,
        told=200,
        text=None,
    ),
    Exchange(
        "vllm-stream",
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        "hosted_vllm/Qwen/Qwen3-8B",
        "chat",
        events(
            chunk({"role": "assistant", "content": ""}, prompt_token_ids=None),
            chunk({"reasoning": "H", "reasoning_content": "H"}),
            chunk({"reasoning": "m", "reasoning_content": "m"}),
            chunk({"content": "Hello"}, choice={"logprobs": None, "token_ids": None}),
            chunk({"content": " there"}, "stop", choice={"stop_reason": None}),
            COUNTED,
        ),
        "text/event-stream; charset=utf-8",
        reasoning="Hm",
    ),
    Exchange(
        "vllm-stream-counted-all-along",
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        "hosted_vllm/Qwen/Qwen3-8B",
        "chat",
        events(
            *(
                {**one, "usage": {"prompt_tokens": 9, "total_tokens": 9 + at, "completion_tokens": at}}
                for at, one in enumerate(BEGUN)
            ),
            chunk({"content": ""}, "stop", choice={"stop_reason": 128009}, usage=USAGE),
            COUNTED,
        ),
        "text/event-stream; charset=utf-8",
    ),
    Exchange(
        "vllm-error",
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        "hosted_vllm/m",
        "chat",
        whole(
            {
                "object": "error",
                "message": "This model's maximum context length is 2048 tokens. However, you requested 4000 tokens.",
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            }
        ),
        status=400,
        text=None,
    ),
    Exchange(
        "vllm-error-in-stream",
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        "hosted_vllm/m",
        "chat",
        events({"error": {"message": "bad input", "type": "BadRequestError", "param": None, "code": 400}}),
        "text/event-stream",
        status=400,
        told=200,
        text=None,
    ),
)

MESSAGES = (
    Exchange(
        "minimax-messages",
        "https://platform.minimax.io/docs/api-reference/text-anthropic-api",
        "minimax/MiniMax-M2",
        "messages",
        whole(
            {
                "id": "05a0",
                "type": "message",
                "role": "assistant",
                "model": "MiniMax-M2",
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": "3a3a"},
                    {"type": "text", "text": "Hello there"},
                ],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 9, "output_tokens": 3},
                "base_resp": {"status_code": 0, "status_msg": ""},
            }
        ),
        reasoning="Hm",
    ),
    Exchange(
        "minimax-messages-stream",
        "https://platform.minimax.io/docs/api-reference/text-anthropic-api",
        "minimax/MiniMax-M2",
        "messages",
        events(
            {
                "type": "message_start",
                "message": {
                    "id": "05a0",
                    "type": "message",
                    "role": "assistant",
                    "content": [],
                    "model": "MiniMax-M2",
                    "stop_reason": None,
                    "stop_sequence": None,
                    "usage": {"input_tokens": 9, "output_tokens": 0},
                    "service_tier": "standard",
                },
            },
            {"type": "ping"},
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "thinking", "thinking": ""},
            },
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "thinking_delta", "thinking": "Hm"},
            },
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "signature_delta", "signature": "3a"},
            },
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hello"}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": " there"}},
            {"type": "content_block_stop", "index": 1},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"input_tokens": 9, "output_tokens": 3},
            },
            {"type": "message_stop"},
            end="",
            named=True,
        ),
        "text/event-stream",
        reasoning="Hm",
    ),
    Exchange(
        "minimax-messages-stream-without-names",
        "https://platform.minimax.io/docs/api-reference/text-anthropic-api",
        "minimax/MiniMax-M2",
        "messages",
        events(
            {"type": "message_start", "message": {"id": "1", "content": [], "usage": {"input_tokens": 9}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "Hello there"},
            },
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
            {"type": "message_stop"},
            end="",
        ),
        "text/event-stream",
    ),
    Exchange(
        "minimax-messages-error",
        "https://platform.minimax.io/docs/api-reference/errorcode",
        "minimax/MiniMax-M2",
        "messages",
        whole(
            {
                "type": "error",
                "error": {"type": "authentication_error", "message": "login fail (1004)", "http_code": "401"},
                "request_id": "06",
            }
        ),
        status=401,
        text=None,
    ),
)

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
EXCHANGES = (*CHATS, *MESSAGES, *TEXTS, *RESPONSES)


class Ranked(NamedTuple):
    """An answer to two documents of which the second is the better one."""

    id: str
    source: str
    model: str
    answer: Any
    status: int = 200


RANKS = (
    Ranked(
        "bedrock",
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html",
        "bedrock/arn:aws:bedrock:us-west-2::foundation-model/cohere.rerank-v3-5:0",
        {"results": [{"index": 1, "relevanceScore": 0.9}, {"index": 0, "relevanceScore": 0.25}]},
    ),
    Ranked(
        "bedrock-invoke",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-supported.html",
        "bedrock/cohere.rerank-v3-5:0",
        {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.25}]},
    ),
    Ranked(
        "bedrock-error",
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html",
        "bedrock/arn:aws:bedrock:us-west-2::foundation-model/cohere.rerank-v3-5:0",
        {"message": "The provided model identifier is invalid."},
        400,
    ),
    Ranked(
        "together",
        "https://docs.together.ai/reference/rerank-1",
        "together_ai/Salesforce/Llama-Rank-v1",
        {
            "object": "rerank",
            "id": "o8m",
            "model": "Salesforce/Llama-Rank-v1",
            "results": [
                {"index": 1, "document": {"text": "b"}, "relevance_score": 0.9},
                {"index": 0, "document": {"text": "a"}, "relevance_score": 0.25},
            ],
            "usage": {"prompt_tokens": 1837, "completion_tokens": 0, "total_tokens": 1837},
        },
    ),
    Ranked(
        "together-error",
        "https://docs.together.ai/docs/error-codes",
        "together_ai/Salesforce/Llama-Rank-v1",
        {
            "error": {
                "message": "Unable to access model",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            }
        },
        404,
    ),
    Ranked(
        "voyage",
        "https://docs.voyageai.com/reference/reranker-api",
        "voyage/rerank-2.5",
        {
            "object": "list",
            "data": [{"relevance_score": 0.9, "index": 1}, {"relevance_score": 0.25, "index": 0}],
            "model": "rerank-2.5",
            "usage": {"total_tokens": 26},
        },
    ),
    Ranked(
        "voyage-error",
        "https://docs.voyageai.com/docs/error-codes",
        "voyage/rerank-2.5",
        {"detail": "Provided API key is invalid."},
        401,
    ),
)

VECTORS = (
    (
        "vertex",  # https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
        "vertex_ai/text-embedding-005",
        {
            "predictions": [
                {"embeddings": {"values": [0.5, -1.0], "statistics": {"token_count": 9, "truncated": False}}}
            ],
            "metadata": {"billableCharacterCount": 11},
        },
        9,
    ),
    (
        "vertex-without-statistics",
        "vertex_ai/textembedding-gecko",
        {"predictions": [{"embeddings": {"values": [0.5, -1.0]}}]},
        None,
    ),
    (
        "vllm",  # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
        "hosted_vllm/intfloat/e5-mistral-7b-instruct",
        {
            "id": "embd-1",
            "object": "list",
            "created": 1750000000,
            "model": "intfloat/e5-mistral-7b-instruct",
            "data": [{"index": 0, "object": "embedding", "embedding": [0.5, -1.0]}],
            "usage": {
                "prompt_tokens": 9,
                "total_tokens": 9,
                "completion_tokens": 0,
                "prompt_tokens_details": None,
            },
        },
        9,
    ),
)
"""Name, model, answer, and the tokens that it counts."""

CARTESIA = {
    "type": "transcript",
    "request_id": "r",
    "text": "Hello there",
    "language": "en",
    "duration": 1.5,
    "words": [{"word": "Hello", "start": 0.0, "end": 0.5}, {"word": "there", "start": 0.5, "end": 1.5}],
    "is_final": True,
}
"""https://docs.cartesia.ai/api-reference/stt/transcribe"""

MODELS = {
    "object": "list",
    "data": [
        {
            "id": "m",
            "object": "model",
            "created": 1750000000,
            "owned_by": "o",
            "capabilities": {"vision": False},
        }
    ],
}
PASSED = (
    # https://huggingface.co/docs/inference-providers/hub-api, https://docs.mistral.ai/api/#tag/models,
    # https://docs.x.ai/docs/api-reference#files, https://developers.deepgram.com/reference/text-intelligence/analyze-text
    ("huggingface", "GET", "/v1/models", None, 200, MODELS),
    ("huggingface", "GET", "/api/models/org/m?expand=inferenceProviderMapping", None, 200, {"id": "org/m"}),
    ("mistral", "GET", "/v1/models", None, 200, MODELS),
    (
        "mistral",
        "GET",
        "/v1/models/m",
        None,
        404,
        {"object": "error", "message": "no such model", "code": None},
    ),
    (
        "xai",
        "GET",
        "/v1/files",
        None,
        200,
        {"data": [{"id": "file_1", "filename": "a"}], "pagination_token": None},
    ),
    ("xai", "GET", "/v1/files/file_1", None, 404, {"code": "not-found", "error": "File not found"}),
    ("xai", "DELETE", "/v1/files/file_1", None, 200, {"id": "file_1", "deleted": True}),
    (
        "deepgram",
        "POST",
        "/v1/read?summarize=true",
        {"text": "a"},
        200,
        {"metadata": {}, "results": {"summary": {}}},
    ),
    (
        "deepgram",
        "GET",
        "/v1/projects",
        None,
        401,
        {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."},
    ),
    ("anthropic", "POST", "/v1/chat/completions", {"model": "m", "messages": []}, 200, chat()),
    (
        "cohere",
        "POST",
        "/v1/generate",
        {"prompt": "Hi"},
        200,
        {"id": "i", "generations": [{"id": "g", "text": "a"}]},
    ),
    ("writer", "POST", "/v1/completions", {"prompt": "Hi"}, 200, {"choices": [{"text": "a"}], "model": "m"}),
)

FINISHED = (*BEGUN, chunk({}, "stop"))
STREAM = events(*FINISHED, COUNTED)
FAULT = {"error": {"message": "x", "type": "invalid_request_error", "param": None, "code": None}}


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in names}


def choosing(document: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**document, "choices": [{**document["choices"][0], **fields}]}


VARIED = {
    "without done": events(*FINISHED, COUNTED, end=""),
    "without done and blank line": events(*FINISHED, COUNTED, end="")[:-2],
    "done without blank line": STREAM[:-2],
    "usage with the finish reason": events(*BEGUN, chunk({}, "stop", usage=USAGE)),
    "usage before the finish reason": events(*BEGUN, COUNTED, chunk({}, "stop")),
    "usage without choices": events(*FINISHED, without(COUNTED, "choices")),
    "usage with null choices": events(*FINISHED, {**COUNTED, "choices": None}),
    "usage in fractions": events(
        *FINISHED,
        {**COUNTED, "usage": {"prompt_tokens": 9.0, "completion_tokens": 3.0, "total_tokens": 12.0}},
    ),
    "CR LF": events(*FINISHED, COUNTED, eol="\r\n"),
    "CR": events(*FINISHED, COUNTED, eol="\r"),
    "comments": b": ping\n\n:\n\n" + STREAM.replace(b"\n\n", b"\n\n: keep-alive\n\n"),
    "ids and names": STREAM.replace(b"data: {", b": c\nid: 1\nretry: 5\nevent: message\ndata: {"),
    "data of nothing": b"data:\n\ndata: \n\n" + STREAM,
    "no space": STREAM.replace(b"data: ", b"data:"),
    "a byte order mark": b"\xef\xbb\xbf" + STREAM,
    "null content": events(
        chunk({"role": "assistant", "content": None}), *BEGUN, chunk({"content": None}, "stop"), COUNTED
    ),
    "null delta": events(*BEGUN, choosing(chunk(), delta=None, finish_reason="stop"), COUNTED),
    "no delta": events(*BEGUN, {**chunk(), "choices": [{"index": 0, "finish_reason": "stop"}]}, COUNTED),
    "empty choices": events(
        {**chunk(), "choices": []},
        BEGUN[0],
        {**chunk(), "choices": [], "usage": None},
        *FINISHED[1:],
        COUNTED,
    ),
    "an empty finish reason": events(
        *(choosing(one, finish_reason="") for one in BEGUN), chunk({}, "stop"), COUNTED
    ),
    "the finish reason twice": events(*FINISHED, chunk({}, "stop"), COUNTED),
    "no names": events(*({**one, "id": None, "created": None, "model": None} for one in FINISHED), COUNTED),
    "a time as a text": events(*({**one, "created": "1750000000"} for one in FINISHED), COUNTED),
    "null index": events(*(choosing(one, index=None) for one in FINISHED), COUNTED),
}
"""Streams that differ where providers do, and say "Hello there"."""

BROKEN = (
    ("a numeric code", events({"error": {"code": 429, "message": "slow down"}}), 429),
    ("a text", events({"error": "boom"}), 500),
    ("a text and a code", events({"error": "boom", "code": 503}), 503),
    ("no error key", events({"message": "boom", "code": 503}, end=""), 503),
    ("an event of that name", b'event: error\ndata: {"message": "boom"}\n\n', 500),
    ("in a choice", events({**chunk({"content": ""}, "error"), "error": {"code": 502, "message": "x"}}), 502),
    ("a document in place of a stream", whole(FAULT), 400),
    ("nothing", b"", 500),
    ("only a comment", b": ping\n\n", 500),
)
"""Streams that fail before they say anything, and the status that the client is told."""
