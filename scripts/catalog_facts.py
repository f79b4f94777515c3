"""Hand-kept facts of models, by pattern over "provider/name"; the first match of each fact wins.

Sources: https://platform.openai.com/docs/models, https://docs.anthropic.com/en/docs/about-claude/models,
https://ai.google.dev/gemini-api/docs/models, https://console.groq.com/docs/models, https://docs.mistral.ai,
https://api-docs.deepseek.com, https://docs.x.ai/docs/models. What is not known stays away.
"""

CHAT = "function_calling tool_choice system_messages"
FACTS: list[tuple[str, dict[str, object]]] = [
    (r".*(embed|voyage-)", {"mode": "embedding"}),
    (r".*(rerank)", {"mode": "rerank"}),
    (r".*(whisper|transcribe|scribe)", {"mode": "audio_transcription"}),
    (r".*(tts|eleven_)", {"mode": "audio_speech"}),
    (r".*(dall-e|gpt-image|imagen)", {"mode": "image_generation"}),
    (r".*moderation", {"mode": "moderation"}),
    (r".*(davinci-002|babbage-002|gpt-3\.5-turbo-instruct)", {"mode": "completion"}),
    (
        r"anthropic/claude-(opus|sonnet)-4-[6-9]|anthropic/claude-(opus|sonnet|haiku)-[5-9]",
        {"max_output_tokens": 128000},
    ),
    (r"anthropic/claude-(opus|sonnet|haiku)-4-5", {"max_output_tokens": 64000}),
    (r"anthropic/claude-opus-4", {"max_output_tokens": 32000}),
    (r"anthropic/claude-sonnet-4", {"max_output_tokens": 64000}),
    (r"anthropic/claude-3-7", {"max_output_tokens": 64000}),
    (r"anthropic/claude-3-5", {"max_output_tokens": 8192}),
    (r"anthropic/claude-3", {"max_output_tokens": 4096}),
    (r"anthropic/claude", {"max_input_tokens": 200000}),
    (
        r"anthropic/claude-(3-7|(opus|sonnet|haiku)-[4-9])",
        {"supports": "reasoning response_schema web_search"},
    ),
    (
        r"anthropic/claude-[3-9o-s]",
        {"supports": f"{CHAT} vision prompt_caching pdf_input parallel_function_calling"},
    ),
    (
        r"gemini/gemini-(2\.5|3|flash)",
        {"max_output_tokens": 65536, "max_input_tokens": 1048576, "supports": "reasoning"},
    ),
    (r"gemini/gemini-(1\.5|2\.0)", {"max_output_tokens": 8192, "max_input_tokens": 1048576}),
    (
        r"gemini/gemini-(1\.5|2|3|flash)",
        {"supports": f"{CHAT} vision pdf_input audio_input response_schema prompt_caching web_search"},
    ),
    (
        r"(openai|azure)/gpt-5",
        {"max_output_tokens": 128000, "max_input_tokens": 400000, "supports": "reasoning"},
    ),
    (r"(openai|azure)/gpt-4\.1", {"max_output_tokens": 32768, "max_input_tokens": 1047576}),
    (
        r"(openai|azure)/o[1-9]",
        {"max_output_tokens": 100000, "max_input_tokens": 200000, "supports": "reasoning"},
    ),
    (r"(openai|azure)/gpt-4o", {"max_output_tokens": 16384, "max_input_tokens": 128000}),
    (r"(openai|azure)/gpt-4-turbo", {"max_output_tokens": 4096, "max_input_tokens": 128000}),
    (r"(openai|azure)/gpt-3\.5", {"max_output_tokens": 4096, "max_input_tokens": 16385}),
    (r"(openai|azure)/gpt-4o.*audio", {"supports": "audio_input audio_output"}),
    (
        r"(openai|azure)/(gpt-4o|gpt-4\.1|gpt-5|o[1-9])",
        {"supports": f"{CHAT} vision pdf_input response_schema prompt_caching parallel_function_calling"},
    ),
    (r"(openai|azure)/gpt-(3\.5-turbo|4)", {"supports": f"{CHAT} parallel_function_calling"}),
    (r"deepseek/", {"supports": f"{CHAT} prompt_caching"}),
    (r"deepseek/deepseek-reasoner", {"supports": "reasoning"}),
    (r"xai/grok-[2-9]", {"supports": f"{CHAT} response_schema"}),
    (r"xai/grok-(3-mini|4)", {"supports": "reasoning"}),
    (
        r"mistral/(mistral|pixtral|ministral|magistral|codestral|devstral|open-mi)",
        {"supports": f"{CHAT} response_schema"},
    ),
    (r"groq/", {"supports": CHAT}),
    (r".*", {"mode": "chat"}),
]
