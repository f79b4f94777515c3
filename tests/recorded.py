"""Recorded traffic, and what a recorded answer says, read the simplest way: the tests' own idea of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent / "shared" / "wire"


def needed() -> Path:
    """ROOT. Where it is not there the test that asks is skipped, or the whole file of tests."""
    if not ROOT.exists():
        pytest.skip("the recorded traffic is not beside the project", allow_module_level=True)
    return ROOT


def exchange(name: str) -> dict[str, Any]:
    """By its id, for example "fal.images.9622bb4b72"; skips as `needed` does."""
    found: dict[str, Any] = json.loads(next(needed().glob(f"dev/*/{name}.json")).read_text())
    return found


PROVIDERS = {
    "openai": "openai",
    "azure-openai": "azure",
    "anthropic": "anthropic",
    "cohere": "cohere",
    "google-gemini": "gemini",
    "google-vertex": "vertex_ai",
    "groq": "groq",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "xai": "xai",
    "openrouter": "openrouter",
    "together": "together_ai",
    "fireworks": "fireworks_ai",
    "perplexity": "perplexity",
    "cerebras": "cerebras",
    "ollama": "ollama",
    "vllm": "hosted_vllm",
    "aleph-alpha": "aleph_alpha",
    "aws-bedrock-mantle": "bedrock_mantle",
    "azure-ai-foundry": "azure_ai",
    "ai21": "ai21",
    "cloudflare-workers-ai": "cloudflare",
    "crusoe": "crusoe",
    "databricks": "databricks",
    "heroku": "heroku",
    "huggingface": "huggingface",
    "hyperbolic": "hyperbolic",
    "nebius": "nebius",
    "novita": "novita",
    "nvidia-nim": "nvidia_nim",
    "sambanova": "sambanova",
    "snowflake-cortex": "snowflake",
    "vercel-ai-gateway": "vercel_ai_gateway",
    "watsonx": "watsonx",
    "zai": "zai",
    "avian": "custom_openai",
    "gpustack": "custom_openai",
    "llama-cpp": "llamafile",
    "portkey": "custom_openai",
    "ollama-cloud": "ollama_cloud",
    "writer": "writer",
}
APIS = (
    "chat",
    "responses",
    "messages",
    "generateContent",
    "completions",
    "embeddings",
    "count_tokens",
    "models",
    "hf-inference",
)

NATIVE = {"/v2/chat": "cohere_chat"}
"""Addresses of formats of their own, where the recording's kind says no more than "chat"."""

LEFT_OUT = {
    "api.cohere.com/v1/": "Cohere's older API: its row uses v2",
    "api.cohere.ai/v1/": "Cohere's older API: its row uses v2",
    "/compatibility/v1/": "OpenAI's format at Cohere: its row uses the native one",
    "/api/generate": "Ollama's own format of text completions: its rows use the OpenAI-compatible address",
    "/api/embeddings": "Ollama's older format of embeddings: its rows use /api/embed",
    "/api/pull": "Ollama's management, no model call",
    "/organization/usage/": "OpenAI's administration, no model call",
    "pharia.ai/v1/complete": "Aleph Alpha's own format of text completions: tests/replay/test_replay_texts.py",
    "/v1/complete": "Anthropic's text completions, replaced by Messages",
    "/models": "lists and management of a provider's own models: a gateway answers with its own list",
    "/j2-": "AI21's own format of text completions, for models that are gone",
    "api.writer.com/v1/completions": "Writer's own format of text completions: tests/replay/test_replay_texts.py",
    "api.aleph-alpha.com/complete": "Aleph Alpha's own format of text completions: tests/replay/test_replay_texts.py",
    "_embed": "Aleph Alpha's own format of embeddings",
    "pharia.ai/v1/embed": "Aleph Alpha's own format of embeddings",
    "/generation/text": "watsonx's older text generation: its chat is OpenAI's format",
    "/responses/compact": "a service of OpenAI's beside the model call",
    "/responses/input_tokens": "a service of OpenAI's beside the model call",
    "#stream": "a marker of the recorder in the address",
}


HF_TASKS = {
    "source_sentence": "sentence similarity: scores without documents, for which a gateway has no operation",
    "summary_text": "a summary: no gateway has an operation for it",
    "generated_text": "text generation in Hugging Face's own format: its router's chat is OpenAI's",
    "max_new_tokens": "text generation, as above",
    "zephyr-7b-beta": "text generation, as above",
    "inputs": "another task (classification, translation, tables …): no gateway has an operation for it",
}
"""Why an exchange with Hugging Face's inference API is left out, by what its bodies hold."""


