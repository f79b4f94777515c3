"""What a request of any format becomes in Converse's words, model by model; and bad input is named."""

import json
from typing import Any

import pytest

from headgate.errors import BadRequestError
from headgate.wire import ir
from headgate.wire.bedrock import DIALECT
from headgate.wire.bedrock.models import facts_of
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.openai_chat import DIALECT as CHAT

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"
PNG = "iVBORw0KGgo="
TOOL = ir.Tool(name="weather", description="w", parameters={"type": "object", "properties": {}})


def user(*blocks: ir.Block) -> ir.Turn:
    return ir.Turn(role="user", blocks=list(blocks))


def assistant(*blocks: ir.Block) -> ir.Turn:
    return ir.Turn(role="assistant", blocks=list(blocks))


def write(model: str = CLAUDE, *turns: ir.Turn, **fields: Any) -> ir.Written:
    request = ir.Request(model="m", turns=list(turns) or [user(ir.Text("Hi"))], **fields)
    return DIALECT.write_request(request, Target(model=model))


def content(written: ir.Written, at: int = -1) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = written.body["messages"][at]["content"]
    return found


# --- conversation ----------------------------------------------------------------------------------------


def test_turns_of_one_side_are_one_and_results_open_it() -> None:
    call = ir.ToolCall(id="c", name="weather", arguments='{"a":1}')
    result = ir.ToolResult(call_id="c", content=[ir.Text("sunny")], is_error=False)
    written = write(
        CLAUDE,
        user(ir.Text("Hi")),
        assistant(call, ir.Text("Let me see")),
        user(ir.Text("and?")),
        user(result),
        tools=[TOOL],
    )
    assert [message["role"] for message in written.body["messages"]] == ["user", "assistant", "user"]
    assert content(written, 1) == [
        {"text": "Let me see"},
        {"toolUse": {"toolUseId": "c", "name": "weather", "input": {"a": 1}}},
    ]
    assert content(written) == [
        {"toolResult": {"toolUseId": "c", "content": [{"text": "sunny"}], "status": "success"}},
        {"text": "and?"},
    ]


def test_blank_texts_are_left_out_and_a_prefill_is_trimmed() -> None:
    written = write(CLAUDE, user(ir.Text(" "), ir.Text("Hi")), assistant(ir.Text("Well, \n")))
    assert content(written, 0) == [{"text": "Hi"}]
    assert content(written) == [{"text": "Well,"}]


def test_a_model_without_system_prompts_hears_it_from_the_user() -> None:
    turns = (ir.Turn(role="system", blocks=[ir.Text("Be brief")]), user(ir.Text("Hi")))
    assert "system" not in write("amazon.titan-text-express-v1", *turns).body
    assert content(write("amazon.titan-text-express-v1", *turns), 0) == [{"text": "Be brief"}, {"text": "Hi"}]
    assert write(CLAUDE, *turns).body["system"] == [{"text": "Be brief"}]


def test_cache_marks_become_cache_points_at_most_four() -> None:
    mark = ir.Cache(ttl="1h")
    tools: list[ir.Tool | ir.HostedTool] = [ir.Tool(name="t", cache=mark)]
    turns = (
        ir.Turn(role="system", blocks=[ir.Text("s", cache=mark)]),
        user(*(ir.Text(str(n), cache=mark) for n in range(4))),
    )
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    written = write(CLAUDE, *turns, tools=tools)
    assert written.body["toolConfig"]["tools"][-1] == point
    assert written.body["system"] == [{"text": "s"}]
    assert content(written) == [
        {"text": "0"}, {"text": "1"}, point, {"text": "2"}, point, {"text": "3"}, point,
    ]  # fmt: skip
    nova = write(NOVA, *turns, tools=tools)
    assert len(nova.body["toolConfig"]["tools"]) == 1
    assert nova.body["system"][-1] == {"cachePoint": {"type": "default"}}
    llama = write("meta.llama3-70b-instruct-v1:0", *turns, tools=tools)
    assert b"cachePoint" not in json.dumps(llama.body).encode()


