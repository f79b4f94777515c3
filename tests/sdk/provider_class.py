"""A provider class as programs written for LiteLLM have one. Only the import says Headgate."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import headgate as litellm


class ProviderError(Exception):
    """What the program shows its users: never the provider's own words."""


@dataclass
class Answer:
    text: str
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    finish: str | None = None
    tokens: int = 0


REASONS = (
    (litellm.AuthenticationError, "the key was refused"),
    (litellm.RateLimitError, "too many requests"),
    (litellm.Timeout, "no answer in time"),
    (litellm.ContextWindowExceededError, "the conversation is too long"),
    (litellm.BadRequestError, "the request was refused"),
    (litellm.APIConnectionError, "the provider can't be reached"),
    (litellm.APIError, "the provider failed"),
    (litellm.HeadgateError, "the provider failed"),
)


class ChatProvider:
    def __init__(self, settings: Mapping[str, str]) -> None:
        self.model = settings["CHAT_MODEL"]
        self.key = settings.get("API_KEY")
        self.base = settings.get("API_BASE")
        self.options = {
            "max_tokens": int(settings.get("MAX_TOKENS", "100")),
            "temperature": float(settings.get("TEMPERATURE", "0.7")),
            "top_p": float(settings.get("TOP_P", "1.0")),
        }

    def chat(self, prompt: str, history: Sequence[tuple[str, str]] = (), tools: Sequence[str] = ()) -> Answer:
        messages = [{"role": role, "content": text} for role, text in history]
        messages.append({"role": "user", "content": prompt})
        functions = [
            {
                "type": "function",
                "function": {"name": name, "parameters": {"type": "object", "properties": {}}},
            }
            for name in tools
        ]
        try:
            response = litellm.completion(
                model=self.model,
                messages=messages,
                tools=functions or None,
                api_key=self.key,
                api_base=self.base,
                timeout=1,
                num_retries=0,
                drop_params=True,
                **self.options,
            )
        except Exception as error:  # noqa: BLE001 -- as such programs do
            reason = next((text for kind, text in REASONS if isinstance(error, kind)), "it failed")
            raise ProviderError(reason) from None
        choice = response.choices[0]
        calls = [
            (call.function.name, json.loads(call.function.arguments or "{}"))
            for call in choice.message.tool_calls or []
        ]
        usage = response.usage
        return Answer(
            choice.message.content or "", calls, choice.finish_reason, usage.total_tokens if usage else 0
        )
