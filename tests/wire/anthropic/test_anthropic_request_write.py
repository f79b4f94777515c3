"""Rules of writing a Messages request, from conversations of any format: one test for each."""

import base64
from typing import Any

import pytest

from headgate.wire import ir
from headgate.wire.anthropic import DIALECT
from headgate.wire.dialect import Target

MODEL = "claude-sonnet-4-5"


def user(*blocks: ir.Block | str, **fields: Any) -> ir.Turn:
    return ir.Turn(role="user", blocks=[ir.Text(b) if isinstance(b, str) else b for b in blocks], **fields)


def assistant(*blocks: ir.Block | str) -> ir.Turn:
    return ir.Turn(role="assistant", blocks=[ir.Text(b) if isinstance(b, str) else b for b in blocks])


def call(call_id: str = "c1", name: str = "f", arguments: str = "{}", **fields: Any) -> ir.ToolCall:
    return ir.ToolCall(id=call_id, name=name, arguments=arguments, **fields)


def result(call_id: str = "c1", text: str = "ok", **fields: Any) -> ir.ToolResult:
    return ir.ToolResult(call_id=call_id, content=[ir.Text(text)], **fields)


def write(*turns: ir.Turn, model: str = MODEL, modify: bool = False, **fields: Any) -> ir.Written:
    request = ir.Request(model="group", turns=list(turns) or [user("hi")], **fields)
    return DIALECT.write_request(request, Target(model=model, modify_params=modify))


def messages(*turns: ir.Turn, **fields: Any) -> list[dict[str, Any]]:
    return list(write(*turns, **fields).body["messages"])


def kinds(message: dict[str, Any]) -> list[str]:
    return [block["type"] for block in message["content"]]


# --- conversation ----------------------------------------------------------------------------------------


def test_the_targets_model_is_written() -> None:
    assert write().body["model"] == MODEL


def test_a_plain_string_stays_one() -> None:
    assert messages(user("hi", flat=True)) == [{"role": "user", "content": "hi"}]


def test_leading_system_and_developer_turns_become_the_system_prompt() -> None:
    system = ir.Turn(role="system", blocks=[ir.Text("a")], flat=True)
    developer = ir.Turn(role="developer", blocks=[ir.Text("b", cache=ir.Cache())])
    assert write(system, user("x")).body["system"] == "a"
    assert write(system, developer, user("x")).body["system"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}},
    ]


def test_empty_system_is_left_out() -> None:
    assert "system" not in write(ir.Turn(role="system", blocks=[ir.Text("")], flat=True), user("x")).body


def test_a_picture_in_the_system_prompt_is_reported() -> None:
    image = ir.Image(ir.Source("url", "https://e.com/a.png"))
    written = write(ir.Turn(role="system", blocks=[image, ir.Text("s")]), user("x"))
    assert written.body["system"] == [{"type": "text", "text": "s"}]
    assert written.dropped == ["messages[0]: image in the system prompt"]


def test_system_in_the_middle_is_a_system_message_on_the_newest_models() -> None:
    turns = (user("x"), ir.Turn(role="developer", blocks=[ir.Text("now French")], flat=True))
    assert messages(*turns, model="claude-opus-5")[1] == {"role": "system", "content": "now French"}


def test_system_in_the_middle_is_the_users_elsewhere_and_after_an_assistant() -> None:
    middle = ir.Turn(role="system", blocks=[ir.Text("now French")])
    assert [m["role"] for m in messages(user("x"), middle)] == ["user"]
    assert [m["role"] for m in messages(user("x"), assistant("y"), middle, model="claude-opus-5")] == [
        "user",
        "assistant",
        "user",
    ]


def test_consecutive_turns_are_merged() -> None:
    merged = messages(user("a", flat=True), user("b", flat=True), assistant("c"), assistant("d"), user("e"))
    assert [(m["role"], len(m["content"])) for m in merged] == [("user", 2), ("assistant", 2), ("user", 1)]


def test_tool_results_come_first_in_their_turn() -> None:
    merged = messages(user("q"), assistant(call()), user("and", result()), user("more", result("c2")))
    assert kinds(merged[2]) == ["tool_result", "tool_result", "text", "text"]


