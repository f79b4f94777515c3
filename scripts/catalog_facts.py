"""Hand-kept facts of models: kind, limits and abilities, by patterns over a model's bare name.

The bare name is the last part of the model's name in lower case, without the vendor in front ("us.anthropic.") or
the variant behind (":free"), so that a model's own facts hold wherever it is sold. What depends on who serves it
(caching, PDFs, schemas, web search) is said for named hosts only. The first statement of a fact wins; what
nothing is known of stays away. Sources stand beside the tables.
"""

import re
from typing import Any, NamedTuple

WORDS = {
    "audio-in": "supports_audio_input",
    "audio-out": "supports_audio_output",
    "cache": "supports_prompt_caching",
    "choice": "supports_tool_choice",
    "parallel": "supports_parallel_function_calling",
    "pdf": "supports_pdf_input",
    "reasoning": "supports_reasoning",
    "schema": "supports_response_schema",
    "system": "supports_system_messages",
    "tools": "supports_function_calling",
    "video": "supports_video_input",
    "vision": "supports_vision",
    "web": "supports_web_search",
}
"""Our words → LiteLLM's fields; a word behind "!" is known not to be so."""

CHAT = "system tools choice"
OPENAI = ("openai", "azure", "github_copilot")
ANTHROPIC = ("anthropic", "azure", "bedrock", "gemini")


class Fact(NamedTuple):
    """`name` must match at the start of the bare name; `hosts` are providers, none means any."""

    name: str
    words: str = ""
    output: int | None = None
    window: int | None = None
    hosts: tuple[str, ...] = ()


MODES = [
    ("rerank", r".*rerank"),
    ("embedding", r".*embed|bge-|gte-|voyage-|e5-|databricks-(bge|gte)"),
    ("moderation", r"(omni-|text-)?moderation"),
    ("realtime", r".*(realtime|native-audio)|.*-live\b|gpt-live|gemini-live|.*nova.*-sonic|grok-voice"),
    ("audio_transcription", r".*(whisper|transcribe|scribe)"),
    ("audio_speech", r".*\b(tts|orpheus)\b|tts-"),
    ("ocr", r".*-ocr\b"),
    (
        "image_generation",
        r"(gpt-image|chatgpt-image|dall-e|imagen|flux|ming-image|gemini-.*-image\b|gemini-nano)",
    ),
    (
        "completion",
        r"(ada|babbage|curie|davinci|babbage-002|davinci-002|text-davinci.*|gpt-3\.5-turbo-instruct.*)$",
    ),
]
RESPONSES = (
    r"(o1-pro|o3-pro|gpt-5(\.\d)?-pro|gpt-5(\.\d)?-codex|codex-mini|computer-use|o[34].*deep-research)"
)
"""OpenAI's models that only the Responses endpoint serves: https://developers.openai.com/api/docs/models"""

CLAUDE_NEW = r"claude-(fable|mythos)|claude-(opus|sonnet|haiku)-([5-9]|4[.-][6-9])"
CLAUDE_THINKS = r"claude-(fable|mythos|3[.-]7|(opus|sonnet|haiku)-[4-9]|4-)"

# https://platform.claude.com/docs/en/models/overview
# https://platform.claude.com/docs/en/build-with-claude/pdf-support, …/prompt-caching, …/structured-outputs
ANTHROPIC_FACTS = [
    Fact(r"claude-(v1|v2|2|instant)", "system !tools !vision", output=4096, window=100_000),
    Fact(CLAUDE_NEW, output=128_000),
    Fact(r"claude-(opus|sonnet|haiku)-4[.-]5|claude-4[.-]5", output=64_000, window=200_000),
    Fact(r"claude-opus-4|claude-4(\.\d)?-opus", output=32_000, window=200_000),
    Fact(r"claude-sonnet-4|claude-4(\.\d)?-sonnet|claude-3[.-]7", output=64_000, window=200_000),
    Fact(r"claude-3[.-]5", output=8192, window=200_000),
    Fact(r"claude-3", output=4096, window=200_000),
    Fact(CLAUDE_THINKS, "reasoning"),
    Fact(r"claude-", f"{CHAT} vision"),
    Fact(r"claude-", "cache parallel", hosts=ANTHROPIC),
    Fact(rf"{CLAUDE_THINKS}|claude-3[.-]5", "pdf web", hosts=("anthropic",)),
    Fact(rf"{CLAUDE_THINKS}|claude-3[.-]5", "pdf", hosts=("bedrock", "gemini")),
    Fact(rf"{CLAUDE_NEW}|claude-(opus|sonnet|haiku)-4[.-]5|claude-opus-4[.-]1", "schema", hosts=ANTHROPIC),
]

