"""How a body travels: PASS, PATCH or TRANSLATE, and what each does to it."""

import msgspec
import pytest
from msgspec import Raw

from core.played import HELLO, call, deployment
from headgate import errors
from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.core.prepare import PASS, PATCH, TRANSLATE, Prepared, prepare
from headgate.wire.dialect import Frame

CLAUDE = "anthropic/claude-sonnet-4-5"
FRAME = Frame(id="ours", created=1, model="m")


def body(prepared: Prepared) -> dict[str, object]:
    return msgspec.json.decode(prepared.body)


def made(asked: Call, target: Deployment) -> dict[str, object]:
    return body(prepare(asked, target))


def test_the_same_format_passes_with_the_model_alone_changed() -> None:
    odd = {"x_new_field": {"a": [1, "é"]}, "messages": [{"role": "user", "content": "Hi", "zzz": 1}]}
    asked = call(odd)
    asked.envelope["spaced"] = Raw(b'[2.50,  "\\u00e9"]')
    prepared = prepare(asked, deployment())
    assert prepared.path is PASS
    assert body(prepared) == {"model": "gpt-4o", **odd, "spaced": [2.5, "é"]}
    assert b'[2.50,  "\\u00e9"]' in prepared.body


def test_a_provider_with_quirks_patches() -> None:
    asked = call({"max_completion_tokens": 5})
    prepared = prepare(asked, deployment("mistral/mistral-large-latest"))
    assert prepared.path is PATCH
    assert body(prepared)["max_tokens"] == 5


CLAUDES = {
    "role": "assistant",
    "content": "4",
    "reasoning_content": "2 and 2",
    "thinking_blocks": [{"type": "thinking", "thinking": "2 and 2", "signature": "s"}],
}
GEMINIS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c", "type": "function", "provider_specific_fields": {"thought_signature": "s"}}],
}


@pytest.mark.parametrize(
    ("model", "params"), [("openai/gpt-4o", {}), ("azure/gpt-4o", {"api_base": "https://a.openai.azure.com"})]
)
def test_thoughts_that_others_signed_stay_with_us(model: str, params: dict[str, str]) -> None:
    asked = call({"messages": [{"role": "user", "content": "2 and 2?"}, CLAUDES, GEMINIS]})
    prepared = prepare(asked, deployment(model, **params))
    assert prepared.path is PATCH
    _, claudes, geminis = body(prepared)["messages"]  # type: ignore[misc]  # a list
    assert claudes == {"role": "assistant", "content": "4"}
    assert geminis == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function"}],
    }
    assert asked.dropped == ["messages.thinking_blocks"]


def test_another_server_under_the_same_name_may_take_them() -> None:
    asked = call({"messages": [CLAUDES, GEMINIS]})
    prepared = prepare(asked, deployment(api_base="https://gateway.example/v1"))
    assert (prepared.path, asked.dropped) == (PASS, [])
    assert body(prepared)["messages"] == [CLAUDES, GEMINIS]


def test_where_nothing_is_to_be_taken_out_messages_are_not_read() -> None:
    odd = b'[{"role":"user","content":"Hi",  "n":1.50}]'
    asked = call({})
    asked.envelope["messages"] = Raw(odd)
    prepared = prepare(asked, deployment("deepseek/deepseek-chat"))
    assert odd in prepared.body


def test_another_format_is_translated() -> None:
    prepared = prepare(call({"max_tokens": 9}), deployment(CLAUDE))
    assert prepared.path is TRANSLATE
    assert body(prepared)["max_tokens"] == 9
    assert b"anthropic-version" in prepared.head


def test_a_picture_that_is_fetched_first_is_not_refused() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://h/cat.png"}}
    asked = call({"messages": [{"role": "user", "content": [picture]}]})
    target = deployment("bedrock/us.amazon.nova-lite-v1:0", aws_region_name="us-west-2")
    first = prepare(asked, target)
    (source,) = first.remote
    source.kind, source.value, source.media_type = "data", "iVBORw0KGgo=", "image/png"
    assert b"iVBORw0KGgo=" in prepare(asked, target, first.request).body


def test_what_speaks_to_the_gateway_stays_here() -> None:
    ours = {"num_retries": 1, "fallbacks": ["x"], "drop_params": True, "timeout": 5, "tags": ["a"]}
    for target in (deployment(), deployment(CLAUDE)):
        assert ours.keys().isdisjoint(made(call(ours), target))


@pytest.mark.parametrize(("metadata", "kept"), [({"a": "b"}, True), ({"a": {"b": 1}}, False), ([1], False)])
def test_metadata_travels_where_it_is_openais(metadata: object, kept: bool) -> None:
    assert ("metadata" in made(call({"metadata": metadata}), deployment())) is kept