def test_assistant_order_is_thinking_text_calls() -> None:
    thought = ir.Thinking(text="t", signature="s", family="anthropic")
    merged = messages(user("q"), assistant(call(), "text"), assistant(thought), user(result()))
    assert kinds(merged[1]) == ["thinking", "text", "tool_use"]


def test_a_turn_that_opens_with_thinking_keeps_its_own_order() -> None:
    thought = ir.Thinking(text="t", signature="s", family="anthropic")
    merged = messages(user("q"), assistant(thought, call(), thought, "text", call("c2")), user("x"))
    assert kinds(merged[1]) == ["thinking", "tool_use", "thinking", "text", "tool_use"]


def test_a_turn_with_server_tools_keeps_its_own_order() -> None:
    server = ir.Opaque(
        family="anthropic", value={"type": "server_tool_use", "id": "s", "name": "n", "input": {}}
    )
    assert kinds(messages(user("q"), assistant(call(), server, "text"), user("x"))[1])[0] == "tool_use"


def test_empty_texts_and_turns_vanish() -> None:
    merged = messages(user("a", "", "  \n"), assistant(""), user("b"))
    assert merged == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]


def test_prefill_is_trimmed_on_the_right() -> None:
    assert messages(user("q"), assistant("The answer: \n"))[1]["content"][0]["text"] == "The answer:"


def test_first_turn_not_the_users_gets_a_placeholder_only_on_wish() -> None:
    assert messages(assistant("x"), user("y"))[0]["role"] == "assistant"
    assert messages(assistant("x"), user("y"), modify=True)[0] == {"role": "user", "content": "."}


def test_prefill_gets_a_user_turn_on_wish_where_the_model_refuses_it() -> None:
    turns = (user("q"), assistant("a"))
    assert messages(*turns, model="claude-opus-5", modify=True)[-1] == {"role": "user", "content": "."}
    assert messages(*turns, model=MODEL, modify=True)[-1]["role"] == "assistant"


def test_history_with_calls_needs_a_tool_on_wish() -> None:
    turns = (user("q"), assistant(call()), user(result()))
    assert "tools" not in write(*turns).body
    assert write(*turns, modify=True).body["tools"][0]["name"] == "dummy_tool"


def test_a_tool_loop_without_thinking_goes_on_without_on_wish() -> None:
    turns = (user("q"), assistant(call()), user(result()))
    wish = ir.Reasoning(effort="high")
    assert "thinking" in write(*turns, reasoning=wish).body
    assert "thinking" not in write(*turns, reasoning=wish, modify=True).body


# --- blocks ----------------------------------------------------------------------------------------------


def block(item: ir.Block) -> Any:
    written = write(user("x", item))
    assert written.dropped == []
    return written.body["messages"][0]["content"][1]


def dropped(item: ir.Block) -> list[str]:
    written = write(user("x"), assistant("y"), user("z", item))
    assert len(written.body["messages"][2]["content"]) == 1
    return written.dropped


def test_images_by_data_url_and_file() -> None:
    source = {"type": "base64", "media_type": "image/jpeg", "data": "/9j/AA"}
    assert block(ir.Image(ir.Source("data", "/9j/AA", "image/jpg")))["source"] == source
    assert block(ir.Image(ir.Source("data", "/9j/AA")))["source"] == source
    assert block(ir.Image(ir.Source("url", "https://e.com/x")))["source"] == {
        "type": "url",
        "url": "https://e.com/x",
    }
    stored = ir.Image(ir.Source("id", "file_1", family="anthropic"))
    assert block(stored)["source"] == {"type": "file", "file_id": "file_1"}


def test_a_file_at_another_vendor_is_reported() -> None:
    assert dropped(ir.Image(ir.Source("id", "file-1", family="openai"))) == [
        "messages[2].content[1]: image by id of openai"
    ]