# https://developers.openai.com/api/docs/models: limits, modalities and features are on each model's page
OPENAI_FACTS = [
    Fact(r"gpt-5(\.\d)?-chat|gpt-chat-latest|chatgpt-4o", "system vision", output=16_384, window=128_000),
    Fact(r"gpt-5-pro", f"{CHAT} vision reasoning", output=272_000, window=400_000),
    Fact(r"gpt-5-search", "system web", hosts=OPENAI),
    Fact(r"gpt-oss-safeguard|gpt-oss", f"{CHAT} reasoning !vision", window=131_072),
    Fact(r"gpt-(5|6)(?!.*image)", f"{CHAT} vision reasoning", output=128_000),
    Fact(r"gpt-5(?!\.[4-9]|.*image)", window=400_000),
    Fact(r"gpt-(5\.[456]$|5\.[456]-(sol|terra|luna|pro)|6)", window=1_050_000),
    Fact(r"gpt-(5|6)(?!.*image)", "parallel schema cache pdf web", hosts=OPENAI),
    Fact(r"gpt-4\.1", f"{CHAT} vision", output=32_768, window=1_047_576),
    Fact(r"gpt-4\.1", "parallel schema cache pdf", hosts=OPENAI),
    Fact(r"gpt-4\.5", f"{CHAT} vision", output=16_384, window=128_000),
    Fact(
        r"gpt-(4o(-mini)?-)?audio",
        f"{CHAT} audio-in audio-out",
        output=16_384,
        window=128_000,
    ),
    Fact(r"gpt-(4o.*-)?realtime", f"{CHAT} audio-in audio-out", output=4096),
    Fact(r"gpt-4o(-mini)?-search", "system web vision !tools !choice", output=16_384, window=128_000),
    Fact(r"gpt-4o-2024-05-13", f"{CHAT} vision", output=4096, window=128_000),
    Fact(r"gpt-4o(?!.*(transcribe|tts))", f"{CHAT} vision", output=16_384, window=128_000),
    Fact(r"gpt-4o(?!.*(transcribe|tts|audio|realtime|search))", "parallel schema cache pdf", hosts=OPENAI),
    Fact(r"gpt-4-(turbo|vision|\d{4}-preview)", f"{CHAT} parallel", output=4096, window=128_000),
    Fact(r"gpt-4-(turbo(?!-preview)|vision)", "vision"),
    Fact(r"gpt-4-32k", f"{CHAT} !vision", output=4096, window=32_768),
    Fact(r"gpt-4(-\d{4})?$", f"{CHAT} !vision", output=4096, window=8192),
    Fact(r"gpt-3\.5-turbo(?!-instruct)", f"{CHAT} parallel !vision", output=4096, window=16_385),
    Fact(r"o1-(mini|preview)", "reasoning !system !tools !choice !vision", output=65_536, window=128_000),
    Fact(r"o3-mini", f"{CHAT} reasoning !vision", output=100_000, window=200_000),
    Fact(r"o[134](?=-|$)", f"{CHAT} vision reasoning", output=100_000, window=200_000),
    Fact(r"o[134](?=-|$)(?!-(mini|preview)$)", "schema cache pdf", hosts=OPENAI),
    Fact(r"codex-mini", f"{CHAT} vision reasoning", output=100_000, window=200_000),
    Fact(r"computer-use", f"{CHAT} vision reasoning", output=1024, window=8192),
]