@pytest.mark.parametrize("model", ["openai/gpt-4o", CLAUDE])
def test_defaults_fill_what_the_caller_left_out(model: str) -> None:
    target = deployment(model, temperature=0.25, max_tokens=7)
    assert made(call(), target)["temperature"] == 0.25
    assert made(call({"temperature": 1}), target)["temperature"] == 1


@pytest.mark.parametrize("model", ["openai/gpt-4o", CLAUDE])
def test_extra_body_goes_over_everything(model: str) -> None:
    target = deployment(model, extra_body={"temperature": 0.125, "new": {"a": 1}})
    sent = made(call({"temperature": 1}), target)
    assert (sent["temperature"], sent["new"]) == (0.125, {"a": 1})


@pytest.mark.parametrize("model", ["openai/gpt-4o", CLAUDE])
def test_additional_drop_params_are_left_out(model: str) -> None:
    sent = made(call({"temperature": 1}), deployment(model, additional_drop_params=["temperature"]))
    assert "temperature" not in sent


def test_a_parameter_that_the_target_lacks_is_an_error_or_dropped_and_reported() -> None:
    with pytest.raises(errors.UnsupportedParamsError) as caught:
        prepare(call({"logit_bias": {"1": 1}}), deployment(CLAUDE))
    assert caught.value.param == "logit_bias"
    for asked, target in (
        (call({"logit_bias": {"1": 1}}, drop_params=True), deployment(CLAUDE)),
        (call({"logit_bias": {"1": 1}}), deployment(CLAUDE, drop_params=True)),
    ):
        assert "logit_bias" not in made(asked, target)
        assert asked.dropped == ["logit_bias"]
    with pytest.raises(errors.UnsupportedParamsError):  # the call's word counts
        prepare(call({"logit_bias": {"1": 1}}, drop_params=False), deployment(CLAUDE, drop_params=True))


def test_usage_is_asked_for_in_a_stream_and_hidden_from_who_did_not_ask() -> None:
    prepared = prepare(call(stream=True), deployment())
    assert body(prepared)["stream_options"] == {"include_usage": True}
    assert prepared.strip_usage
    options = {"stream_options": {"include_usage": True, "x": 1}}
    asked = prepare(call(options, stream=True), deployment())
    assert body(asked)["stream_options"] == options["stream_options"]
    assert not asked.strip_usage
    other = prepare(call({"stream_options": {"x": 1}}, stream=True), deployment())
    assert body(other)["stream_options"] == {"x": 1, "include_usage": True}
    assert other.strip_usage
    assert not prepare(call(stream=True, show_usage=True), deployment()).strip_usage


def test_the_callers_request_is_not_changed_by_an_attempt() -> None:
    asked = call({"tags": ["a"], "temperature": 1})
    before = dict(asked.envelope)
    prepare(asked, deployment(CLAUDE))
    prepare(asked, deployment("mistral/mistral-large-latest"))
    prepare(asked, deployment())
    assert asked.envelope == before


def test_headers_of_the_callers_format_go_along_and_betas_are_joined() -> None:
    asked = call({"max_tokens": 5}, dialect_name="anthropic")
    asked.forward = (("anthropic-beta", "b, c"), ("anthropic-version", "2024-01-01"))
    lines = prepare(asked, deployment(CLAUDE, extra_headers={"anthropic-beta": "a,b"})).head.split(b"\r\n")
    assert b"anthropic-beta: a,b,c" in lines
    assert [line for line in lines if line.startswith(b"anthropic-version")] == [
        b"anthropic-version: 2024-01-01"
    ]


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\x00b"])
def test_a_header_that_would_break_the_request_is_refused(value: str) -> None:
    with pytest.raises(errors.BadRequestError, match="x-a"):
        prepare(call(), deployment(extra_headers={"x-a": value}))


def test_cache_marks_reach_servers_that_take_them() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    text = {"type": "text", "text": "Long", "cache_control": mark}
    result = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": "5",
        "cache_control": {"type": "ephemeral"},
    }
    asked = {
        "max_tokens": 5,
        "system": [text],
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
            {"role": "user", "content": [result, {"type": "text", "text": "and?"}]},
        ],
    }
    router = made(call(asked, dialect_name="anthropic"), deployment("openrouter/anthropic/claude-sonnet-4.5"))
    assert router["messages"][0] == {"role": "system", "content": [text]}
    assert router["messages"][3]["content"] == [
        {"type": "text", "text": "5", "cache_control": {"type": "ephemeral"}}
    ]
    assert router["messages"][4] == {"role": "user", "content": "and?"}
    plain = made(call(asked, dialect_name="anthropic"), deployment())
    assert b"cache_control" not in msgspec.json.encode(plain)