def test_documents() -> None:
    pdf = ir.File(ir.Source("data", "JVBERi0x", "application/pdf"), name="a.pdf", context="c", citations=True)
    assert block(pdf) == {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"},
        "title": "a.pdf",
        "context": "c",
        "citations": {"enabled": True},
    }
    text = {"type": "text", "media_type": "text/plain", "data": "héllo"}
    encoded = base64.b64encode("héllo".encode()).decode()
    assert block(ir.File(ir.Source("data", encoded, "text/markdown")))["source"] == text
    assert block(ir.File(ir.Source("text", "héllo")))["source"] == text
    assert block(ir.File(ir.Source("url", "https://e.com/a.pdf")))["source"]["type"] == "url"


def test_a_file_that_is_a_picture_or_for_the_container() -> None:
    assert block(ir.File(ir.Source("data", "AAAA", "image/png")))["type"] == "image"
    stored = ir.File(ir.Source("id", "file_1", "application/zip", family="anthropic"))
    assert block(stored) == {"type": "container_upload", "file_id": "file_1"}


@pytest.mark.parametrize(
    ("item", "what"),
    [
        (ir.Audio(ir.Source("data", "AAAA"), format="wav"), "audio"),
        (ir.File(ir.Source("data", "AAAA", "video/mp4")), "file of type video/mp4"),
        (ir.File(ir.Source("data", "not base64!", "text/plain")), "file of type text/plain"),
        (ir.Opaque(family="openai", value={"type": "computer_call"}), "computer_call"),
        (ir.Opaque(family="gemini", value={"executableCode": {}}), "a block of gemini"),
    ],
)
def test_content_that_has_no_place_is_reported(item: ir.Block, what: str) -> None:
    assert dropped(item) == [f"messages[2].content[1]: {what}"]


def test_audio_with_a_transcript_is_its_text() -> None:
    assert block(ir.Audio(id="a", transcript="said")) == {"type": "text", "text": "said"}


def test_a_refusal_is_text() -> None:
    assert messages(user("q"), assistant(ir.Refusal("no")), user("x"))[1]["content"] == [
        {"type": "text", "text": "no"}
    ]


@pytest.mark.parametrize(
    "thought",
    [
        ir.Thinking(text="seen only"),
        ir.Thinking(text="t", signature="g", family="gemini"),
        ir.Thinking(redacted="r", family="openai"),
        ir.Thinking(text="unsigned", family="anthropic"),
    ],
)
def test_only_thinking_that_anthropic_signed_is_sent(thought: ir.Thinking) -> None:
    written = write(user("q"), assistant(thought, "a"), user("x"))
    assert kinds(written.body["messages"][1]) == ["text"]
    assert written.dropped == []


def test_thinking_is_not_sent_to_models_without() -> None:
    thought = ir.Thinking(text="t", signature="s", family="anthropic")
    assert kinds(messages(user("q"), assistant(thought, "a"), user("x"), model="claude-3-5-haiku")[1]) == [
        "text"
    ]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("", {}),
        ("  ", {}),
        ("null", {}),
        ('{"a": ', {"INVALID_JSON": '{"a": '}),
        ("[1]", {"INVALID_JSON": "[1]"}),
    ],
)
def test_arguments_become_an_object(arguments: str, value: Any) -> None:
    assert (
        messages(user("q"), assistant(call(arguments=arguments)), user(result()))[1]["content"][0]["input"]
        == value
    )


def test_a_custom_tools_free_text_is_wrapped() -> None:
    item = call(arguments="free text", kind="custom")
    assert messages(user("q"), assistant(item), user(result()))[1]["content"][0]["input"] == {
        "input": "free text"
    }


def test_server_tool_calls_keep_their_type() -> None:
    assert kinds(messages(user("q"), assistant(call("srvtoolu_1")), user("x"))[1]) == ["server_tool_use"]