# https://ai.google.dev/gemini-api/docs/models and https://ai.google.dev/gemma/docs
GEMINI = ("gemini",)
SPOKEN = r"(?!.*(tts|live|native|image|embed|robotics|banana))"
GOOGLE_FACTS = [
    Fact(r"gemini-.*tts", "audio-out !tools", output=16_384, window=8192),
    Fact(r"gemini-.*image", "vision !tools", output=32_768, window=32_768),
    Fact(r"gemini-.*(live|native)", f"{CHAT} audio-in audio-out vision", output=8192, window=131_072),
    Fact(rf"gemini-(2\.5|[3-9]|flash-latest|pro-latest){SPOKEN}", output=65_536, window=1_048_576),
    Fact(rf"gemini-(2\.5|[3-9]|flash-latest|pro-latest){SPOKEN}", f"{CHAT} vision audio-in video reasoning"),
    Fact(rf"gemini-(2\.0|2-|1\.5|flash-1\.5|pro-1\.5){SPOKEN}", f"{CHAT} vision audio-in video", output=8192),
    Fact(rf"gemini-(1\.5-pro|pro-1\.5){SPOKEN}", window=2_097_152),
    Fact(rf"gemini-(2\.0|1\.5|flash-1\.5){SPOKEN}", window=1_048_576),
    Fact(rf"gemini-(2|[3-9]|flash-latest|pro-latest){SPOKEN}", "parallel schema cache pdf web", hosts=GEMINI),
    Fact(rf"gemini-(1\.5|flash-1\.5|pro-1\.5){SPOKEN}", "parallel schema cache pdf", hosts=GEMINI),
    Fact(r"gemma-?3n", "vision audio-in", output=8192, window=32_768),
    Fact(r"gemma-?3-1b", "!vision", output=8192, window=32_768),
    Fact(r"gemma-?3", "vision", output=8192, window=131_072),
    Fact(r"gemma-?4", f"{CHAT} vision reasoning"),
]

# https://docs.x.ai/docs/models · https://api-docs.deepseek.com · https://docs.mistral.ai/getting-started/models
# https://docs.perplexity.ai/getting-started/models · https://docs.cohere.com/docs/models
# https://platform.moonshot.ai/docs · https://docs.z.ai · https://platform.minimax.io/docs
# https://www.llama.com/docs/model-cards-and-prompt-formats · https://qwen.readthedocs.io
OTHER_FACTS = [
    Fact(r"grok-(2|3|4)(?!.*(voice|image))", CHAT),
    Fact(r"grok-(2-vision|4)(?!.*(code|voice))", "vision"),
    Fact(r"grok-(4.*non-reasoning|4-1-fast-non-reasoning)", "!reasoning"),
    Fact(r"grok-(3-mini|4|build|code)", "reasoning"),
    Fact(r"grok-(build|code)", CHAT),
    Fact(r"grok-(3|4)", "cache schema parallel", hosts=("xai",)),
    Fact(r"grok-4", "web", hosts=("xai",)),
    Fact(r"deepseek-reasoner", "system reasoning", output=65_536, hosts=("deepseek",)),
    Fact(r"deepseek-", "cache parallel", hosts=("deepseek",)),
    Fact(r"deepseek-r1", "reasoning !vision"),
    Fact(r"deepseek-(chat|flash|v[3-9])", f"{CHAT} !vision"),
    Fact(r"deepseek-(v4|flash|v3\.[12]|v3p[12])", "reasoning"),
    Fact(r"deepseek-chat", output=8192, hosts=("deepseek",)),
    Fact(r"magistral", f"{CHAT} reasoning"),
    Fact(
        r"pixtral|mistral-(small-(2503|2506|26|3|latest)|medium-(3|2505|2508|latest)|large-(2512|4))",
        "vision",
    ),
    Fact(r"voxtral-(mini|small)(?!.*transcribe)", "audio-in"),
    Fact(r"(mistral|ministral|codestral|devstral|pixtral|open-mistral|open-mixtral)(?!.*(embed|ocr))", CHAT),
    Fact(
        r"(mistral|ministral|codestral|devstral|pixtral|magistral|open-mi)(?!.*(embed|ocr))",
        "schema parallel",
        hosts=("mistral",),
    ),
    Fact(r"sonar-(reasoning|deep)", "reasoning", hosts=("perplexity",)),
    Fact(r"sonar", "system web schema vision !tools", hosts=("perplexity",)),
    Fact(r"command-a-vision|c4ai-aya-vision", "vision system"),
    Fact(r"command-(a|r)", f"{CHAT} schema", hosts=("cohere",)),
    Fact(r"command-a", output=8192, window=256_000, hosts=("cohere",)),
    Fact(r"command-r", output=4096, window=128_000, hosts=("cohere",)),
    Fact(r"kimi-k(2\.[5-9]|3)", f"{CHAT} vision reasoning"),
    Fact(r"kimi-k2-thinking", f"{CHAT} reasoning"),
    Fact(r"kimi-k2", CHAT),
    Fact(r"moonshot-v1", CHAT),
    Fact(r"(zai-)?glm-(4\.[56]v|5v)", f"{CHAT} vision reasoning"),
    Fact(r"(zai-)?glm-(4[.p-][5-9]|5)", f"{CHAT} reasoning"),
    Fact(r"minimax-m[1-9]", f"{CHAT} reasoning"),
    Fact(r"(meta-)?llama-?v?4|llama-4", f"{CHAT} vision"),
    Fact(r"(meta-)?llama-?v?3[.p_-]2-(11|90)b", f"{CHAT} vision", window=131_072),
    Fact(r"(meta-)?llama-?v?3[.p_-][123]", f"{CHAT} !vision", window=131_072),
    Fact(r"(meta-)?llama-?v?3", "system !vision", window=8192),
    Fact(r"qwen-?[23].*(vl|omni)|qwen3p?\.?[5-9]", "vision"),
    Fact(r"qwen-?3.*thinking|qwq", f"{CHAT} reasoning"),
    Fact(r"qwen-?(2\.5|2p5|3)", CHAT),
    Fact(r"nova-(lite|pro|premier|2-lite)", f"{CHAT} vision video cache", hosts=("bedrock",)),
    Fact(r"nova-micro", f"{CHAT} cache", hosts=("bedrock",)),
    Fact(r"phi-4-multimodal", "system vision audio-in"),
    Fact(r"phi-4.*reasoning", "system reasoning"),
    Fact(r"muse-spark", f"{CHAT} vision reasoning"),
]

