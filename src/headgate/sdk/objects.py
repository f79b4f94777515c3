"""What calls return: views over the decoded JSON, with attributes and items, nothing lost.

A view holds the dictionary itself. Nested objects become views when they are first looked at, in place, so
what is changed through a view is changed in the whole. Fields that LiteLLM's classes have are None where the
answer lacks them; other names raise AttributeError. What servers name or spell in their own ways is found under
LiteLLM's names, too (`familiar.py`).
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import msgspec

from headgate.sdk import familiar


class View:
    """The base. `_views` maps a field to the class of its value, or of its items."""

    _views: ClassVar[Mapping[str, type["View"]]] = {}
    _known: ClassVar[frozenset[str]] = frozenset()
    _start: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, **fields: Any) -> None:
        data = {key: value() if callable(value) else value for key, value in self._start.items()}
        data.update(fields)
        object.__setattr__(self, "_data", data)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """A view of this very dictionary."""
        made = cls.__new__(cls)
        object.__setattr__(made, "_data", data)
        return made

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        data: dict[str, Any] = self.__dict__["_data"]
        if name in data:
            return self._seen(name, data) if name in self._views else data[name]
        if name in self._known:
            return None
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def _seen(self, name: str, data: dict[str, Any]) -> Any:
        value = data[name]
        kind = self._views.get(name)
        if kind is not None:
            if type(value) is dict:
                value = data[name] = kind.of(value)
            elif type(value) is list and value and type(value[0]) is dict:
                value = data[name] = [kind.of(one) if type(one) is dict else one for one in value]
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            self.__dict__["_data"][name] = value

    def __delattr__(self, name: str) -> None:
        self.__dict__["_data"].pop(name, None)

    def __getitem__(self, name: str) -> Any:
        data = self.__dict__["_data"]
        if name in data:
            return self._seen(name, data)
        if name in self._known:
            return None
        raise KeyError(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self.__dict__["_data"][name] = value

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__["_data"]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.__dict__["_data"].items())

    def __len__(self) -> int:
        return len(self.__dict__["_data"])

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if isinstance(other, View):
            return self.model_dump() == other.model_dump()
        return isinstance(other, dict) and self.model_dump() == other

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in self.__dict__["_data"].items())
        return f"{type(self).__name__}({inside})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.__dict__)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401 -- this is get

    def keys(self) -> list[str]:
        return list(self.__dict__["_data"])

    def items(self) -> list[tuple[str, Any]]:
        return [(key, self[key]) for key in self.keys()]

    def model_dump(self, *, exclude_none: bool = False, **_: Any) -> dict[str, Any]:
        """Plain dictionaries and lists. Other options of pydantic's method are taken and have no effect."""
        plain: dict[str, Any] = _plain(self, exclude_none)
        return plain

    def model_dump_json(self, *, exclude_none: bool = False, indent: int | None = None, **_: Any) -> str:
        data = msgspec.json.encode(self.model_dump(exclude_none=exclude_none))
        return (msgspec.json.format(data, indent=indent) if indent else data).decode()

    def json(self, **options: Any) -> dict[str, Any]:
        return self.model_dump(**options)

    dict = to_dict = json


def _restored(kind: type[View], state: dict[str, Any]) -> View:
    made = kind.__new__(kind)
    made.__dict__.update(state)
    return made


def _plain(value: Any, exclude_none: bool) -> Any:
    if isinstance(value, View):
        views = value._views
        data = value.__dict__["_data"].items()
        value = {key: _looked(inner, views[key]) if key in views else inner for key, inner in data}
    if isinstance(value, Mapping):
        return {
            key: _plain(inner, exclude_none)
            for key, inner in value.items()
            if not (exclude_none and inner is None)
        }
    if isinstance(value, list | tuple):
        return [_plain(inner, exclude_none) for inner in value]
    return value


def _looked(value: Any, kind: type[View]) -> Any:
    """What `kind` makes of a value, or of its items, that nobody has looked at."""
    if isinstance(value, list):
        return [_looked(one, kind) for one in value]
    return kind.of(dict(value)) if type(value) is dict else value


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


class Function(View):
    _known = _names("name arguments")


class ChatCompletionMessageToolCall(View):
    _known = _names("id type function index")
    _views = {"function": Function}


class ChatCompletionDeltaToolCall(ChatCompletionMessageToolCall):
    pass


class Message(View):
    _known = _names(
        """content role tool_calls function_call audio images reasoning_content thinking_blocks reasoning_items
        provider_specific_fields annotations refusal name"""
    )
    _views = {"tool_calls": ChatCompletionMessageToolCall, "function_call": Function}
    _start = {"content": None, "role": "assistant"}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        familiar.message(data)
        return super().of(data)


class Delta(Message):
    _views = {"tool_calls": ChatCompletionDeltaToolCall, "function_call": Function}
    _start = {}