def test_messages_are_read_once_for_several_attempts() -> None:
    asked = call({"messages": HELLO, "max_tokens": 5})
    prepare(asked, deployment(CLAUDE))
    first = asked.request
    prepare(asked, deployment("gemini/gemini-2.5-flash"))
    assert asked.request is first


def test_a_deployments_settings_are_said_in_every_format() -> None:
    """They are in the words of OpenAI's chat; what that has no words for is the provider's own."""
    filters = [{"category": "A", "threshold": "B"}]
    made = deployment(
        "gemini/gemini-2.5-flash", temperature=0.3, max_tokens=7, stop=["x"], safetySettings=filters
    )
    asked = call({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}, dialect_name="gemini")
    del asked.envelope["messages"]
    asked.envelope["generationConfig"] = msgspec.Raw(b'{"temperature":0.9}')
    body = msgspec.json.decode(prepare(asked, made).body)
    assert body["generationConfig"] == {"temperature": 0.9, "maxOutputTokens": 7, "stopSequences": ["x"]}
    assert body["safetySettings"] == filters
    other = msgspec.json.decode(prepare(call({"max_tokens": 5}, dialect_name="anthropic"), made).body)
    assert other["generationConfig"] == {"temperature": 0.3, "maxOutputTokens": 5, "stopSequences": ["x"]}


def test_tools_of_free_text_are_remembered_for_the_answer() -> None:
    tool = {"type": "custom", "custom": {"name": "sh"}}
    prepared = prepare(call({"tools": [tool]}), deployment(CLAUDE))
    assert prepared.echo is not None
    assert prepared.echo.free == ["sh"]
    assert prepare(call({"tools": [tool]}), deployment()).echo is None


FUNCTION = [
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
]


@pytest.mark.parametrize(
    ("model", "asked", "responses"),
    [
        ("openai/gpt-5.6-luna", {"tools": FUNCTION}, True),
        ("openai/gpt-6-astra", {"tools": FUNCTION, "reasoning_effort": "low"}, True),
        ("openai/gpt-6-luna", {"tools": FUNCTION, "reasoning_effort": "none"}, False),
        ("openai/gpt-6-luna", {"tools": []}, False),
        ("openai/gpt-5.4", {"tools": FUNCTION}, False),
        ("openai/gpt-5.4", {"tools": FUNCTION, "reasoning_effort": "high"}, True),
        ("openai/gpt-5.1", {"tools": FUNCTION, "reasoning_effort": "high"}, False),
        ("openai/gpt-5.1-codex", {}, True),
        ("openai/gpt-5.2-pro", {}, True),
        ("openai/gpt-4o", {"tools": FUNCTION}, False),
        ("openai/responses/gpt-4o", {}, True),
    ],
)
def test_what_chat_refuses_goes_to_responses(model: str, asked: dict[str, object], responses: bool) -> None:
    prepared = prepare(call(asked), deployment(model))
    assert prepared.route.url.endswith("/responses" if responses else "/chat/completions")
    assert prepared.route.dialect.name == ("responses" if responses else "openai_chat")
    assert ("input" in body(prepared)) is responses


@pytest.mark.parametrize(
    ("model", "info", "url"),
    [
        ("openai/responses/o9", {}, "http://localhost:1/v1/responses"),
        ("openai/o9", {"mode": "responses"}, "http://localhost:1/v1/responses"),
        ("openai/o9", {"mode": "chat"}, "http://localhost:1/v1/chat/completions"),
        ("azure/responses/o9", {}, "http://localhost:1/v1/openai/v1/responses"),
        ("cerebras/responses/o9", {}, "http://localhost:1/v1/chat/completions"),
    ],
)
def test_chats_go_to_responses_where_the_user_says_so(model: str, info: dict[str, str], url: str) -> None:
    target = deployment(model, api_base="http://localhost:1/v1", info=info)
    prepared = prepare(call(), target)
    assert prepared.route.url.split("?")[0] == url
    assert body(prepared)["model"] == ("responses/o9" if model.startswith("cerebras") else "o9")