def test_a_mark_inside_a_tool_result_stands_behind_it() -> None:
    result = ir.ToolResult(call_id="c", content=[ir.Text("x", cache=ir.Cache())])
    written = write(CLAUDE, assistant(ir.ToolCall(id="c", name="t")), user(result))
    assert content(written)[1] == {"cachePoint": {"type": "default"}}


def test_cache_points_are_read_as_marks() -> None:
    body = {
        "system": [{"text": "s"}, {"cachePoint": {"type": "default"}}],
        "messages": [{"role": "user", "content": [{"cachePoint": {"type": "default"}}, {"text": "a"}]}],
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "t"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        },
    }
    request = DIALECT.read_request(body)
    assert request.turns[0].blocks == [ir.Text("s", cache=ir.Cache())]
    assert isinstance(request.turns[1].blocks[0], ir.Opaque)
    assert request.tools is not None
    assert isinstance(request.tools[0], ir.Tool)
    assert request.tools[0].cache == ir.Cache(ttl="1h")


# --- media -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "node"),
    [
        (
            ir.Image(ir.Source("data", PNG, "image/png")),
            {"image": {"format": "png", "source": {"bytes": PNG}}},
        ),
        (ir.Image(ir.Source("data", PNG)), {"image": {"format": "png", "source": {"bytes": PNG}}}),
        (
            ir.Image(ir.Source("url", "s3://b/a.jpg")),
            {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/a.jpg"}}}},
        ),
        (
            ir.File(ir.Source("data", "JVBERg==", "application/pdf"), name="my report_1.pdf"),
            {"document": {"format": "pdf", "name": "my report-1", "source": {"bytes": "JVBERg=="}}},
        ),
        (
            ir.File(ir.Source("text", "hi"), name="n", context="c", citations=True),
            {
                "document": {
                    "format": "txt",
                    "name": "n",
                    "source": {"bytes": "aGk="},
                    "context": "c",
                    "citations": {"enabled": True},
                }
            },
        ),
        (
            ir.File(ir.Source("data", "AAAA", "video/3gpp")),
            {"video": {"format": "three_gp", "source": {"bytes": "AAAA"}}},
        ),
        (
            ir.File(ir.Source("data", PNG, "image/png")),
            {"image": {"format": "png", "source": {"bytes": PNG}}},
        ),
        (
            ir.Audio(ir.Source("data", "AAAA"), format="mp3"),
            {"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}},
        ),
    ],
)
def test_media(block: ir.Block, node: dict[str, Any]) -> None:
    written = write(CLAUDE, user(ir.Text("Look"), block))
    assert written.dropped == []
    assert content(written)[1] == node
    again = DIALECT.read_request(written.body).turns[0].blocks[1]
    assert not isinstance(again, ir.Opaque)
    assert content(write(CLAUDE, user(ir.Text("Look"), again)))[1] == node


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (ir.Image(ir.Source("data", "AAAA", "image/bmp")), "image of type image/bmp"),
        (ir.Image(ir.Source("url", "https://example.com/a.png")), "image by url"),
        (
            ir.File(ir.Source("id", "file-1", "application/pdf", "anthropic")),
            "file by id of anthropic",
        ),
        (ir.File(ir.Source("data", "AAAA", "application/zip")), "file of type application/zip"),
    ],
)
def test_media_without_a_place_are_named(block: ir.Block, words: str) -> None:
    assert write(CLAUDE, user(ir.Text("Look"), block)).dropped == [f"messages[0].content[1]: {words}"]


def test_addresses_are_fetched_but_not_those_in_s3() -> None:
    web = ir.Source("url", "https://example.com/a.png")
    inner = ir.ToolResult(call_id="c", content=[ir.Image(web)])
    turns = [user(ir.Image(ir.Source("url", "s3://b/a.png")), inner, ir.Image(ir.Source("data", PNG)))]
    assert DIALECT.remote_media(ir.Request(model="m", turns=turns)) == [web]


