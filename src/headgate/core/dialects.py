"""The table of dialects by name: the only place that lists them. Each is imported at its first use."""

from functools import cache
from importlib import import_module
from typing import Final

from headgate.wire.dialect import Dialect

MODULES: Final = {
    "openai_chat": "headgate.wire.openai_chat",
    "anthropic": "headgate.wire.anthropic",
    "gemini": "headgate.wire.gemini",
    "responses": "headgate.wire.responses",
    "completions": "headgate.wire.completions",
    "openai_embeddings": "headgate.wire.embeddings",
    "gemini_embed_content": "headgate.wire.gemini.embed_content",
    "gemini_embeddings": "headgate.wire.gemini.embeddings",
    "gemini_live": "headgate.wire.gemini.live",
    "bedrock_converse": "headgate.wire.bedrock",
    "cohere": "headgate.wire.cohere",
    "cohere_embeddings": "headgate.wire.cohere.embeddings",
    "feature_extraction": "headgate.wire.feature_extraction",
    "watsonx_embeddings": "headgate.wire.watsonx",
    "tgi": "headgate.wire.tgi",
    "ollama": "headgate.wire.ollama",
    "ollama_generate": "headgate.wire.ollama.generate",
    "ollama_embeddings": "headgate.wire.ollama.embeddings",
    "bedrock_prompt": "headgate.wire.invoke.prompt",
    "bedrock_embeddings": "headgate.wire.invoke.embeddings",
    "vertex_embed_content": "headgate.wire.gemini.predict:EMBED_CONTENT",
    "vertex_embeddings": "headgate.wire.gemini.predict",
    "fim": "headgate.wire.fim",
    "moderations": "headgate.wire.moderations",
    "bedrock_guardrail": "headgate.wire.guardrail",
    "ocr": "headgate.wire.ocr",
    "realtime": "headgate.wire.realtime",
    "rerank": "headgate.wire.rerank",
    "replicate": "headgate.wire.replicate",
    "openai_images": "headgate.wire.images.openai",
    "together_images": "headgate.wire.images.likes:TOGETHER",
    "nebius_images": "headgate.wire.images.likes:NEBIUS",
    "hyperbolic_images": "headgate.wire.images.likes:HYPERBOLIC",
    "xai_images": "headgate.wire.images.likes:XAI",
    "recraft_images": "headgate.wire.images.likes:RECRAFT",
    "openrouter_images": "headgate.wire.images.likes:OPENROUTER",
    "ark_images": "headgate.wire.images.likes:ARK",
    "aiml_images": "headgate.wire.images.likes:AIML",
    "dashscope_images": "headgate.wire.images.dashscope",
    "google_images": "headgate.wire.images.google",
    "bedrock_images": "headgate.wire.images.bedrock",
    "stability_images": "headgate.wire.images.stability",
    "bfl_images": "headgate.wire.images.jobs:BFL",
    "fal_images": "headgate.wire.images.jobs:FAL",
    "runway_images": "headgate.wire.images.jobs:RUNWAY",
    "prediction_images": "headgate.wire.images.jobs:PREDICTIONS",
    "fireworks_images": "headgate.wire.images.plain:FIREWORKS",
    "cloudflare_images": "headgate.wire.images.plain:CLOUDFLARE",
    "pipeline_images": "headgate.wire.images.plain:PIPELINE",
    "topaz_images": "headgate.wire.images.plain:TOPAZ",
}
"""Module, and after ":" the name in it where that is not DIALECT."""
TABLES: Final = {
    "headgate.wire.moderations": ("mistral_moderations",),
    "headgate.wire.ocr": ("inline_ocr",),
    "headgate.wire.rerank": (
        "bedrock_invoke_rerank",
        "bedrock_rerank",
        "cohere_rerank",
        "fireworks_rerank",
        "infinity_rerank",
        "nim_rerank",
        "oci_rerank",
        "scores_rerank",
        "tei_rerank",
        "vertex_rerank",
        "voyage_rerank",
        "watsonx_rerank",
        "workers_ai_rerank",
    ),
    "headgate.wire.textgen": (
        "cohere_generate",
        "j2_complete",
        "luminous_complete",
        "nlp_generation",
        "petals_generate",
        "tgi_generate",
        "triton_generate",
        "watsonx_generation",
        "writer_completions",
    ),
    "headgate.wire.vendor_embeddings": (
        "jina_embeddings",
        "nim_embeddings",
        "semantic_embeddings",
        "sentences_embeddings",
        "triton_embeddings",
        "voyage_embeddings",
    ),
}
"""Modules whose `DIALECTS` hold several formats of one operation."""
_HOME: Final = {name: module for module, names in TABLES.items() for name in names}

