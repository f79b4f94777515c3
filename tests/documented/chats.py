"""Answers of chat, and of Messages."""

from documented.shapes import BEGUN, COUNTED, USAGE, Exchange, chat, chunk, events, whole

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
