"""Headgate: one gateway and one SDK in front of every LLM provider.

    from headgate import completion
    answer = completion("openai/gpt-4o", [{"role": "user", "content": "Hello"}])

Every public name is imported at its first use, so that `import headgate` costs nothing. Settings are plain
attributes of this module (`headgate.drop_params = True`), read at each call.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "headgate.sdk.functions": """acompletion aembedding afim_completion aimage_edit
        aimage_generation aimage_variation amoderation aocr arerank aresponses aspeech
        atext_completion atranscription atranslation batch_completion completion embedding fim_completion image_edit
        image_generation image_variation moderation ocr rerank responses speech text_completion
        transcription translation""",
    "headgate.sdk.more": """acompletion_with_retries batch_completion_models batch_completion_models_all_responses
        check_valid_key completion_with_retries get_valid_models mock_completion model_list provider_list
        trim_messages""",
    "headgate.sdk.audio": "TranscriptionResponse",
    "headgate.sdk.jobs": """FileContent FileObject LiteLLMBatch acancel_batch acreate_batch acreate_file afile_content
        afile_delete afile_list afile_retrieve alist_batches aretrieve_batch cancel_batch create_batch create_file
        file_content file_delete file_list file_retrieve list_batches retrieve_batch""",
    "headgate.sdk.client": "Client",
    "headgate.sdk.router": "Router",
    "headgate.sdk.router_settings": "AllowedFailsPolicy RetryPolicy",
    "headgate.sdk.stream": "CustomStreamWrapper",
    "headgate.sdk.helpers": """completion_cost cost_per_token get_llm_provider get_max_tokens get_model_info
        get_supported_openai_params model_cost register_model stream_chunk_builder supports_audio_input
        supports_audio_output supports_computer_use supports_embedding_image_input supports_function_calling
        supports_native_streaming supports_url_context supports_parallel_function_calling supports_pdf_input
        supports_prompt_caching supports_reasoning supports_response_schema supports_system_messages
        supports_tool_choice supports_vision supports_web_search token_counter validate_environment""",
    "headgate.sdk.objects": """ChatCompletionDeltaToolCall ChatCompletionMessageToolCall Choices Delta
        EmbeddingResponse Function ImageObject ImageResponse Message ModelResponse
        ModelResponseStream ModerationResponse OCRResponse
        RerankResponse ResponsesAPIResponse StreamingChoices TextChoices TextCompletionResponse Usage""",
    "headgate.errors": """APIConnectionError APIError APIResponseValidationError AuthenticationError
        BadGatewayError BadRequestError BudgetExceededError ConflictError ContentPolicyViolationError
        ContextWindowExceededError HeadgateError ImageFetchError InternalServerError InvalidRequestError
        JSONSchemaValidationError LiteLLMUnknownProvider NotFoundError OpenAIError PaymentRequiredError
        PermissionDeniedError RateLimitError RejectedRequestError RequestTooLargeError RouterRateLimitError
        ServiceUnavailableError Timeout UnknownProviderError UnprocessableEntityError UnsupportedParamsError""",
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names.split()}

_NAMED = ("exceptions", "router", "utils")
"""Modules that LiteLLM's users import from."""
__all__ = sorted([*_WHERE, *_NAMED, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _NAMED:
        return import_module(f"headgate.{name}")
    if name in _WHERE:
        value = getattr(import_module(_WHERE[name]), name)
        globals()[name] = value
        return value
    if name.startswith("__"):
        raise AttributeError(name)
    settings = import_module("headgate.sdk.settings")
    try:
        return settings.default(name)
    except KeyError:
        raise AttributeError(f"module 'headgate' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return __all__


class _Module(ModuleType):
    """Says it where a setting of LiteLLM's is set that has no effect here."""

    def __setattr__(self, name: str, value: Any) -> None:
        if value and name not in _WHERE and not isinstance(value, ModuleType):
            import_module("headgate.sdk.settings").warn(name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Module
