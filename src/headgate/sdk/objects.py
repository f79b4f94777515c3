"""What calls return: views (`view.py`) over the decoded JSON, nothing lost.

Fields that LiteLLM's classes have are None where the answer lacks them; other names raise AttributeError. What
servers name or spell in their own ways is found under LiteLLM's names, too (`familiar.py`).
"""

import time
import uuid
from functools import cached_property
from typing import Any, Final, Self

from headgate.sdk import familiar
from headgate.sdk.view import View, names, plain
from headgate.wire.openai_chat.calls import CUSTOM


class Function(View):
    _known = names("name arguments")
    _silent = "{}"

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        familiar.function(data, cls._silent)
        return super().of(data)


class DeltaFunction(Function):
    _silent = ""


class ChatCompletionMessageToolCall(View):
    _known = names("id type function index")
    _views = {"function": Function, CUSTOM: View}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        familiar.call(data)
        return super().of(data)


class ChatCompletionDeltaToolCall(View):
    _known = names("id type function index")
    _views = {"function": DeltaFunction, CUSTOM: View}


class ChatCompletionAudioResponse(View):
    _known = names("id data transcript expires_at")


class Message(View):
    _known = names(
        """content role tool_calls function_call audio images reasoning_content thinking_blocks reasoning_items
        provider_specific_fields annotations refusal name"""
    )
    _views = {
        "tool_calls": ChatCompletionMessageToolCall,
        "function_call": Function,
        "audio": ChatCompletionAudioResponse,
    }
    _start = {"content": None, "role": "assistant"}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        familiar.message(data)
        return super().of(data)


class Delta(View):
    _known = Message._known
    _views = {
        "tool_calls": ChatCompletionDeltaToolCall,
        "function_call": DeltaFunction,
        "audio": ChatCompletionAudioResponse,
    }

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        familiar.piece(data)
        made = cls.__new__(cls)
        made.__dict__["_data"] = data
        return made


class CacheCreationTokenDetails(View):
    _known = names("ephemeral_5m_input_tokens ephemeral_1h_input_tokens")


class PromptTokensDetailsWrapper(View):
    _known = names(
        """cached_tokens cache_creation_tokens cache_creation_token_details audio_tokens text_tokens image_tokens
        video_tokens web_search_requests"""
    )
    _views = {"cache_creation_token_details": CacheCreationTokenDetails}


class CompletionTokensDetailsWrapper(View):
    _known = names(
        """reasoning_tokens audio_tokens text_tokens image_tokens video_tokens accepted_prediction_tokens
        rejected_prediction_tokens"""
    )


class ServerToolUse(View):
    _known = names("web_search_requests tool_search_requests")


class Usage(View):
    """Counts of caches have Anthropic's names, too, and are 0 there where the answer tells none."""

    _known = names(
        """prompt_tokens completion_tokens total_tokens prompt_tokens_details completion_tokens_details
        cache_creation_input_tokens cache_read_input_tokens server_tool_use cost provider_specific_fields"""
    )
    _views = {
        "prompt_tokens_details": PromptTokensDetailsWrapper,
        "completion_tokens_details": CompletionTokensDetailsWrapper,
        "server_tool_use": ServerToolUse,
    }

    def __init__(self, **fields: Any) -> None:
        fields = {key: plain(value) for key, value in fields.items()}
        familiar.usage(fields)
        super().__init__(**fields)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        familiar.usage(data)
        return super().of(data)

    def _lacking(self, name: str) -> Any:
        same = _SAME.get(name)
        return None if same is None else (self.prompt_tokens_details or {}).get(same) or 0

    @property
    def _cache_read_input_tokens(self) -> int:
        return int(self.cache_read_input_tokens or 0)

    @property
    def _cache_creation_input_tokens(self) -> int:
        return int(self.cache_creation_input_tokens or 0)


_SAME: Final = {
    "cache_read_input_tokens": "cached_tokens",
    "cache_creation_input_tokens": "cache_creation_tokens",
}


class TopLogprob(View):
    _known = names("token logprob bytes")


class ChatCompletionTokenLogprob(View):
    _known = names("token logprob bytes top_logprobs")
    _views = {"top_logprobs": TopLogprob}


class ChoiceLogprobs(View):
    _known = names("content refusal")
    _views = {"content": ChatCompletionTokenLogprob, "refusal": ChatCompletionTokenLogprob}


class Choices(View):
    _known = names("index message finish_reason logprobs provider_specific_fields")
    _views = {"message": Message, "logprobs": ChoiceLogprobs}
    _start = {"index": 0, "message": Message, "finish_reason": "stop"}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        familiar.choice(data)
        return super().of(data)


class StreamingChoices(View):
    _known = names("index delta finish_reason logprobs provider_specific_fields")
    _views = {"delta": Delta, "logprobs": ChoiceLogprobs}
    _start = {"index": 0, "delta": Delta, "finish_reason": None}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        if data.get("finish_reason") is not None:
            familiar.last(data)
        if type(data.get("delta")) is not dict:
            data["delta"] = data.get("delta") or {}
        made = cls.__new__(cls)
        made.__dict__["_data"] = data
        return made