def test_documents_have_distinct_names_and_a_text_beside_them() -> None:
    pdf = ir.Source("data", "JVBERg==", "application/pdf")
    written = write(CLAUDE, user(ir.File(pdf, name="a.pdf"), ir.File(pdf, name="a.pdf"), ir.File(pdf)))
    assert [node["document"]["name"] for node in content(written)[:3]] == ["a", "a (2)", "Document"]
    assert content(written)[3] == {"text": "."}


# --- tools -----------------------------------------------------------------------------------------------


def test_names_and_ids_are_fitted_and_the_answer_has_the_callers_name() -> None:
    long = "functions." + "x" * 80
    call = ir.ToolCall(id="call|1/" + "y" * 80, name=long, arguments="{}")
    result = ir.ToolResult(call_id=call.id, content=[ir.Text("ok")])
    written = write(CLAUDE, assistant(call), user(result), tools=[ir.Tool(name=long)])
    spec = written.body["toolConfig"]["tools"][0]["toolSpec"]
    use, answer = content(written, 0)[0]["toolUse"], content(written)[0]["toolResult"]
    assert use["name"] == spec["name"] != long
    assert len(spec["name"]) <= 64
    assert use["toolUseId"] == answer["toolUseId"]
    assert len(use["toolUseId"]) <= 64
    node = {"toolUse": {"toolUseId": "t", "name": spec["name"], "input": {}}}
    body = {"output": {"message": {"role": "assistant", "content": [node]}}, "stopReason": "tool_use"}
    (block,) = DIALECT.read_reply(json.dumps(body).encode(), written.echo).choices[0].turn.blocks
    assert isinstance(block, ir.ToolCall)
    assert block.name == long


@pytest.mark.parametrize(
    ("choice", "node"),
    [
        (ir.ToolChoice(mode="auto"), {"auto": {}}),
        (ir.ToolChoice(mode="required"), {"any": {}}),
        (ir.ToolChoice(mode="named", name="weather"), {"tool": {"name": "weather"}}),
    ],
)
def test_tool_choice(choice: ir.ToolChoice, node: dict[str, Any]) -> None:
    written = write(tools=[TOOL], tool_choice=choice)
    assert written.body["toolConfig"]["toolChoice"] == node
    assert DIALECT.read_request(written.body).tool_choice == choice


def test_no_tool_at_all_is_said_by_leaving_them_out() -> None:
    none = ir.ToolChoice(mode="none")
    assert "toolConfig" not in write(tools=[TOOL], tool_choice=none).body
    turns = (assistant(ir.ToolCall(id="c", name="weather")), user(ir.ToolResult(call_id="c", content=[])))
    kept = write(CLAUDE, *turns, tools=[TOOL], tool_choice=none)
    assert kept.body["toolConfig"]["tools"]
    assert kept.dropped == ["tool_choice"]


def test_one_call_at_a_time_where_the_model_can_be_told() -> None:
    written = write(tools=[TOOL], parallel_tools=False, tool_choice=ir.ToolChoice(mode="required"))
    fields = written.body["additionalModelRequestFields"]
    assert fields == {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}}
    assert DIALECT.read_request(written.body).parallel_tools is False
    assert "additionalModelRequestFields" not in write(NOVA, tools=[TOOL], parallel_tools=False).body


def test_a_conversation_with_calls_gets_a_tool_where_repairs_are_allowed() -> None:
    turns = [assistant(ir.ToolCall(id="c", name="t")), user(ir.ToolResult(call_id="c", content=[]))]
    request = ir.Request(model="m", turns=turns)
    repaired = DIALECT.write_request(request, Target(model=CLAUDE, modify_params=True)).body
    assert repaired["messages"][0] == {"role": "user", "content": [{"text": "."}]}
    assert repaired["toolConfig"]["tools"][0]["toolSpec"]["name"] == "dummy_tool"
    assert "toolConfig" not in DIALECT.write_request(request, Target(model=CLAUDE)).body


