"""`custom_providers`: rows of the user's own, and what is said about those that can't be used."""

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from msgspec import Raw

from headgate.catalog.lookup import Catalog
from headgate.core.deployment import Deployment
from headgate.errors import UnsupportedParamsError
from headgate.providers.base import Auth, Provider, Quirks
from headgate.providers.quirks import plan, run
from headgate.server.config.entries import read_entry
from headgate.server.config.load import check, load
from headgate.server.config.providers import AUTH, QUIRKS, ROW, RULE
from headgate.server.config.schema import Config
from servers import KEY, Upstream, running

CATALOG = Catalog()
WHOLE = """
    custom_providers:
      - id: acme
        name: Acme
        aliases: [acme-eu]
        base_url: https://{region}.acme.test/v1
        base_vars: {region: [acme_region, ACME_REGION]}
        api_key_env: ACME_API_KEY
        auth: {header: X-Acme-Key, scheme: ""}
        paths: {chat: /talk, embeddings: /v2/embed}
        headers: {X-Version: "3"}
        header_params: {X-Team: acme_team}
        model_prefix: base-
        stream_usage: always
        quirks:
          rename: {max_completion_tokens: max_tokens}
          refuse: [logit_bias]
          only: {n: [1]}
          clamp: {temperature: [0, 1]}
          values: {tool_choice: {required: any, "true": 1}}
          roles: {developer: system}
        model_rules:
          - match: base-old
            quirks: {refuse: [tools]}
    model_list:
      - model_name: small
        litellm_params: {model: acme/small, acme_region: eu, acme_team: t1}
"""


def config_of(tmp_path: Path, text: str, **env: str) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(dedent(text))
    return load(path, env)


def problems_of(tmp_path: Path, text: str) -> list[tuple[str, int, str, str]]:
    path = tmp_path / "config.yaml"
    path.write_text(dedent(text).lstrip())
    return [
        (problem.severity, problem.line, problem.path, f"{problem.text} near={problem.near}")
        for problem in check(path, {})
        if problem.path.startswith("custom_providers")
    ]


def test_all_words_of_a_row_reach_the_call(tmp_path: Path) -> None:
    config = config_of(tmp_path, WHOLE, ACME_API_KEY="k-1")
    assert config.warnings == ()
    (entry,) = config.models
    made = Deployment(
        "small", entry.params, catalog=CATALOG, env={"ACME_API_KEY": "k-1"}, providers=config.providers
    )
    route = made.route("chat", False)
    lines = route.head.decode().lower().split("\r\n")
    assert route.url == "https://eu.acme.test/v1/talk"
    assert {"x-acme-key: k-1", "x-version: 3", "x-team: t1"} <= set(lines)
    assert made.model == "base-small"
    assert made.defaults == {}
    assert config.providers["acme-eu"] is config.providers["acme"]


def test_its_quirks_are_carried_out(tmp_path: Path) -> None:
    row = config_of(tmp_path, WHOLE, ACME_API_KEY="k").providers["acme"]
    body = {"max_completion_tokens": 5, "temperature": 3, "tool_choice": "required", "n": 1}
    envelope = {key: Raw(json.dumps(value).encode()) for key, value in body.items()}
    assert run(plan(row, "base-small"), envelope, row, False) == []
    sent = {key: json.loads(bytes(value)) for key, value in envelope.items()}
    assert sent == {"max_tokens": 5, "temperature": 1.0, "tool_choice": "any", "n": 1}
    with pytest.raises(UnsupportedParamsError, match="Acme does not take the parameter 'tools'"):
        run(plan(row, "base-old-2"), {"tools": Raw(b"[1]")}, row, False)


def test_the_least_that_a_row_needs(tmp_path: Path) -> None:
    config = config_of(tmp_path, "custom_providers: [{id: own, base_url: http://own.test/v1}]")
    row = config.providers["own"]
    assert (row.name, row.auth.optional, sorted(row.paths)) == (
        "own",
        True,
        ["chat", "completions", "embeddings", "models"],
    )


OF_OUR_ROWS = {"unstreamed", "effort", "reasoning", "to_responses", "seals"}
"""Quirks that a configuration can't name."""


def test_every_word_is_one_of_the_rows() -> None:
    assert ROW.supported.keys() <= set(Provider.__struct_fields__)
    assert AUTH.supported.keys() <= set(Auth.__struct_fields__)
    assert set(Quirks.__struct_fields__) - QUIRKS.supported.keys() == OF_OUR_ROWS
    assert QUIRKS.supported.keys() <= set(Quirks.__struct_fields__)
    assert RULE.supported.keys() == {"match", "quirks"}