class PromptTokensDetailsWrapper(View):
    _known = _names(
        "cached_tokens cache_creation_tokens audio_tokens text_tokens image_tokens web_search_requests"
    )


class CompletionTokensDetailsWrapper(View):
    _known = _names(
        """reasoning_tokens audio_tokens text_tokens image_tokens accepted_prediction_tokens
        rejected_prediction_tokens"""
    )


class Usage(View):
    _known = _names(
        """prompt_tokens completion_tokens total_tokens prompt_tokens_details completion_tokens_details
        cache_creation_input_tokens cache_read_input_tokens server_tool_use cost"""
    )
    _views = {
        "prompt_tokens_details": PromptTokensDetailsWrapper,
        "completion_tokens_details": CompletionTokensDetailsWrapper,
    }
    _start = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


class Choices(View):
    _known = _names("index message finish_reason logprobs provider_specific_fields")
    _views = {"message": Message}
    _start = {"index": 0, "message": Message, "finish_reason": "stop"}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        familiar.choice(data)
        return super().of(data)


class StreamingChoices(View):
    _known = _names("index delta finish_reason logprobs provider_specific_fields")
    _views = {"delta": Delta}
    _start = {"index": 0, "delta": Delta, "finish_reason": None}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        if data.get("finish_reason") is not None:
            familiar.last(data)
        return super().of(data)


class Response(View):
    """A whole answer or a chunk. `_hidden_params` says how it came about; `_response_ms` how long it took."""

    _known = _names("id created model object system_fingerprint choices usage service_tier")

    @cached_property
    def _hidden_params(self) -> dict[str, Any]:
        return {}

    @property
    def _response_ms(self) -> float | None:
        return self._hidden_params.get("_response_ms")


class ModelResponse(Response):
    _views = {"choices": Choices, "usage": Usage}
    _start = {"object": "chat.completion", "choices": list}


class ModelResponseStream(Response):
    _views = {"choices": StreamingChoices, "usage": Usage}
    _start = {"object": "chat.completion.chunk", "choices": list}


class TextChoices(View):
    _known = _names("index text finish_reason logprobs")


class TextCompletionResponse(Response):
    _views = {"choices": TextChoices, "usage": Usage}
    _start = {"object": "text_completion", "choices": list}


class Embedding(View):
    _known = _names("embedding index object")


class EmbeddingResponse(Response):
    _known = _names("model data object usage")
    _views = {"usage": Usage}
    _start = {"object": "list", "data": list}


class RerankResult(View):
    _known = _names("index relevance_score document")


class RerankResponse(Response):
    _known = _names("id results meta model usage")
    _views = {"results": RerankResult}


class ModerationResult(View):
    _known = _names("flagged categories category_scores category_applied_input_types")


class ModerationResponse(Response):
    _known = _names("id model results")
    _views = {"results": ModerationResult}


class OCRPage(View):
    _known = _names("index markdown images dimensions")


class OCRResponse(Response):
    _known = _names("pages model document_annotation usage_info object")
    _views = {"pages": OCRPage}


class ImageObject(View):
    _known = _names("b64_json url revised_prompt provider_specific_fields")


class ImageUsage(View):
    _known = _names("input_tokens input_tokens_details output_tokens output_tokens_details total_tokens")
    _views = {"input_tokens_details": View, "output_tokens_details": View}


class ImageResponse(Response):
    _known = _names("created data usage background output_format quality size")
    _views = {"data": ImageObject, "usage": ImageUsage}
    _start = {"data": list}


class ImageEvent(Response):
    """An event of a stream of pictures."""

    _known = _names(
        "type b64_json partial_image_index created_at background output_format quality size usage"
    )
    _views = {"usage": ImageUsage}


class TranscriptionEvent(Response):
    """An event of a stream of text: a piece of it (`delta`), a segment, or the whole (`text`, `usage`)."""

    _known = _names("type delta text logprobs segment_id id speaker start end usage")


class ResponsesItem(View):
    """An item of the output, or a part of one."""

    _known = _names(
        "id type role content status name arguments call_id summary encrypted_content text annotations"
    )


ResponsesItem._views = {"content": ResponsesItem, "summary": ResponsesItem}


class ResponsesAPIResponse(Response):
    _known = _names(
        """id object created_at status background error incomplete_details instructions max_output_tokens metadata
        model output parallel_tool_calls previous_response_id reasoning store temperature text tool_choice tools top_p
        truncation usage user"""
    )
    _views = {"output": ResponsesItem, "usage": View}

    @property
    def output_text(self) -> str:
        """All text of the output."""
        parts = [part for item in self.get("output") or [] for part in item.get("content") or []]
        return "".join(part.get("text") or "" for part in parts if part.get("type") == "output_text")


class ResponsesEvent(Response):
    """An event of a stream of the Responses API."""

    _known = _names("type sequence_number item_id output_index content_index delta item part text response")
    _views = {"response": ResponsesAPIResponse, "item": ResponsesItem, "part": ResponsesItem}