def test_tools_of_the_vendors() -> None:
    computer = {"type": "computer_20250124", "name": "computer", "display_width_px": 1}
    hosted: list[ir.Tool | ir.HostedTool] = [ir.HostedTool(family="anthropic", value=computer)]
    fields = write(tools=hosted).body["additionalModelRequestFields"]
    assert fields == {"tools": [computer], "anthropic_beta": ["computer-use-2025-01-24"]}
    both = write(
        "anthropic.claude-opus-4-5-20251101-v1:0", tools=hosted, reasoning=ir.Reasoning(effort="low")
    )
    flags = both.body["additionalModelRequestFields"]["anthropic_beta"]
    assert flags == ["computer-use-2025-01-24", "effort-2025-11-24"]
    assert write(NOVA, tools=hosted).dropped == ["tools[0]: computer_20250124"]
    search: list[ir.Tool | ir.HostedTool] = [ir.HostedTool(family="openai", value={}, kind="web_search")]
    assert write(NOVA, tools=search).body["toolConfig"]["tools"] == [
        {"systemTool": {"name": "nova_grounding"}}
    ]


SCHEMA = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}}


def test_a_schema_is_given_to_models_that_keep_it() -> None:
    output = ir.OutputFormat(kind="schema", schema=SCHEMA, name="a person")
    written = write(output=output)
    node = written.body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert node["name"] == "a_person"
    assert json.loads(node["schema"]) == {
        "type": "object",
        "properties": {"age": {"type": "integer", "description": "minimum: 0"}},
        "additionalProperties": False,
    }


def test_other_models_get_a_tool_in_its_place() -> None:
    written = write(NOVA, output=ir.OutputFormat(kind="schema", schema=SCHEMA))
    assert written.body["toolConfig"]["toolChoice"] == {"tool": {"name": "json_tool_call"}}
    node = {"toolUse": {"toolUseId": "t", "name": "json_tool_call", "input": {"age": 3}}}
    body = {"output": {"message": {"role": "assistant", "content": [node]}}, "stopReason": "tool_use"}
    reply = DIALECT.read_reply(json.dumps(body).encode(), written.echo)
    assert reply.choices[0].turn.blocks == [ir.Text('{"age":3}')]
    assert reply.choices[0].finish is not None
    assert reply.choices[0].finish.reason == "stop"
    frame = Frame(id="ours", created=1, model="ours")
    reader = DIALECT.stream_reader(written.echo)
    data = DIALECT.stream_writer(frame).write(unfold(DIALECT.read_reply(json.dumps(body).encode())))
    streamed = fold([*reader.feed(data), *reader.close()])
    assert streamed.choices == reply.choices


def test_a_tool_that_stands_in_is_never_forced_beside_thinking() -> None:
    written = write(
        "anthropic.claude-3-7-sonnet-20250219-v1:0",
        output=ir.OutputFormat(kind="schema", schema=SCHEMA),
        reasoning=ir.Reasoning(budget=2000),
    )
    assert written.body["toolConfig"]["toolChoice"] == {"auto": {}}
    assert written.dropped == []