@pytest.mark.parametrize(
    ("row", "path", "said"),
    [
        ("{base_url: http://h/v1}", "", "id is missing"),
        ("{id: a}", "", "base_url is missing"),
        ("{id: a, base_url: http://h/v1, api_key_en: K}", ".api_key_en", "near=api_key_env"),
        ("{id: a/b, base_url: http://h/v1}", ".id", "expected a name of letters"),
        ("{id: a, base_url: nowhere}", ".base_url", "expected an address"),
        ("{id: a, base_url: http://h, paths: [chats]}", ".paths", "expected a list of operations"),
        ("{id: a, base_url: http://h, paths: {chat: chat}}", ".paths", "expected a list of operations"),
        ("{id: a, base_url: http://h, dialect: grpc}", ".dialect", "expected one of openai_chat"),
        ("{id: a, base_url: http://h, dialect: anthropic}", "", "paths is missing"),
        ("{id: a, base_url: 'http://{r}.h'}", ".base_vars", "must be both"),
        ("{id: a, base_url: http://h, base_vars: {r: [p, V]}}", ".base_vars", "must be both"),
        ("{id: a, base_url: http://h, quirks: {refused: [n]}}", ".quirks.refused", "near=refuse"),
        ("{id: a, base_url: http://h, quirks: {clamp: {n: [2, 1]}}}", ".quirks.clamp", "expected a mapping"),
        ("{id: a, base_url: http://h, quirks: {clamp: {n: [1]}}}", ".quirks.clamp", "expected a mapping"),
        ("{id: a, base_url: http://h, quirks: {only: {n: 1}}}", ".quirks.only", "expected a mapping"),
        ("{id: a, base_url: http://h, model_rules: [{match: '('}]}", ".model_rules[0].match", "expected a regular"),
        ("{id: a, base_url: http://h, model_rules: [{quirks: {}}]}", ".model_rules[0]", "match is missing"),
        ("{id: a, base_url: http://h, auth: {schema: x}}", ".auth.schema", "near=scheme"),
        ("just a text", "", "expected a mapping"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, row: str, path: str, said: str) -> None:
    found = problems_of(tmp_path, f"custom_providers:\n  - {row}\n")
    assert [where for _, _, where, _ in found] == [f"custom_providers[0]{path}"], found
    assert said in found[0][3]
    assert found[0][:2] == ("error", 2)


def test_a_name_twice_is_an_error_and_one_of_ours_a_warning(tmp_path: Path) -> None:
    found = problems_of(
        tmp_path,
        """
        custom_providers:
          - {id: own, base_url: http://h/v1}
          - {id: own, base_url: http://h/v2}
          - {id: groq, base_url: http://h/v3}
        """,
    )
    assert [(severity, line) for severity, line, _, _ in found] == [("error", 3), ("warning", 4)]


def test_a_list_is_expected(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "custom_providers: acme\n")[0][2:] == (
        "custom_providers",
        "expected a list near=None",
    )


def test_a_model_of_a_provider_that_is_misspelt_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(dedent(WHOLE).replace("acme/small", "akme/small"))
    (found,) = [problem for problem in check(path, {"ACME_API_KEY": "k"}) if problem.severity == "error"]
    assert found.near == "acme/…"


def test_a_missing_part_of_the_address_is_a_warning(tmp_path: Path) -> None:
    config = config_of(tmp_path, WHOLE.replace("acme_region: eu, ", ""), ACME_API_KEY="k")
    assert [problem.text for problem in config.warnings] == [
        "Acme's address is made of acme_region (ACME_REGION in the environment): set it, or give api_base"
    ]


def test_a_row_that_is_added_at_run_time_may_name_it(tmp_path: Path) -> None:
    config = config_of(tmp_path, WHOLE, ACME_API_KEY="k")
    row: dict[str, Any] = {"model_name": "m", "litellm_params": {"model": "acme/m"}, "model_info": {}}
    assert read_entry(row, {}, config).params["model"] == "acme/m"


def test_a_call_goes_there(tmp_path: Path) -> None:
    upstream = Upstream()
    upstream.reply(200, {"content-type": "application/json"}, b'{"choices": [], "id": "x"}')
    config = {
        "custom_providers": [
            {
                "id": "acme",
                "base_url": upstream.base,
                "paths": {"chat": "/talk"},
                "quirks": {"rename": {"seed": "random"}},
            }
        ],
        "model_list": [{"model_name": "acme/*", "litellm_params": {"model": "acme/*"}}],
        "general_settings": {"master_key": KEY},
    }
    try:
        with running(config, tmp_path) as gateway:
            body = {"model": "acme/m", "messages": [{"role": "user", "content": "hi"}], "seed": 3}
            status, _, data = gateway.request("/v1/chat/completions", body)
    finally:
        upstream.stop()
    assert status == 200, data
    sent = json.loads(upstream.requests[-1][2])
    assert (sent["model"], sent["random"]) == ("m", 3)