OPERATIONS: Final = {
    "completions": "completions",
    "fim": "fim",
    "image_edits": "openai_images",
    "image_variations": "openai_images",
    "images": "openai_images",
    "moderations": "moderations",
    "ocr": "ocr",
    "realtime": "realtime",
    "rerank": "rerank",
    "responses": "responses",
}
"""Operation → the format that it is spoken in where a row doesn't say otherwise."""

SOUND: Final = dict.fromkeys(
    ("speech", "transcriptions", "translations", "transcription_upload"), "openai_chat"
)
"""Operations whose formats are in `wire/audio`: a route's dialect words nothing there."""

COUNTED: Final = {"anthropic": "anthropic_count", "gemini": "gemini_count"}
"""Format of chat → the one in which tokens are counted, where a row doesn't say otherwise."""

COMPOSED: Final = {
    "anthropic_count": ("headgate.wire.counting:Anthropic", "anthropic"),
    "bedrock_count": ("headgate.wire.counting:Converse", "bedrock_converse"),
    "chat_count": ("headgate.wire.counting:Chat", "openai_chat"),
    "gemini_count": ("headgate.wire.counting:Gemini", "gemini"),
    "responses_count": ("headgate.wire.counting:Responses", "responses"),
    "vertex_count": ("headgate.wire.counting:Vertex", "gemini"),
    "gigachat_chat": ("headgate.wire.gigachat:Chat", "openai_chat"),
    "gigachat_embeddings": ("headgate.wire.gigachat:Embeddings", "openai_embeddings"),
    "oci_cohere": ("headgate.wire.oci_cohere:Cohere", "openai_chat"),
    "oci_cohere_v2": ("headgate.wire.oci_cohere_v2:CohereV2", "openai_chat"),
    "oci_embeddings": ("headgate.wire.oci_cohere:Embeddings", "openai_embeddings"),
    "oci_generic": ("headgate.wire.oci:Generic", "openai_chat"),
    "sap_orchestration": ("headgate.wire.sap:Chat", "openai_chat"),
    "sap_embeddings": ("headgate.wire.sap:Embeddings", "openai_embeddings"),
    "bedrock_anthropic": ("headgate.wire.invoke.makers:Claude", "anthropic"),
    "bedrock_nova": ("headgate.wire.invoke.makers:Nova", "bedrock_converse"),
    "framed_chat": ("headgate.wire.payload_parts:Chat", "openai_chat"),
    "framed_text": ("headgate.wire.payload_parts:Text", "tgi"),
    "bedrock_openai": ("headgate.wire.invoke.makers:OpenAI", "openai_chat"),
}
"""Dialects around another: the class that makes one, and the dialect inside."""


@cache
def dialect(name: str) -> Dialect:
    """Raises KeyError for a name that no row should hold."""
    if name in COMPOSED:
        place, inner = COMPOSED[name]
        module, _, maker = place.partition(":")
        composed: Dialect = getattr(import_module(module), maker)(dialect(inner))
        return composed
    if name in _HOME:
        one: Dialect = import_module(_HOME[name]).DIALECTS[name]
        return one
    module, _, own = MODULES[name].partition(":")
    found: Dialect = getattr(import_module(module), own or "DIALECT")
    return found
