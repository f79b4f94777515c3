"""Recorded traffic, and what a recorded answer says, read the simplest way: the tests' own idea of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent / "shared" / "wire"

PROVIDERS = {
    "openai": "openai",
    "azure-openai": "azure",
    "anthropic": "anthropic",
    "google-gemini": "gemini",
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
    "zai": "zai",
    "avian": "custom_openai",
    "gpustack": "custom_openai",
    "llama-cpp": "llamafile",
    "portkey": "custom_openai",
    "ollama-cloud": "ollama",
    "writer": "custom_openai",
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
)

LEFT_OUT = {
    "/api/chat": "Ollama's own format: its rows use the OpenAI-compatible address",
    "/api/generate": "Ollama's own format",
    "/api/embed": "Ollama's own format",
    "/api/pull": "Ollama's management, no model call",
    "/organization/usage/": "OpenAI's administration, no model call",
    "pharia.ai/v1/complete": "Aleph Alpha's own format of text completions",
    "/v1/complete": "Anthropic's text completions, replaced by Messages",
    "/models": "lists and management of a provider's own models: a gateway answers with its own list",
    "/j2-": "AI21's own format of text completions, for models that are gone",
    "api.writer.com/v1/completions": "Writer's own format of text completions",
    "api.aleph-alpha.com/complete": "Aleph Alpha's own format of text completions",
    "_embed": "Aleph Alpha's own format of embeddings",
    "pharia.ai/v1/embed": "Aleph Alpha's own format of embeddings",
    "/feature-extraction": "Hugging Face's own format of embeddings",
    "/responses/compact": "a service of OpenAI's beside the model call",
    "/responses/input_tokens": "a service of OpenAI's beside the model call",
    "#stream": "a marker of the recorder in the address",
}


def records() -> Iterator[dict[str, Any]]:
    for line in (ROOT / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["provider"] in PROVIDERS and entry["api"] in APIS:
            yield {**json.loads((ROOT / entry["file"]).read_text()), "id": entry["id"]}


def reason_left_out(record: dict[str, Any]) -> str | None:
    url, request = record["request"]["url"], record["request"]
    if record["api"] == "models" or request["method"] != "POST":
        return LEFT_OUT["/models"] if "usage" not in url else LEFT_OUT["/organization/usage/"]
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


_SPEAKS = {"messages": "chat", "generateContent": "chat"}


ELSEWHERE = {"bedrock": {"chat"}}
"""What tests of their own replay: tests/server/test_bedrock.py."""


def replayed() -> dict[str, set[str]]:
    """The operations of each row whose recorded traffic is replayed."""
    found = {name: set(operations) for name, operations in ELSEWHERE.items()}
    for record in records():
        if reason_left_out(record) is None:
            operation = _SPEAKS.get(record["api"], record["api"])
            found.setdefault(PROVIDERS[record["provider"]], set()).add(operation)
    return found


def answer_bytes(record: dict[str, Any]) -> bytes:
    response = record["response"]
    if "sse" in response:
        return response["sse"].encode()
    body = response.get("body")
    return body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()


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
            said.text += json.dumps(content) if isinstance(content, dict) else content
            said.reasoning += message.get("reasoning_content") or ""
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
            for part in (candidate.get("content") or {}).get("parts") or []:
                if "functionCall" in part:
                    said.calls.append((part["functionCall"]["name"], part["functionCall"].get("args") or {}))
                elif "text" in part and part.get("thought"):
                    said.reasoning += part["text"]
                elif "text" in part:
                    said.text += part["text"]
    said.finish = "stop" if raw is None else GEMINI_FINISH.get(raw, "content_filter")
    if said.calls and said.finish == "stop":
        said.finish = "tool_calls"
    prompt = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    output, thoughts = usage.get("candidatesTokenCount", 0), usage.get("thoughtsTokenCount", 0)
    if prompt + output != usage.get("totalTokenCount"):
        output += thoughts
    said.tokens = (prompt, output) if usage else None
    return said


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