# --- parameters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "wish", "fields"),
    [
        (CLAUDE, {"budget": 3000}, {"thinking": {"type": "enabled", "budget_tokens": 3000}}),
        (CLAUDE, {"budget": 10}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (CLAUDE, {"effort": "high"}, {"thinking": {"type": "enabled", "budget_tokens": 4096}}),
        (CLAUDE, {"budget": 0}, {"thinking": {"type": "disabled"}}),
        ("us.anthropic.claude-sonnet-5-5", {"budget": 0}, {"thinking": {"type": "between_tools"}}),
        ("anthropic.claude-haiku-5-5", {"effort": "none"}, {"thinking": {"type": "disabled"}}),
        ("anthropic.claude-opus-5-5", {"effort": "none"}, {"output_config": {"effort": "low"}}),
        (
            "anthropic.claude-opus-4-5-20251101-v1:0",
            {"effort": "low", "adaptive": False},
            {"output_config": {"effort": "low"}, "anthropic_beta": ["effort-2025-11-24"]},
        ),
        (
            "anthropic.claude-opus-4-6-v1",
            {"effort": "xhigh"},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
        (
            "anthropic.claude-opus-4-7",
            {"budget": 9000},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}},
        ),
        ("openai.gpt-oss-120b-1:0", {"effort": "minimal"}, {"reasoning_effort": "low"}),
        ("qwen.qwen3-32b-v1:0", {"effort": "max"}, {"reasoning_config": "high"}),
        (NOVA, {"effort": "low"}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        (NOVA, {"effort": "none"}, {"reasoningConfig": {"type": "disabled"}}),
        ("openai.gpt-oss-120b-1:0", {"effort": "none"}, None),
    ],
)
def test_reasoning_in_the_words_of_each_maker(
    model: str, wish: dict[str, Any], fields: dict[str, Any] | None
) -> None:
    written = write(model, reasoning=ir.Reasoning(**wish))
    assert written.body.get("additionalModelRequestFields") == fields
    assert written.dropped == []


def test_models_that_do_not_reason_say_so() -> None:
    wish = ir.Reasoning(effort="high")
    assert write("amazon.nova-pro-v1:0", reasoning=wish).dropped == ["reasoning_effort"]
    assert write("anthropic.claude-3-haiku-20240307-v1:0", reasoning=wish).dropped == ["reasoning_effort"]


def test_nova_at_its_highest_effort_takes_no_limits() -> None:
    written = write(NOVA, reasoning=ir.Reasoning(effort="high"), max_tokens=9, temperature=0.5)
    assert "inferenceConfig" not in written.body
    assert written.dropped == ["max_tokens", "temperature"]


def test_a_budget_stays_under_the_limit() -> None:
    fields = write(reasoning=ir.Reasoning(budget=8000), max_tokens=2000).body["additionalModelRequestFields"]
    assert fields["thinking"]["budget_tokens"] == 1999
    assert (
        "additionalModelRequestFields" not in write(reasoning=ir.Reasoning(budget=8000), max_tokens=900).body
    )


def test_sampling() -> None:
    everything = {"temperature": 0.5, "top_p": 0.5, "top_k": 5}
    assert write(**everything).body["inferenceConfig"] == {"temperature": 0.5}
    assert write(**everything).dropped == ["top_p"]
    assert write(**everything).body["additionalModelRequestFields"] == {"top_k": 5}
    nova = write(NOVA, **everything)
    assert nova.body["inferenceConfig"] == {"temperature": 0.5, "topP": 0.5}
    assert nova.body["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 5}}
    assert write("meta.llama3-70b-instruct-v1:0", **everything).dropped == ["top_k"]
    assert write("anthropic.claude-opus-4-8", **everything).dropped == ["temperature", "top_p", "top_k"]
    thinking = write(**everything, reasoning=ir.Reasoning(budget=2000))
    assert thinking.dropped == ["temperature", "top_p", "top_k"]


def test_what_has_no_twin_is_named() -> None:
    written = write(n=2, seed=1, logprobs=True, presence_penalty=0.5, frequency_penalty=0, user="me")
    assert written.dropped == ["n", "seed", "logprobs", "presence_penalty"]


def test_metadata_as_far_as_its_characters_are_allowed() -> None:
    written = write(metadata={"a": "b", "c": 1, "d": "é", **{f"k{n}": "v" for n in range(20)}})
    notes = written.body["requestMetadata"]
    assert len(notes) == 16
    assert "c" not in notes
    assert "d" not in notes


def test_callers_of_any_format_may_give_bedrocks_own_fields() -> None:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "performanceConfig": {"latency": "optimized"},
        "additionalModelRequestFields": {"x": 1},
        "anthropic_beta": ["context-1m-2025-08-07"],
        "top_k": 7,
    }
    written = DIALECT.write_request(CHAT.read_request(body), Target(model=CLAUDE))
    assert written.dropped == []
    assert written.body["guardrailConfig"]["guardrailIdentifier"] == "g"
    assert written.body["performanceConfig"] == {"latency": "optimized"}
    fields = {"x": 1, "anthropic_beta": ["context-1m-2025-08-07"], "top_k": 7}
    assert written.body["additionalModelRequestFields"] == fields


