"""Tools that may be used: what the target can't say is said by leaving the others out."""

from typing import Any

import pytest

from headgate.core.dialects import dialect
from headgate.wire import ir
from headgate.wire.allowed import narrowed
from headgate.wire.dialect import Target

HI = [{"role": "user", "content": "Hi"}]
CHAT_TOOLS = [
    *({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in "abc"),
    {"type": "web_search"},
]
TOOLS = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in "abc"]
CHAT = {
    "type": "allowed_tools",
    "allowed_tools": {
        "mode": "required",
        "tools": [
            {"type": "function", "function": {"name": "a"}},
            {"type": "function", "name": "c"},
            {"type": "web_search"},
        ],
    },
}
RESPONSES = {
    "type": "allowed_tools",
    "mode": "auto",
    "tools": [{"type": "function", "name": "a"}, {"type": "function", "name": "c"}],
}
GOOGLE = {
    "contents": [{"parts": [{"text": "Hi"}]}],
    "tools": [{"functionDeclarations": [{"name": name} for name in "abc"]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a", "c"]}},
}


def asked(name: str, body: dict[str, Any]) -> ir.Request:
    request = dialect(name).read_request({"model": "m", **body})
    assert isinstance(request, ir.Request)
    return request


ASKED = {
    "openai_chat": {"messages": HI, "tools": CHAT_TOOLS, "tool_choice": CHAT},
    "responses": {"input": "Hi", "tools": TOOLS, "tool_choice": RESPONSES},
    "gemini": GOOGLE,
}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("target", ["anthropic", "openai_chat", "responses", "gemini", "bedrock_converse"])
def test_only_what_may_be_used_arrives(name: str, target: str) -> None:
    request = asked(name, ASKED[name])
    spoken = dialect(target)
    fitted = narrowed(request, spoken.family)
    if target == name:
        assert fitted is request
        return
    kinds = [tool.name for tool in fitted.tools or () if isinstance(tool, ir.Tool)]
    assert kinds == ["a", "c"]
    assert fitted.tool_choice is not None
    assert fitted.tool_choice.mode == ("auto" if name == "responses" else "required")
    written = str(spoken.write_request(fitted, Target(model="m")).body)
    assert "'b'" not in written
    assert "'c'" in written


@pytest.mark.parametrize("name", ASKED)
def test_its_own_format_gets_it_back_as_it_came(name: str) -> None:
    request = asked(name, ASKED[name])
    body = dialect(name).write_request(narrowed(request, dialect(name).family), Target(model="m")).body
    for key in ("tool_choice", "toolConfig"):
        assert body.get(key) == ASKED[name].get(key)
    assert str(body).count("'b'") == 1


def test_names_that_no_tool_has_leave_all_as_it_was() -> None:
    choice = ir.ToolChoice(mode="auto", allowed=("x",), extra={"openai": {}})
    request = ir.Request(model="m", turns=[], tools=[ir.Tool(name="a")], tool_choice=choice)
    assert narrowed(request, "anthropic") is request


@pytest.mark.parametrize("tools", [None, "a", [1, {"type": 2}, {"type": "function", "function": 3}], {}])
def test_strange_lists_allow_all(tools: Any) -> None:
    value = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": tools}}
    request = asked("openai_chat", {"messages": HI, "tools": CHAT_TOOLS, "tool_choice": value})
    assert request.tool_choice is not None
    assert len(narrowed(request, "anthropic").tools or ()) == len(CHAT_TOOLS)