# https://developers.openai.com/api/docs/guides/embeddings · https://docs.voyageai.com/docs/embeddings
# https://ai.google.dev/gemini-api/docs/embeddings · https://docs.cohere.com/docs/cohere-embed
DIMENSIONS = [
    (r"text-embedding-3-large", 3072, 8192),
    (r"text-embedding-(3-small|ada-002)", 1536, 8192),
    (r"gemini-embedding-001", 3072, 2048),
    (r"voyage-(3|3\.5|code-3|finance-2|law-2)", 1024, 32_000),
    (r"embed-v4", 1536, 128_000),
    (r"mistral-embed", 1024, 8192),
]

FACTS = [*ANTHROPIC_FACTS, *OPENAI_FACTS, *GOOGLE_FACTS, *OTHER_FACTS]
_VENDOR = re.compile(r"^(?:[a-z_-]+\.)+(?=[a-z])")


def bare(name: str) -> str:
    last = name.lower().removeprefix("ft:").rsplit("/", 1)[-1].split(":", 1)[0].removeprefix("databricks-")
    return _VENDOR.sub("", last)


def facts_of(provider: str, name: str, window: int | None) -> dict[str, Any]:
    """LiteLLM's fields for a model; `window` is its context as the price table says, which is nearer to the truth."""
    short = bare(name)
    mode = next((mode for mode, pattern in MODES if re.match(pattern, short)), "chat")
    if mode == "chat" and provider in ("openai", "azure") and re.match(RESPONSES, short):
        mode = "responses"
    facts: dict[str, Any] = {"mode": mode}
    if mode == "embedding":
        known = next(((size, limit) for p, size, limit in DIMENSIONS if re.match(p, short)), None)
        limit = window or (known[1] if known else None)
        if limit:
            facts |= {"max_input_tokens": limit, "max_tokens": limit}
        return facts | ({"output_vector_size": known[0]} if known else {})
    said = [
        fact for fact in FACTS if (not fact.hosts or provider in fact.hosts) and re.match(fact.name, short)
    ]
    output = next((fact.output for fact in said if fact.output), None)
    window = window or next((fact.window for fact in said if fact.window), None)
    facts |= {"max_input_tokens": window} if window else {}
    if output:
        facts |= {"max_output_tokens": output, "max_tokens": output}
    words = [word for fact in said for word in fact.words.split()]
    abilities: dict[str, bool] = {}
    for word in words:
        abilities.setdefault(WORDS[word.removeprefix("!")], not word.startswith("!"))
    return facts | dict(sorted(abilities.items()))
