"""What the mock upstream answers and the load generator checks: one place for both, so that they agree.

Every streamed token is MARK and the monotonic clock in nanoseconds as 20 digits, written when the token
leaves the upstream. Any process on the machine can subtract it from its own clock, whatever dialect the
token has passed through on its way.
"""

import json

MARK = b"@@"
DIGITS = 20
TOKEN_SIZE = len(MARK) + DIGITS
WHOLE_MARK = b"bench-answer-marker"
BURST_CHUNKS = 100
TOKENS_PER_SECOND = 20

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"

WHOLE_TEXT = (
    f"{WHOLE_MARK.decode()}: the answer to everything that was asked here, with enough words around it to "
    "make the body about as long as a short real one. It names a fact, gives the reason, and stops."
)
_IDENTITY = {"id": "chatcmpl-bench0123456789", "created": 1_760_000_000, "model": "gpt-bench-2026-01-01"}
_CHAT_USAGE = {
    "prompt_tokens": 57,
    "completion_tokens": 42,
    "total_tokens": 99,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _data(value: object) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def _event(value: dict[str, object]) -> bytes:
    return b"event: " + str(value["type"]).encode() + b"\n" + _data(value)


def _chat_chunk(delta: dict[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _data({**_IDENTITY, "object": "chat.completion.chunk", "choices": [choice], "usage": None})


CHAT_WHOLE = _json(
    {
        **_IDENTITY,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": WHOLE_TEXT, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": _CHAT_USAGE,
        "service_tier": "default",
    }
)
MESSAGES_WHOLE = _json(
    {
        "id": "msg_bench0123456789",
        "type": "message",
        "role": "assistant",
        "model": "claude-bench-20260101",
        "content": [{"type": "text", "text": WHOLE_TEXT}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 57,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 42,
        },
    }
)

_DIGITS = b"0" * DIGITS
_TOKEN = MARK.decode() + _DIGITS.decode()


class Stream:
    """A streamed answer in one dialect: opening, tokens, closing (with usage for who asked for it)."""

    def __init__(self, *, opening: bytes, token: bytes, finish: bytes, usage: bytes, end: bytes) -> None:
        self.opening = opening
        self.before, self.after = token.split(_DIGITS)
        self.closing = finish + end
        self.closing_with_usage = finish + usage + end

    def token(self, clock_ns: int) -> bytes:
        return b"%b%020d%b" % (self.before, clock_ns, self.after)


CHAT_STREAM = Stream(
    opening=_chat_chunk({"role": "assistant", "content": "", "refusal": None}),
    token=_chat_chunk({"content": _TOKEN}),
    finish=_chat_chunk({}, "stop"),
    usage=_data({**_IDENTITY, "object": "chat.completion.chunk", "choices": [], "usage": _CHAT_USAGE}),
    end=b"data: [DONE]\n\n",
)
MESSAGES_STREAM = Stream(
    opening=_event(
        {
            "type": "message_start",
            "message": {
                "id": "msg_bench0123456789",
                "type": "message",
                "role": "assistant",
                "model": "claude-bench-20260101",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 57, "output_tokens": 1},
            },
        }
    )
    + _event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    + _event({"type": "ping"}),
    token=_event(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": _TOKEN}}
    ),
    finish=_event({"type": "content_block_stop", "index": 0})
    + _event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 42},
        }
    ),
    usage=b"",  # message_delta has it, asked or not
    end=_event({"type": "message_stop"}),
)

KEY = "sk-bench-8f2c1d7e5a904b36"  # the master key of config.yaml


def chat_body(model: str, *, stream: bool = False, prompt_size: int = 0, tokens: int = BURST_CHUNKS) -> bytes:
    """A request as the OpenAI client sends it; `prompt_size` bytes are added to the user's message."""
    question = "What is the answer, and why is it the answer? Be brief. "
    body: dict[str, object] = {
        "messages": [
            {"role": "system", "content": "You are a helpful assistant that answers in one paragraph."},
            {"role": "user", "content": question + ("lorem ipsum " * (prompt_size // 12 + 1))[:prompt_size]},
        ],
        "model": model,
        "max_tokens": tokens,
        "temperature": 0.7,
    }
    if stream:
        body["stream"] = True
    return _json(body)


def chat_request(host: str, body: bytes, key: str = KEY) -> bytes:
    """The whole HTTP request, with the headers that the OpenAI client for Python sends."""
    head = (
        f"POST {CHAT} HTTP/1.1",
        f"Host: {host}",
        "Accept-Encoding: gzip, deflate",
        "Connection: keep-alive",
        "Accept: application/json",
        "Content-Type: application/json",
        "User-Agent: AsyncOpenAI/Python 2.0.0",
        "X-Stainless-Lang: python",
        "X-Stainless-Package-Version: 2.0.0",
        "X-Stainless-OS: Linux",
        "X-Stainless-Arch: x64",
        "X-Stainless-Runtime: CPython",
        "X-Stainless-Runtime-Version: 3.11.7",
        f"Authorization: Bearer {key}",
        "x-stainless-retry-count: 0",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
