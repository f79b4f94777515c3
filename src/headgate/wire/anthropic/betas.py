"""Which `anthropic-beta` names a body needs, by the features in it.

https://docs.anthropic.com/en/api/beta-headers. The table holds only features that the API refuses without.
"""

from typing import Any, Final

_MCP: Final = "mcp-client-2025-04-04"
_MCP_TOOLSET: Final = "mcp-client-2025-11-20"
_ADVANCED: Final = "advanced-tool-use-2025-11-20"
_FILES: Final = "files-api-2025-04-14"
_TOOL_CHANGES: Final = "mid-conversation-tool-changes-2026-07-01"

_BY_KEY: Final = {
    "context_management": "context-management-2025-06-27",
    "fallbacks": "server-side-fallback-2026-07-01",
    "output_format": "structured-outputs-2025-11-13",
}
_BY_TOOL: Final = {
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
    "code_execution_20250825": "code-execution-2025-08-25",
    "web_fetch_20250910": "web-fetch-2025-09-10",
    "memory_20250818": "context-management-2025-06-27",
    "tool_search_tool_regex_20251119": _ADVANCED,
    "tool_search_tool_bm25_20251119": _ADVANCED,
    "advisor_20260301": "advisor-tool-2026-03-01",
    "mcp_toolset": _MCP_TOOLSET,
}
_FEATURES: Final = frozenset((*_BY_KEY, "tools", "mcp_servers", "speed", "container", "output_config"))
"""Keys without which only what is in the messages may need a beta."""
_BY_TOOL_KEY: Final = ("defer_loading", "allowed_callers", "input_examples")
_BY_BLOCK: Final = {"container_upload": _FILES, "tool_addition": _TOOL_CHANGES, "tool_removal": _TOOL_CHANGES}


def needed(body: dict[str, Any], effort_beta: bool) -> list[str]:
    """Beta names for a written body, each once. `effort_beta`: effort is still a beta on this model."""
    found: dict[str, None] = {}
    if not _FEATURES.isdisjoint(body):
        _named(body, effort_beta, found)
    for message in body["messages"]:
        if isinstance(message["content"], list):
            _blocks(message["content"], found)
    return list(found)


def _named(body: dict[str, Any], effort_beta: bool, found: dict[str, None]) -> None:
    """By the body's own keys."""
    found.update((name, None) for key, name in _BY_KEY.items() if key in body)
    for tool in body.get("tools", ()):
        name = _BY_TOOL.get(tool.get("type", ""))
        if name:
            found[name] = None
        elif not tool.get("type") and any(tool.get(key) for key in _BY_TOOL_KEY):
            found[_ADVANCED] = None
    if "mcp_servers" in body and _MCP_TOOLSET not in found:
        found[_MCP] = None
    _special(body, found)
    config = body.get("output_config")
    if isinstance(config, dict):
        if effort_beta and "effort" in config:
            found["effort-2025-11-24"] = None
        if "task_budget" in config:
            found["task-budgets-2026-03-13"] = None


def _special(body: dict[str, Any], found: dict[str, None]) -> None:
    if body.get("speed") == "fast":
        found["fast-mode-2026-02-01"] = None
    container = body.get("container")
    if isinstance(container, dict) and container.get("skills"):
        found["skills-2025-10-02"] = None
    management = body.get("context_management")
    edits = management.get("edits") if isinstance(management, dict) else None
    for edit in edits if isinstance(edits, list) else ():
        if isinstance(edit, dict) and edit.get("type") == "compact_20260112":
            found["compact-2026-01-12"] = None


def _blocks(content: list[dict[str, Any]], found: dict[str, None]) -> None:
    for block in content:
        name = _BY_BLOCK.get(block["type"])
        source = block.get("source")
        if name:
            found[name] = None
        if isinstance(source, dict) and source.get("type") == "file":
            found[_FILES] = None
        inner = block.get("content")
        if block["type"] == "tool_result" and isinstance(inner, list):
            _blocks(inner, found)