def test_reasoning_goes_back_only_to_who_sealed_it() -> None:
    signed = ir.Thinking("hm", signature="sig", family="anthropic")
    sealed = ir.Thinking(redacted="data", family="anthropic")
    shown, other = ir.Thinking("seen"), ir.Thinking("hm", signature="s", family="gemini")
    turns = (user(ir.Text("a")), assistant(signed, sealed, shown, other, ir.Text("b")), user(ir.Text("c")))
    assert content(write(CLAUDE, *turns), 1) == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "ZGF0YQ=="}},
        {"text": "b"},
    ]
    assert content(write(NOVA, *turns), 1) == [{"text": "b"}]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": 1}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"messages": [{"role": "x", "content": []}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": 1}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"image": {"format": "png"}}]}]},
            "messages[0].content[0].image.source",
        ),
        (
            {"messages": [{"role": "user", "content": [{"toolUse": {"name": "a"}}]}]},
            "messages[0].content[0].toolUse.toolUseId",
        ),
        ({"system": "x"}, "system"),
        ({"inferenceConfig": {"maxTokens": "1"}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"stopSequences": [1]}}, "inferenceConfig.stopSequences[0]"),
        ({"toolConfig": {"tools": [{"toolSpec": {}}]}}, "toolConfig.tools[0].toolSpec.name"),
        ({"toolConfig": {"toolChoice": {"some": {}}}}, "toolConfig.toolChoice"),
        (
            {
                "outputConfig": {
                    "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}
                }
            },
            "outputConfig.textFormat.structure.jsonSchema.schema",
        ),
        (
            {"additionalModelRequestFields": {"thinking": {"type": "enabled"}}},
            "additionalModelRequestFields.thinking.budget_tokens",
        ),
    ],
)
def test_bad_input_is_named_by_its_place(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        DIALECT.read_request(body)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("anthropic.claude-v2:1", "none"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "none"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "budget"),
        ("anthropic.claude-opus-4-20250514-v1:0", "budget"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "budget"),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "budget"),
        ("anthropic.claude-sonnet-4-6", "both"),
        ("us.anthropic.claude-opus-4-8", "adaptive"),
        ("us.anthropic.claude-sonnet-5", "adaptive"),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", "both"),
        ("amazon.nova-pro-v1:0", "none"),
    ],
)
def test_the_generation_of_a_model(model: str, thinking: str) -> None:
    assert facts_of(model).thinking == thinking


def test_a_search_result_has_its_words_and_comes_back_as_it_was() -> None:
    found = {"source": "s", "title": "A", "content": [{"text": "words"}], "citations": {"enabled": True}}
    call = {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}
    result = {"toolResult": {"toolUseId": "t", "content": [{"searchResult": found}]}}
    messages = [
        {"role": "user", "content": [{"text": "q"}, {"searchResult": found}]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    spec = {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}
    asked = DIALECT.read_request({"messages": messages, "toolConfig": {"tools": [spec]}})
    assert DIALECT.write_request(asked, Target(model=CLAUDE)).body["messages"] == messages
    chat = CHAT.write_request(asked, Target(model="m"))
    assert chat.dropped == []
    assert chat.body["messages"][0]["content"][1]["text"] == "A\ns\nwords"
    assert chat.body["messages"][2]["content"] == "A\ns\nwords"
