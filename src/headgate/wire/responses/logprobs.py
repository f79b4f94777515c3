"""Log probabilities of a text ↔ IR: OpenAI's form, on each part of a message. Knows no message and no stream.

https://platform.openai.com/docs/api-reference/responses/object
"""

from collections.abc import Iterable
from typing import Any

from headgate.wire import ir


def read_logprobs(value: Any) -> list[ir.TokenLogprob]:
    """What is no token of this form is passed over."""
    items = value if isinstance(value, list) else ()
    return [token for item in items if (token := _token(item)) is not None]


def _token(item: Any) -> ir.TokenLogprob | None:
    if not isinstance(item, dict):
        return None
    token, logprob, data = item.get("token"), item.get("logprob"), item.get("bytes")
    if not isinstance(token, str) or not isinstance(logprob, int | float) or isinstance(logprob, bool):
        return None
    return ir.TokenLogprob(
        token=token,
        logprob=logprob,
        bytes=data if isinstance(data, list) else None,
        top=read_logprobs(item["top_logprobs"]) if isinstance(item.get("top_logprobs"), list) else None,
    )


def write_logprobs(tokens: Iterable[ir.TokenLogprob]) -> list[dict[str, Any]]:
    return [
        {**_written(token), "top_logprobs": [_written(one) for one in token.top or ()]} for token in tokens
    ]


def _written(token: ir.TokenLogprob) -> dict[str, Any]:
    data = list(token.token.encode("utf-8", "replace")) if token.bytes is None else token.bytes
    return {"token": token.token, "bytes": data, "logprob": token.logprob}