def test_the_tools_of_another_format_go_to_responses_too() -> None:
    thinking: dict[str, object] = {"type": "enabled", "budget_tokens": 4096}
    tools = [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
    for asked, path in (
        ({"tools": tools}, "/chat/completions"),
        ({"tools": tools, "thinking": thinking}, "/responses"),
        ({"tools": tools, "thinking": {"type": "disabled"}}, "/chat/completions"),
        ({"thinking": thinking}, "/chat/completions"),
    ):
        asked_in = call({"max_tokens": 5000, **asked}, dialect_name="anthropic")
        assert prepare(asked_in, deployment("openai/gpt-5.4")).route.url.endswith(path)


ITEM = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
CALLED = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ANSWERED = {
    "id": "resp_1",
    "status": "completed",
    "output": [ITEM, {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}],
}


def _again(item: object) -> dict[str, object]:
    said = {"role": "assistant", "content": None, "reasoning_items": [item], "tool_calls": [CALLED]}
    result = {"role": "tool", "tool_call_id": "c1", "content": "4"}
    return {"messages": [*HELLO, said, result], "tools": FUNCTION}


def test_what_the_model_thought_comes_back_to_its_own_account_only() -> None:
    target, same = (deployment("openai/gpt-6-luna", api_key="sk-one") for _ in range(2))
    prepared = prepare(call({"tools": FUNCTION}), target)
    assert body(prepared)["include"] == ["reasoning.encrypted_content"]
    reply = prepared.route.dialect.read_reply(msgspec.json.encode(ANSWERED), prepared.echo)
    told = msgspec.json.decode(dialect("openai_chat").write_reply(reply, FRAME))["choices"][0]["message"]
    (item,) = told["reasoning_items"]
    assert item == {**ITEM, "account": target.account}
    assert "sk-one" not in str(item)
    assert made(call(_again(item)), same)["input"][1] == ITEM  # type: ignore[index]
    other = deployment("openai/gpt-6-luna", api_key="sk-two")
    asked = call(_again(item))
    kinds = [one.get("type") for one in made(asked, other)["input"]]  # type: ignore[attr-defined]
    assert kinds == ["message", "function_call", "function_call_output"]
    assert asked.dropped == ["reasoning sealed for another account"]
    unknown = {name: value for name, value in item.items() if name != "account"}
    assert made(call(_again(unknown)), other)["input"][1] == ITEM  # type: ignore[index]


@pytest.mark.parametrize("model", ["openai/gpt-4o", "openai/gpt-5.1-chat-latest"])
def test_models_that_do_not_reason_are_asked_for_no_thoughts(model: str) -> None:
    assert deployment(model).account == ""


def test_one_organisation_is_one_account() -> None:
    one, two = (
        deployment("openai/gpt-6-luna", api_key=key, organization="org-a") for key in ("sk-1", "sk-2")
    )
    assert one.account == two.account != ""


@pytest.mark.parametrize(
    ("model", "thought", "path"),
    [
        (CLAUDE, {"type": "thinking", "thinking": "Hm.", "signature": "own"}, PASS),
        (CLAUDE, {"type": "thinking", "thinking": "Hm.", "signature": ""}, TRANSLATE),
        (CLAUDE, {"type": "thinking", "thinking": "Hm.", "signature": "headgate.responses.s..g"}, TRANSLATE),
        (CLAUDE, {"type": "redacted_thinking", "data": "headgate.gemini.r..g"}, TRANSLATE),
    ],
)
def test_claude_gets_no_thoughts_of_others(model: str, thought: dict[str, str], path: str) -> None:
    said = {"role": "assistant", "content": [thought, {"type": "text", "text": "Yes"}]}
    asked = call({"messages": [*HELLO, said, *HELLO], "max_tokens": 5}, dialect_name="anthropic")
    prepared = prepare(asked, deployment(model))
    assert prepared.path == path
    kept = body(prepared)["messages"][1]["content"]  # type: ignore[index]
    kinds = [kept] if isinstance(kept, str) else [part["type"] for part in kept]
    assert (thought["type"] in kinds) is (path == PASS)
    elsewhere = deployment(model, api_base="http://localhost:1")
    unsigned = thought.get("signature") == ""
    assert (prepare(asked, elsewhere).path == PASS) is (path == PASS or unsigned)


def test_responses_gets_no_seals_of_others() -> None:
    sealed = {**ITEM, "encrypted_content": "headgate.anthropic.s..sig"}
    for item, path, count in ((sealed, TRANSLATE, 1), (ITEM, PATCH, 2)):
        asked = call({"input": [item, {"role": "user", "content": "Hi"}]}, dialect_name="responses")
        asked.operation = "responses"
        del asked.envelope["messages"]
        prepared = prepare(asked, deployment("openai/gpt-6-luna"))
        assert prepared.path == path
        assert len(body(prepared)["input"]) == count  # type: ignore[arg-type]


def test_other_servers_under_the_name_are_asked_as_they_are() -> None:
    target = deployment("openai/gpt-6-luna", api_base="http://localhost:1/v1")
    assert prepare(call({"tools": FUNCTION}), target).route.url == "http://localhost:1/v1/chat/completions"