def test_tool_results_keep_error_mark_and_media() -> None:
    image = ir.Image(ir.Source("url", "https://e.com/x"))
    item = ir.ToolResult(
        call_id="c1", content=[ir.Text("see"), image], is_error=True, flat=False, cache=ir.Cache(ttl="1h")
    )
    node = messages(user("q"), assistant(call()), user(item))[2]["content"][0]
    assert kinds(node) == ["text", "image"]
    assert node["is_error"] is True
    assert node["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_audio_in_a_tool_result_is_reported() -> None:
    item = ir.ToolResult(call_id="c1", content=[ir.Audio(ir.Source("data", "A"))], flat=False)
    assert write(user("q"), assistant(call()), user(item)).dropped == [
        "messages[2].content[0].content[0]: audio"
    ]


def test_tool_ids_are_put_into_the_allowed_characters_on_both_sides() -> None:
    merged = messages(
        user("q"), assistant(call("a.b|c"), call("a_b.c")), user(result("a.b|c"), result("a_b.c"))
    )
    ids = [node["id"] for node in merged[1]["content"]]
    assert ids == ["a_b_c", "a_b_c_2"]
    assert [node["tool_use_id"] for node in merged[2]["content"]] == ids


def test_calls_without_ids_find_their_results_by_name_and_order() -> None:
    merged = messages(
        user("q"),
        assistant(call("", "f"), call("", "g"), call("", "f")),
        user(result("", "1", name="g"), result("", "2", name="f"), result("", "3", name="f")),
    )
    first, second, third = (node["id"] for node in merged[1]["content"])
    assert [node["tool_use_id"] for node in merged[2]["content"]] == [second, first, third]


def test_citations_of_others_and_without_proof_are_left_out() -> None:
    proven = ir.Citation(
        url="https://e.com",
        extra={"anthropic": {"type": "web_search_result_location", "encrypted_index": "E"}},
    )
    foreign = ir.Citation(url="https://e.com", start=0, end=3, extra={"openai": {"type": "url_citation"}})
    unproven = ir.Citation(
        url="https://e.com",
        extra={"anthropic": {"type": "web_search_result_location", "encrypted_index": ""}},
    )
    kept = messages(user("q"), assistant(ir.Text("a", citations=[foreign, proven, unproven])), user("x"))
    assert kept[1]["content"][0]["citations"] == [
        {"type": "web_search_result_location", "encrypted_index": "E", "url": "https://e.com"}
    ]
    none = messages(user("q"), assistant(ir.Text("a", citations=[foreign])), user("x"))
    assert none[1]["content"][0] == {"type": "text", "text": "a"}


def test_at_most_four_cache_marks() -> None:
    marked = [user(*(ir.Text(str(at), cache=ir.Cache()) for at in range(6)))]
    content = messages(*marked)[0]["content"]
    assert [at for at, node in enumerate(content) if "cache_control" in node] == [0, 3, 4, 5]
    content = messages(*marked, cache=ir.Cache())[0]["content"]
    assert [at for at, node in enumerate(content) if "cache_control" in node] == [0, 4, 5]


def test_unknown_fields_return_only_to_their_family() -> None:
    ours = ir.Text("a", extra={"anthropic": {"x": 1}, "openai": {"y": 2}})
    assert messages(user(ours))[0]["content"] == [{"type": "text", "text": "a", "x": 1}]


def test_addresses_that_are_not_https_are_fetched_first() -> None:
    plain = ir.Source("url", "http://e.com/a.png")
    inner = ir.Source("url", "gs://bucket/a.pdf")
    request = ir.Request(
        model="m",
        turns=[
            user(
                ir.Image(plain),
                ir.Image(ir.Source("url", "https://e.com/b.png")),
                ir.File(ir.Source("text", "t")),
            ),
            user(ir.ToolResult(call_id="c", content=[ir.File(inner)])),
        ],
    )
    assert DIALECT.remote_media(request) == [plain, inner]


# --- parameters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "written"), [(None, 4096), (64000, 64000)])
def test_max_tokens_is_the_models_limit_or_4096(limit: int | None, written: int) -> None:
    request = ir.Request(model="m", turns=[user("x")])
    assert DIALECT.write_request(request, Target(model="m", max_output=limit)).body["max_tokens"] == written


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"n": 2}, ["n"]),
        ({"seed": 7}, ["seed"]),
        ({"logprobs": True, "top_logprobs": 2}, ["logprobs", "top_logprobs"]),
        ({"logit_bias": {"5": 1.0}}, ["logit_bias"]),
        ({"presence_penalty": 0.5, "frequency_penalty": 0.5}, ["presence_penalty", "frequency_penalty"]),
        ({"modalities": ["text", "audio"], "audio": {"voice": "x"}}, ["modalities", "audio"]),
        ({"verbosity": "low"}, ["verbosity"]),
        ({"n": 1, "logprobs": False, "logit_bias": {}, "presence_penalty": 0, "modalities": ["text"]}, []),
    ],
)
def test_parameters_without_a_twin_are_reported(fields: dict[str, Any], names: list[str]) -> None:
    assert write(**fields).dropped == names