def records() -> Iterator[dict[str, Any]]:
    for line in (ROOT / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["provider"] in PROVIDERS and entry["api"] in APIS:
            record = {**json.loads((ROOT / entry["file"]).read_text()), "id": entry["id"]}
            native = (api for path, api in NATIVE.items() if record["request"]["url"].endswith(path))
            if record["api"] == "hf-inference" and "messages" in record["request"]["body"]:
                record["api"] = "chat"
            yield {**record, "api": next(native, record["api"])}


SOUNDING = {
    **PROVIDERS,
    "deepgram": "deepgram",
    "elevenlabs": "elevenlabs",
    "minimax": "minimax",
}
"""Providers of recorded speech and transcriptions."""


def sounds() -> Iterator[dict[str, Any]]:
    """Recorded speech and transcriptions: tests/replay/test_replay_audio.py."""
    for line in (ROOT / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["api"] in ("speech", "transcription") and entry["provider"] in SOUNDING:
            yield {**json.loads((ROOT / entry["file"]).read_text()), "id": entry["id"]}


def reason_no_sound(record: dict[str, Any]) -> str | None:
    request = record["request"]
    if request["method"] != "POST":
        return "a question after a job, or a list of voices: the job's exchange is replayed as one"
    body = request.get("body")
    if record["api"] == "transcription" and isinstance(body, dict):
        return "sound that the provider fetches itself: OpenAI's callers send files"
    return None


def reason_left_out(record: dict[str, Any]) -> str | None:
    url, request = record["request"]["url"], record["request"]
    if record["api"] == "models" or request["method"] != "POST":
        return LEFT_OUT["/models"] if "usage" not in url else LEFT_OUT["/organization/usage/"]
    if record["api"] == "hf-inference":
        bodies = json.dumps([request, record["response"]])
        return next(reason for mark, reason in HF_TASKS.items() if mark in bodies)
    path = url.split("?")[0]
    for mark, reason in LEFT_OUT.items():
        if (
            mark in url
            and (mark != "/v1/complete" or path.endswith(mark))
            and mark != "/models"
            and mark != "#stream"
        ):
            return reason
    if not isinstance(request.get("body"), dict):
        return "the request's body was not recorded"
    return None


def row_of(record: dict[str, Any]) -> str:
    """The row that is asked. Ollama's is not for the OpenAI-compatible address: any server with one is like it."""
    row, url = PROVIDERS[record["provider"]], record["request"]["url"]
    if "/openai/chat" in url:
        return "openai"
    return "custom_openai" if row.startswith("ollama") and "/v1/" in url else row


def is_ollama(record: dict[str, Any]) -> bool:
    """Whether it is in Ollama's own format."""
    return record["provider"].startswith("ollama") and "/api/" in record["request"]["url"]


def is_filtered(record: dict[str, Any]) -> bool:
    """Whether it is a 403 of xAI's, which is about what was said and no matter of keys."""
    return "Content violates usage guidelines" in json.dumps(record["response"].get("body"))


_SPEAKS = {"messages": "chat", "generateContent": "chat", "cohere_chat": "chat"}


ELSEWHERE = {
    "aleph_alpha": {"completions"},
    "bedrock": {"chat"},
    "cohere": {"completions"},
    "fal_ai": {"images"},
    "nebius": {"images"},
    "openai": {"images", "image_variations"},
    "openrouter": {"images"},
    "replicate": {"images"},
    "together_ai": {"images"},
    "watsonx": {"completions"},
    "writer": {"completions"},
    "xai": {"image_edits"},
}
"""What tests of their own replay: tests/server/test_bedrock.py, tests/replay/test_replay_images.py and
test_replay_texts.py."""


def replayed() -> dict[str, set[str]]:
    """The operations of each row whose recorded traffic is replayed."""
    found = {name: set(operations) for name, operations in ELSEWHERE.items()}
    for record in records():
        if reason_left_out(record) is None:
            operation = _SPEAKS.get(record["api"], record["api"])
            row = row_of(record) if row_of(record) == "custom_openai" else PROVIDERS[record["provider"]]
            found.setdefault(row, set()).add(operation)
    for record in sounds():
        if reason_no_sound(record) is None:
            operation = "speech" if record["api"] == "speech" else "transcriptions"
            found.setdefault(SOUNDING[record["provider"]], set()).add(operation)
    return found


def answer_bytes(record: dict[str, Any]) -> bytes:
    response = record["response"]
    for kind in ("sse", "ndjson"):
        if kind in response:
            return str(response[kind]).encode()
    body = response.get("body")
    return body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()


def type_of(record: dict[str, Any]) -> str:
    """The answer's content type."""
    response = record["response"]
    if "ndjson" in response:
        return "application/x-ndjson"
    return "text/event-stream" if "sse" in response else "application/json"


def model_of(record: dict[str, Any]) -> str:
    url = record["request"]["url"].split("?")[0]
    if "/models/" in url:
        return url.rpartition("/models/")[2].partition(":")[0]
    if "/deployments/" in url:
        return url.partition("/deployments/")[2].partition("/")[0]
    return str(record["request"]["body"].get("model", "model"))


class Said:
    """What an answer says: text, reasoning, tool calls as (name, decoded arguments), finish, tokens."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.calls: list[tuple[str, Any]] = []
        self.finish: str | None = None
        self.tokens: tuple[int, int] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Said) and self.__dict__ == other.__dict__

    def __repr__(self) -> str:
        return f"Said({self.__dict__})"


def said_by_chat(documents: list[dict[str, Any]]) -> Said:
    """Of a whole reply (one document) or the chunks of a stream."""
    said, calls = Said(), {}
    for document in documents:
        usage = document.get("usage")
        if usage:
            said.tokens = (usage["prompt_tokens"], usage["completion_tokens"])
        for choice in document.get("choices") or []:
            if choice.get("index", 0):
                continue
            message = choice.get("delta") or choice.get("message") or {}
            content = message.get("content") or ""
            if isinstance(content, list):  # Mistral's
                said.text += "".join(part.get("text", "") for part in content)
                thoughts = [part.get("thinking", ()) for part in content]
                said.reasoning += "".join(part["text"] for parts in thoughts for part in parts)
                content = ""
            said.text += json.dumps(content) if isinstance(content, dict) else content
            said.reasoning += message.get("reasoning_content") or message.get("reasoning") or ""
            for at, call in enumerate(message.get("tool_calls") or []):
                row = calls.setdefault(call.get("index", at), ["", ""])
                row[0] += call["function"].get("name") or ""
                row[1] += call["function"].get("arguments") or ""
            said.finish = choice.get("finish_reason") or said.finish
    said.calls = [(name, _json(arguments)) for name, arguments in calls.values()]
    return said


ANTHROPIC_FINISH = {
    "end_turn": "stop", "stop_sequence": "stop", "pause_turn": "stop", "max_tokens": "length",
    "tool_use": "tool_calls", "refusal": "content_filter", "model_context_window_exceeded": "length",
    "compaction": "length",
}  # fmt: skip


def said_by_anthropic(documents: list[dict[str, Any]], stream: bool) -> Said:
    said, usage, blocks = Said(), {}, {}
    if not stream:
        (message,) = documents
        blocks, usage = dict(enumerate(message["content"])), message["usage"]
        stop = message["stop_reason"]
    else:
        stop = None
        for event in documents:
            kind = event["type"]
            if kind == "message_start":
                usage.update(event["message"]["usage"])
            elif kind == "content_block_start":
                blocks[event["index"]] = {**event["content_block"], "json": ""}
            elif kind == "content_block_delta":
                block, delta = blocks[event["index"]], event["delta"]
                for part, key in (("text_delta", "text"), ("thinking_delta", "thinking")):
                    if delta["type"] == part:
                        block[key] = block.get(key, "") + delta[key]
                if delta["type"] == "input_json_delta":
                    block["json"] += delta["partial_json"]
            elif kind == "message_delta":
                stop = event["delta"].get("stop_reason") or stop
                usage.update({k: v for k, v in event.get("usage", {}).items() if v is not None})
    for block in blocks.values():
        if block["type"] == "text":
            said.text += block["text"]
        elif block["type"] == "thinking":
            said.reasoning += block["thinking"]
        elif block["type"] == "tool_use":
            said.calls.append((block["name"], _json(block["json"]) if block.get("json") else block["input"]))
    said.finish = ANTHROPIC_FINISH[stop]
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    said.tokens = (usage["input_tokens"] + read + written, usage["output_tokens"])
    return said


GEMINI_FINISH = {
    1: "stop",
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "MALFORMED_FUNCTION_CALL": "stop",
    "UNEXPECTED_TOOL_CALL": "stop",
}


def said_by_gemini(documents: list[dict[str, Any]]) -> Said:
    said, usage, raw = Said(), {}, None
    for document in documents:
        usage.update(document.get("usageMetadata") or {})
        for candidate in (document.get("candidates") or [])[:1]:
            raw = candidate.get("finishReason") or raw
            raw = {1: "STOP", 2: "MAX_TOKENS"}.get(raw, raw)
            for part in (candidate.get("content") or {}).get("parts") or []:
                if "functionCall" in part:
                    said.calls.append((part["functionCall"]["name"], part["functionCall"].get("args") or {}))
                elif "text" in part and part.get("thought"):
                    said.reasoning += part["text"]
                elif "text" in part:
                    said.text += part["text"]
        raw = (document.get("promptFeedback") or {}).get("blockReason") or raw
    said.finish = "stop" if raw is None else GEMINI_FINISH.get(raw, "content_filter")
    if said.calls and said.finish == "stop":
        said.finish = "tool_calls"
    prompt = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    output, thoughts = usage.get("candidatesTokenCount", 0), usage.get("thoughtsTokenCount", 0)
    if prompt + output != usage.get("totalTokenCount"):
        output += thoughts
    said.tokens = (prompt, output) if usage else None
    return said


COHERE_FINISH = {"MAX_TOKENS": "length", "TOOL_CALL": "tool_calls", "ERROR_TOXIC": "content_filter"}


def said_by_cohere(documents: list[dict[str, Any]], stream: bool) -> Said:
    said, calls, end = Said(), {}, documents[-1]
    if stream:
        end = next(event["delta"] for event in documents if event["type"] == "message-end")
    for document in documents:
        message = (document.get("delta", {}) if stream else document).get("message") or {}
        content = message.get("content") or []
        for part in [content] if isinstance(content, dict) else content:
            said.text += part.get("text") or ""
            said.reasoning += part.get("thinking") or ""
        said.text += message.get("tool_plan") or ""
        given = message.get("tool_calls") or []
        for at, call in enumerate([given] if isinstance(given, dict) else given):
            row = calls.setdefault(document.get("index", at), ["", ""])
            row[0] += call["function"].get("name") or ""
            row[1] += call["function"].get("arguments") or ""
    said.calls = [(name, _json(arguments)) for name, arguments in calls.values()]
    said.finish = COHERE_FINISH.get(end["finish_reason"], "stop")
    usage = end.get("usage") or {}
    if tokens := usage.get("tokens") or usage.get("billed_units"):
        said.tokens = (tokens.get("input_tokens", 0), tokens.get("output_tokens", 0))
    return said


def said_by_ollama(documents: list[dict[str, Any]]) -> Said:
    """Of a whole reply (one document) or the lines of a stream."""
    said = Said()
    for document in documents:
        message = document.get("message") or {}
        said.text += message.get("content") or ""
        said.reasoning += message.get("thinking") or ""
        calls = [call["function"] for call in message.get("tool_calls") or []]
        said.calls += [(call["name"], call["arguments"]) for call in calls]
        if document["done"]:
            said.finish = "length" if document["done_reason"] == "length" else "stop"
            if "eval_count" in document:
                said.tokens = (document.get("prompt_eval_count", 0), document["eval_count"])
    if said.calls and said.finish == "stop":
        said.finish = "tool_calls"
    return said


def vectors_of(body: Any) -> list[list[float]]:
    """The vectors of an answer in one of the formats that are not OpenAI's."""
    if "predictions" in body:
        return [row["embeddings"]["values"] for row in body["predictions"]]
    rows = body["embeddings"] if isinstance(body, dict) else [body]
    if isinstance(rows, dict):  # by the type of number
        rows = rows["float"]
    return [row["values"] if isinstance(row, dict) else row for row in rows]


def lines(data: bytes) -> list[dict[str, Any]]:
    """The JSON documents of a stream of lines."""
    return [json.loads(line) for line in data.splitlines() if line.strip()]


def events(data: bytes) -> list[dict[str, Any]]:
    """The JSON documents of a stream."""
    lines = data.decode().replace("\r\n", "\n").split("\n")
    rows = [line[5:].strip() for line in lines if line.startswith("data:")]
    return [json.loads(row) for row in rows if row and row != "[DONE]"]


def _json(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except json.JSONDecodeError:
        return text