class Response(View):
    """A whole answer or a chunk. `_hidden_params` says how it came about; `_response_ms` how long it took."""

    _known = names(
        """id created model object system_fingerprint choices usage service_tier citations
        search_results provider_specific_fields"""
    )

    @classmethod
    def of(cls, data: dict[str, Any], hidden: dict[str, Any] | None = None) -> Self:
        made = cls.__new__(cls)
        made.__dict__["_data"] = data
        if hidden is not None:
            made.__dict__["_hidden_params"] = hidden
        return made

    @cached_property
    def _hidden_params(self) -> dict[str, Any]:
        return {}

    @property
    def _response_ms(self) -> float | None:
        return self._hidden_params.get("_response_ms")

    @property
    def _response_headers(self) -> dict[str, Any] | None:
        return self._hidden_params.get("additional_headers")


_NEW: Final = {"id": lambda: f"chatcmpl-{uuid.uuid4()}", "created": lambda: int(time.time())}
"""Of an answer that an application makes itself."""


class Counted(Response):
    """A whole answer whose tokens count: 0 of them where it doesn't say."""

    def _lacking(self, name: str) -> Any:
        return Usage() if name == "usage" else None


class ModelResponse(Counted):
    _views = {"choices": Choices, "usage": Usage}
    _start = {**_NEW, "object": "chat.completion", "choices": lambda: [Choices()]}


class ModelResponseStream(Response):
    _views = {"choices": StreamingChoices, "usage": Usage}
    _start = {**_NEW, "object": "chat.completion.chunk", "choices": lambda: [StreamingChoices()]}


class Logprobs(View):
    _known = names("text_offset token_logprobs tokens top_logprobs")


class TextChoices(View):
    _known = names("index text finish_reason logprobs")
    _start = {"index": 0, "text": None, "finish_reason": None}
    _views = {"logprobs": Logprobs}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        familiar.last(data)
        return super().of(data)


class TextCompletionResponse(Counted):
    _views = {"choices": TextChoices, "usage": Usage}
    _start = {**_NEW, "object": "text_completion", "choices": lambda: [TextChoices()]}


class TextCompletionChunk(TextCompletionResponse):
    def _lacking(self, name: str) -> Any:
        return None


class Embedding(View):
    _known = names("embedding index object")


class EmbeddingResponse(Counted):
    _known = names("model data object usage")
    _views = {"usage": Usage}
    _start = {"object": "list", "data": list}


class RerankResult(View):
    _known = names("index relevance_score document")

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        familiar.rank(data)
        return super().of(data)


class RerankResponse(Response):
    _known = names("id results meta model usage")
    _views = {"results": RerankResult}


class ModerationResult(View):
    _known = names("flagged categories category_scores category_applied_input_types")


class ModerationResponse(Response):
    _known = names("id model results")
    _views = {"results": ModerationResult}


class OCRPage(View):
    _known = names("index markdown images dimensions")


class OCRResponse(Response):
    _known = names("pages model document_annotation usage_info object")
    _views = {"pages": OCRPage}


class ImageObject(View):
    _known = names("b64_json url revised_prompt provider_specific_fields")


class ImageUsage(View):
    _known = names("input_tokens input_tokens_details output_tokens output_tokens_details total_tokens")
    _views = {"input_tokens_details": View, "output_tokens_details": View}


class ImageResponse(Response):
    _known = names("created data usage background output_format quality size")
    _views = {"data": ImageObject, "usage": ImageUsage}
    _start = {"data": list}


class ImageEvent(Response):
    """An event of a stream of pictures."""

    _known = names("type b64_json partial_image_index created_at background output_format quality size usage")
    _views = {"usage": ImageUsage}


class TranscriptionEvent(Response):
    """An event of a stream of text: a piece of it (`delta`), a segment, or the whole (`text`, `usage`)."""

    _known = names("type delta text logprobs segment_id id speaker start end usage")


class ResponsesItem(View):
    """An item of the output, or a part of one."""

    _known = names(
        """id type role content status name arguments call_id summary encrypted_content text annotations action
        results refusal logprobs"""
    )


ResponsesItem._views = {
    "content": ResponsesItem,
    "summary": ResponsesItem,
    "annotations": View,
    "action": View,
}


class InputTokensDetails(View):
    _known = names("cached_tokens audio_tokens text_tokens")


class OutputTokensDetails(View):
    _known = names("reasoning_tokens audio_tokens text_tokens")


class ResponseAPIUsage(View):
    _known = names("input_tokens input_tokens_details output_tokens output_tokens_details total_tokens cost")
    _views = {"input_tokens_details": InputTokensDetails, "output_tokens_details": OutputTokensDetails}


class IncompleteDetails(View):
    _known = names("reason")


class ResponsesAPIResponse(Response):
    _known = names(
        """id object created_at status background error incomplete_details instructions max_output_tokens metadata
        model output parallel_tool_calls previous_response_id reasoning store temperature text tool_choice tools top_p
        truncation usage user"""
    )
    _views = {"output": ResponsesItem, "usage": ResponseAPIUsage, "incomplete_details": IncompleteDetails}

    @property
    def output_text(self) -> str:
        """All text of the output."""
        contents = [item.get("content") for item in self.output or () if isinstance(item, View)]
        parts = [part for content in contents if isinstance(content, list) for part in content]
        texts = [part for part in parts if isinstance(part, View) and part.get("type") == "output_text"]
        return "".join(part.get("text") or "" for part in texts)


class ResponsesEvent(Response):
    """An event of a stream of the Responses API."""

    _known = names("type sequence_number item_id output_index content_index delta item part text response")
    _views = {"response": ResponsesAPIResponse, "item": ResponsesItem, "part": ResponsesItem}