def test_stop_words_of_white_space_are_refused_by_the_api() -> None:
    written = write(stop=["\n", "END"])
    assert written.body["stop_sequences"] == ["END"]
    assert written.dropped == ["stop"]


@pytest.mark.parametrize(
    ("user_id", "sent"), [("u-17", True), ("jo@e.com", False), ("+49 170 1234567", False)]
)
def test_user_is_metadata_unless_it_names_a_person(user_id: str, sent: bool) -> None:
    written = write(user=user_id)
    assert written.body.get("metadata") == ({"user_id": user_id} if sent else None)
    assert written.dropped == []


def test_metadata_user_id_of_a_chat_caller() -> None:
    assert write(metadata={"user_id": "u-1", "job": "x"}).body["metadata"] == {"user_id": "u-1"}


@pytest.mark.parametrize(
    ("tier", "written", "names"),
    [("auto", "auto", []), ("default", "standard_only", []), ("flex", None, ["service_tier"])],
)
def test_service_tier(tier: str, written: str | None, names: list[str]) -> None:
    out = write(service_tier=tier)
    assert out.body.get("service_tier") == written
    assert out.dropped == names


def test_json_object_is_a_last_line_of_the_system_prompt() -> None:
    system = ir.Turn(role="system", blocks=[ir.Text("s")], flat=True)
    written = write(system, user("x"), output=ir.OutputFormat(kind="json"))
    assert written.body["system"][0]["text"] == "s"
    assert "JSON object" in written.body["system"][1]["text"]
    assert isinstance(write(output=ir.OutputFormat(kind="json")).body["system"], str)
    assert written.dropped == []


def test_native_keys_are_taken_from_any_caller_and_others_reported() -> None:
    extra = {
        "openai": {
            "context_management": {"edits": [{"type": "compact_20260112"}]},
            "output_config": {"task_budget": {"type": "tokens", "total": 9}},
            "anthropic_beta": ["own-flag"],
            "prompt_cache_key": "k",
            "prediction": {"type": "content"},
        },
        "gemini": {"safety_settings": []},
    }
    written = write(extra=extra)
    assert written.body["context_management"] == {"edits": [{"type": "compact_20260112"}]}
    assert written.body["output_config"] == {"task_budget": {"type": "tokens", "total": 9}}
    assert written.dropped == ["prediction", "safety_settings"]
    assert written.headers["anthropic-beta"].split(",") == [
        "own-flag",
        "context-management-2025-06-27",
        "compact-2026-01-12",
        "task-budgets-2026-03-13",
    ]


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"extra": {"anthropic": {"mcp_servers": [{"type": "url"}]}}}, "mcp-client-2025-04-04"),
        ({"extra": {"anthropic": {"speed": "fast"}}}, "fast-mode-2026-02-01"),
        ({"extra": {"anthropic": {"container": {"skills": [{}]}}}}, "skills-2025-10-02"),
        (
            {"tools": [ir.HostedTool(family="anthropic", value={"type": "computer_20250124"})]},
            "computer-use-2025-01-24",
        ),
        (
            {"tools": [ir.Tool(name="t", extra={"anthropic": {"defer_loading": True}})]},
            "advanced-tool-use-2025-11-20",
        ),
    ],
)
def test_features_bring_their_beta_header(fields: dict[str, Any], flag: str) -> None:
    assert write(**fields).headers == {"anthropic-beta": flag}


def test_stored_files_bring_their_beta_header_from_inside_tool_results() -> None:
    stored = ir.Image(ir.Source("id", "file_1", family="anthropic"))
    item = ir.ToolResult(call_id="c1", content=[stored], flat=False)
    assert write(user("q"), assistant(call()), user(item)).headers == {
        "anthropic-beta": "files-api-2025-04-14"
    }
    assert write().headers == {}
