"""What a file becomes, and what is said of everything that is wrong with it."""

import pytest
from written import ENV, ROW

from headgate.core.strategies import STRATEGIES
from headgate.server.config.load import empty, load
from headgate.server.config.report import ConfigError

# model_list


def test_a_row_keeps_its_parameters_in_plain_types(loaded):
    config = loaded("""\
        model_list:
          - model_name: gpt
            litellm_params:
              model: openai/gpt-4o
              api_key: os.environ/OPENAI_API_KEY
              rpm: "60"
              timeout: 30
              api_version: 2024-10-21
              drop_params: "true"
              input_cost_per_token: 1e-6
              temperature: 0.5
              extra_headers: {x-number: 1, x-flag: true}
              extra_body: {deep: [{er: "${OPENAI_API_KEY}"}]}
              my_own_key: [1, 2]
            model_info: {id: one, mode: chat, supports_vision: true, owner: me}
        """)
    (entry,) = config.models
    assert (entry.name, entry.line) == ("gpt", 2)
    assert entry.params == {
        "model": "openai/gpt-4o",
        "api_key": ENV["OPENAI_API_KEY"],
        "rpm": 60.0,
        "timeout": 30.0,
        "api_version": "2024-10-21",
        "drop_params": True,
        "input_cost_per_token": 1e-6,
        "temperature": 0.5,
        "extra_headers": {"x-number": "1", "x-flag": "true"},
        "extra_body": {"deep": [{"er": ENV["OPENAI_API_KEY"]}]},
        "my_own_key": [1, 2],
    }
    assert entry.info == {"id": "one", "mode": "chat", "supports_vision": True, "owner": "me"}
    assert config.warnings == ()


def test_wrong_values_are_named_with_place_found_and_expected(problems):
    found = problems("""\
        model_list:
          - model_name: gpt
            litellm_params:
              model: openai/gpt-4o
              rpm: ten
              max_retries: 1.5
              drop_params: [true]
              api_base: not an address
              timeout: -1
        """)
    assert [(p.severity, p.line, p.column, p.path, p.found) for p in found] == [
        ("error", 5, 12, "model_list[0].litellm_params.rpm", "'ten'"),
        ("error", 6, 20, "model_list[0].litellm_params.max_retries", "1.5"),
        ("error", 7, 20, "model_list[0].litellm_params.drop_params", "a list"),
        ("error", 8, 17, "model_list[0].litellm_params.api_base", "'not an address'"),
        ("error", 9, 16, "model_list[0].litellm_params.timeout", "-1"),
    ]
    assert found[0].expected == "a number of 0 or more"


@pytest.mark.parametrize(
    "address", ["ftp://x", "http://", "http://h:port", "https://h:99999", "h/v1", "http://["]
)
def test_what_is_no_address_is_an_error(only, address):
    problem = only(
        f"model_list: [{{model_name: a, litellm_params: {{model: openai/a, api_base: '{address}'}}}}]"
    )
    assert (problem.severity, problem.path) == ("error", "model_list[0].litellm_params.api_base")


def test_a_key_beside_litellm_params_is_said_to_belong_under_it(only):
    problem = only("model_list: [{model_name: a, rpm: 5, litellm_params: {model: openai/a}}]")
    assert problem.severity == "error"
    assert "belongs under litellm_params" in problem.text


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{model_name: a}", "litellm_params is missing"),
        ("{model_name: a, litellm_params: {api_base: http://x}}", "model is missing"),
        ("{litellm_params: {model: openai/a}}", "model_name is missing"),
        ("{model_name: '', litellm_params: {model: openai/a}}", "not empty"),
        ("[]", "expected a mapping with model_name and litellm_params"),
        ("text", "expected a mapping with model_name and litellm_params"),
        ("{model_name: a, litellm_params: text}", "expected a mapping"),
    ],
)
def test_incomplete_rows(only, row, words):
    problem = only(f"model_list: [{row}]")
    assert problem.severity == "error"
    assert words in problem.text


def test_keys_that_are_not_supported_are_warned_of_and_not_sent(loaded):
    config = loaded("""\
        model_list:
          - model_name: a
            litellm_params: {model: openai/a, valkey_password: os.environ/NOT_SET, tag_regex: [x]}
        """)
    assert config.models[0].params == {"model": "openai/a"}
    assert [p.path.rpartition(".")[2] for p in config.warnings] == ["valkey_password", "tag_regex"]
    assert all("no effect" in p.message for p in config.warnings)


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("api_bse", "api_base"),
        ("api_kye", "api_key"),
        ("api-key", "api_key"),
        ("temprature", "temperature"),
        ("Model", "model"),
    ],
)
def test_a_key_one_letter_away_is_a_warning_with_the_right_one(only, key, near):
    problem = only(f"model_list: [{{model_name: a, litellm_params: {{model: openai/a, {key}: 1}}}}]")
    assert (problem.severity, problem.near) == ("warning", near)


def test_misspelled_prices_are_named_and_endings_are_known(problems):
    found = problems("""\
        model_list:
          - model_name: a
            litellm_params:
              model: openai/a
              input_cost_per_tokn: 1
              output_cost_per_token_above_200k_tokens_batches: 1
              cache_creation_input_token_cost_above_1hr: 1
              tiered_pricing: [{range: [0, 1]}]
              input_cost_per_token: free
        """)
    assert [(p.severity, p.line, p.near) for p in found] == [
        ("warning", 5, "input_cost_per_token"),
        ("error", 9, None),
    ]


def test_a_fact_among_the_parameters_is_said_to_belong_under_model_info(only):
    problem = only("model_list: [{model_name: a, litellm_params: {model: openai/a, access_groups: [x]}}]")
    assert "model_info" in problem.text


def test_ids_must_differ(only):
    row = "{{model_name: {}, litellm_params: {{model: openai/a}}, model_info: {{id: x}}}}"
    problem = only(f"model_list:\n  - {row.format('a')}\n  - {row.format('b')}\n")
    assert (problem.severity, problem.line) == ("error", 3)
    assert "line 2" in problem.message


# Providers and wildcards


@pytest.mark.parametrize(
    ("name", "model"),
    [("*", "*"), ("anthropic/*", "anthropic/*"), ("*", "openai/*"), ("all-*", "openai/gpt-4o")],
)
def test_wildcards(loaded, name, model):
    (entry,) = loaded(f'model_list: [{{model_name: "{name}", litellm_params: {{model: "{model}"}}}}]').models
    assert (entry.name, entry.params["model"]) == (name, model)


@pytest.mark.parametrize(
    ("name", "model"), [("gpt", "openai/*"), ("gpt", "*"), ("*/*", "openai/*"), ("*", "openai/*/*")]
)
def test_a_star_needs_one_to_match(only, name, model):
    problem = only(f'model_list: [{{model_name: "{name}", litellm_params: {{model: "{model}"}}}}]')
    assert problem.severity == "error"
    assert "*" in problem.message


def test_a_star_without_quotes_gets_a_hint(only):
    assert 'must be quoted, as in "*"' in only("model_list:\n  - model_name: *\n").text


@pytest.mark.parametrize(
    ("model", "words", "near"),
    [
        ("opnai/gpt-4o", "names no provider", "openai/…"),
        ("my-model", "write it as provider/model", None),
        ("ragflow/x", "ragflow is a LiteLLM provider that Headgate does not support yet", None),
    ],
)
def test_unknown_providers(only, model, words, near):
    problem = only(f"model_list: [{{model_name: a, litellm_params: {{model: {model}}}}}]")
    assert (problem.severity, problem.near) == ("error", near)
    assert words in problem.text


def test_invalid_rows_are_left_out_where_that_is_asked_for(loaded):
    config = loaded(
        "model_list:\n"
        "  - {model_name: a, litellm_params: {model: ragflow/x}}\n"
        "  - {model_name: b, litellm_params: {model: openai/b}}\n"
        "router_settings: {ignore_invalid_deployments: true}\n"
    )
    assert [entry.name for entry in config.models] == ["b"]
    assert "left out" in config.warnings[0].message


def test_a_missing_key_or_address_is_seen_before_the_first_call(problems):
    found = problems(
        "model_list:\n"
        "  - {model_name: a, litellm_params: {model: openai/a}}\n"
        "  - {model_name: b, litellm_params: {model: azure/b, api_key: abcdefgh}}\n"
        "  - {model_name: c, litellm_params: {model: openai/c, api_base: 'http://localhost:1/v1'}}\n"
        "  - {model_name: d, litellm_params: {model: openai/d, mock_response: hi}}\n",
        {},
    )
    assert [(p.severity, p.line) for p in found] == [("warning", 2), ("warning", 3)]
    assert "OPENAI_API_KEY" in found[0].message
    assert "AZURE_API_BASE" in found[1].message


# Credentials


def test_credentials_are_merged_under_the_row(loaded):
    config = loaded("""\
        credential_list:
          - credential_name: east
            credential_values: {api_key: os.environ/OPENAI_API_KEY, api_base: "http://east/v1"}
            credential_info: {description: x}
        model_list:
          - model_name: a
            litellm_params: {model: openai/a, litellm_credential_name: east, api_base: "http://west/v1"}
        """)
    assert config.credentials == {"east": {"api_key": ENV["OPENAI_API_KEY"], "api_base": "http://east/v1"}}
    params = config.models[0].params
    assert (params["api_key"], params["api_base"]) == (ENV["OPENAI_API_KEY"], "http://west/v1")


def test_an_unknown_credential_is_an_error_with_the_nearest(only):
    problem = only("""\
        credential_list: [{credential_name: east, credential_values: {api_key: abcdefgh}}]
        model_list: [{model_name: a, litellm_params: {model: openai/a, litellm_credential_name: eest}}]
        """)
    assert (problem.severity, problem.near, problem.line) == ("error", "east", 2)


def test_a_credential_that_the_database_may_have_is_a_warning(loaded, only):
    """Its row is looked at when it has its values."""
    text = """\
        model_list: [{model_name: a, litellm_params: {model: mine, litellm_credential_name: eest}}]
        credential_list: [{credential_name: east, credential_values: {api_key: abcdefgh}}]
        general_settings: {store_model_in_db: true}
        """
    problem = only(text)
    assert (problem.severity, problem.near, problem.line) == ("warning", "east", 1)
    (entry,) = loaded(text).models
    assert entry.params == {"model": "mine", "litellm_credential_name": "eest"}


def test_two_credentials_of_one_name(only):
    row = "{credential_name: east, credential_values: {api_key: abcdefgh}}"
    assert "second credential" in only(f"{ROW}credential_list: [{row}, {row}]").text


# Settings


def test_settings_have_types_and_defaults(loaded):
    config = loaded(
        ROW
        + """
litellm_settings:
  drop_params: true
  request_timeout: "60"
  num_retries: 3
  fallbacks: [{gpt-4o: [gpt-4o, {model: gpt-4o, temperature: 0}]}]
  default_fallbacks: [gpt-4o]
  ssl_verify: /etc/ca.pem
general_settings:
  master_key: sk-a-good-long-key-7
  max_request_size_mb: 20
  model_name_in_response: requested
router_settings: {timeout: 5, model_group_alias: {best: gpt-4o, other: {model: gpt-4o, hidden: true}}}
"""
    )
    assert config.warnings == ()
    assert config.litellm.fallbacks == ({"gpt-4o": ("gpt-4o", {"model": "gpt-4o", "temperature": 0})},)
    assert (config.litellm.drop_params, config.litellm.request_timeout, config.litellm.num_retries) == (
        True,
        60,
        3,
    )
    assert (config.litellm.default_fallbacks, config.litellm.ssl_verify) == (("gpt-4o",), "/etc/ca.pem")
    assert config.litellm.modify_params is None
    assert config.general.master_key == "sk-a-good-long-key-7"
    assert config.general.model_name_in_response == "requested"
    assert config.router.model_group_alias["other"] == {"model": "gpt-4o", "hidden": True}
    assert config.router.routing_strategy is None


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("litellm_settings: {master_key: abc}", "litellm_settings.master_key", "under general_settings"),
        ("master_key: abc", "master_key", "under general_settings"),
        ("general_settings: {drop_params: true}", "general_settings.drop_params", "litellm_settings"),
        ("general_settings: {model_list: []}", "general_settings.model_list", "at the top level"),
        (
            "router_settings: {enable_jwt_auth: true}",
            "router_settings.enable_jwt_auth",
            "under general_settings",
        ),
    ],
)
def test_a_key_in_the_wrong_block_is_an_error_that_says_where_it_belongs(only, text, path, words):
    problem = only(ROW + text)
    assert (problem.severity, problem.path, problem.line) == ("error", path, 2)
    assert words in problem.text


@pytest.mark.parametrize(
    ("name", "home"), [("master_key", "general_settings"), ("request_timeout", "litellm_settings")]
)
def test_a_setting_among_the_parameters_of_a_row_is_a_warning(only, name, home):
    """It may be a parameter of the provider's, too: LiteLLM sends whatever it does not know."""
    problem = only(
        f"model_list: [{{model_name: m, litellm_params: {{model: openai/m, api_key: k, {name}: 1}}}}]"
    )
    assert (problem.severity, problem.path) == ("warning", f"model_list[0].litellm_params.{name}")
    assert f"belongs under {home}: here it is sent to the provider" in problem.text


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("general_settings: {mastr_key: a}", "master_key"),
        ("modellist: []", "model_list"),
        ("litellm-settings: {}", "litellm_settings"),
        ("router_settings: {routing_stratgy: a}", "routing_strategy"),
        ("litellm_settings: {master_keyy: a}", "master_key (under general_settings)"),
        ("litellm_settings: {zzzzzz: a}", None),
    ],
)
def test_an_unknown_key_is_an_error_with_the_nearest_known_one(only, text, near):
    problem = only(ROW + text)
    assert (problem.severity, problem.near) == ("error", near)


@pytest.mark.parametrize(
    "text", ["litellm_settings: {cache: true}", "guardrails: []", "general_settings: {alerting: [slack]}"]
)
def test_known_keys_without_effect_are_warnings(only, text):
    problem = only(ROW + text)
    assert problem.severity == "warning"
    assert "does not support yet" in problem.text


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_that_is_built_can_be_chosen(loaded, name):
    config = loaded(ROW + f"router_settings: {{routing_strategy: {name}}}")
    assert (config.router.routing_strategy, config.warnings) == (name, ())


@pytest.mark.parametrize("name", ["lar1"])
def test_a_strategy_that_is_not_built_is_a_warning_and_calls_are_shuffled(loaded, name):
    config = loaded(ROW + f"router_settings: {{routing_strategy: {name}}}")
    (warning,) = config.warnings
    assert (warning.severity, warning.line) == ("warning", 2)
    assert config.router.routing_strategy == "simple-shuffle"


def test_an_unknown_strategy_is_an_error(problems):
    (error,) = problems(ROW + "router_settings: {routing_strategy: fastest}")
    assert (error.severity, error.found) == ("error", "'fastest'")


@pytest.mark.parametrize(("more", "severity"), [("", "error"), (", store_model_in_db: true", "warning")])
def test_fallbacks_to_nowhere_are_refused(problems, more, severity):
    found = problems(
        ROW
        + 'litellm_settings: {fallbacks: [{gpt-4o: [gpt4o]}, {"*": [gpt-4o]}], default_fallbacks: [nope]}\n'
        + "router_settings: {model_group_alias: {a: gpt-4, b: gpt-4o}}\n"
        + f"general_settings: {{completion_model: b{more}}}\n"
    )
    assert [(p.severity, p.path, p.near) for p in found] == [
        (severity, "litellm_settings.fallbacks", "gpt-4o"),
        (severity, "litellm_settings.default_fallbacks", None),
        (severity, "router_settings.model_group_alias.a", "gpt-4o"),
    ]


def test_fallbacks_may_go_to_what_a_wildcard_matches(loaded):
    text = """\
        model_list: [{model_name: "groq/*", litellm_params: {model: "groq/*"}}]
        litellm_settings: {default_fallbacks: [groq/llama]}
        """
    assert loaded(text).warnings == ()


def test_fallbacks_of_the_wrong_shape(only):
    for value in (
        "gpt-4o",
        "[gpt-4o]",
        "[{gpt-4o: {a: b}}]",
        "[{gpt-4o: [1]}]",
        "[{gpt-4o: [{temperature: 1}]}]",
    ):
        problem = only(ROW + f"litellm_settings: {{fallbacks: {value}}}")
        assert (problem.severity, problem.path) == ("error", "litellm_settings.fallbacks")


# Environment


def test_variables_of_the_file_go_over_the_process_and_see_those_before(loaded):
    config = loaded(
        """\
        environment_variables:
          OPENAI_API_KEY: from-the-file
          HOST: "${NAME}.example"
          URL: https://${HOST}/v1
          FLAG: true
          NUMBER: 007
          NAME: os.environ/NAME
        model_list:
          - model_name: a
            litellm_params: {model: openai/a, api_key: os.environ/OPENAI_API_KEY, api_base: "${URL}"}
        """,
        {"NAME": "outer", "OPENAI_API_KEY": "from-the-process"},
    )
    assert config.environment == {
        "OPENAI_API_KEY": "from-the-file",
        "HOST": "outer.example",
        "URL": "https://outer.example/v1",
        "FLAG": "true",
        "NUMBER": "007",
        "NAME": "outer",
    }
    assert config.models[0].params["api_key"] == "from-the-file"
    assert config.models[0].params["api_base"] == "https://outer.example/v1"


def test_settings_come_from_the_environment_where_the_file_is_silent(loaded):
    env = {
        **ENV,
        "LITELLM_MASTER_KEY": "litellm-key",
        "HEADGATE_MASTER_KEY": "headgate-key",
        "LITELLM_DROP_PARAMS": "1",
    }
    assert loaded(ROW, env).general.master_key == "headgate-key"
    assert loaded(ROW, env).litellm.drop_params is True
    assert loaded(ROW + "general_settings: {master_key: file-key}", env).general.master_key == "file-key"


def test_a_master_key_whose_variable_is_not_set_stops_the_start(only):
    problem = only(ROW + "general_settings:\n  master_key: os.environ/MY_MASTER\n")
    assert (problem.severity, problem.line) == ("error", 3)
    assert "MY_MASTER is not set" in problem.text


def test_a_key_whose_variable_is_not_set_is_a_warning(loaded):
    config = loaded(
        "model_list: [{model_name: a, litellm_params: {model: openai/a, api_key: os.environ/MY_KEY}}]"
    )
    assert "api_key" not in config.models[0].params
    assert [p.message for p in config.warnings] == [
        "the environment variable MY_KEY is not set: the value counts as not given"
    ]


def test_a_bad_setting_in_the_environment_is_an_error_without_its_value(only):
    problem = only(ROW, {**ENV, "LITELLM_DROP_PARAMS": "s3cr3t-value"})
    assert (problem.severity, problem.file, problem.path) == ("error", "environment", "LITELLM_DROP_PARAMS")
    assert "s3cr3t" not in problem.text


# Zero configuration


def test_without_a_file_every_provider_with_a_key_is_served_and_the_mock():
    config = empty({"OPENAI_API_KEY": "x", "GEMINI_API_KEY": "y", "LITELLM_MASTER_KEY": "sk-long-enough"})
    assert [entry.name for entry in config.models] == ["openai/*", "gemini/*", "mock/*"]
    assert config.models[0].params == {"model": "openai/*"}
    assert config.general.master_key == "sk-long-enough"


def test_without_any_key_there_is_the_mock():
    assert [entry.name for entry in empty({}).models] == ["mock/*"]


def test_providers_without_a_fixed_address_need_one_and_local_ones_only_that():
    assert "azure/*" not in [entry.name for entry in empty({"AZURE_API_KEY": "k"}).models]
    names = [
        entry.name
        for entry in empty(
            {"AZURE_API_KEY": "k", "AZURE_API_BASE": "https://a", "OLLAMA_API_BASE": "http://o"}
        ).models
    ]
    assert "azure/*" in names
    assert "ollama/*" in names


def test_without_a_file_a_bad_variable_is_an_error():
    with pytest.raises(ConfigError, match="LITELLM_DROP_PARAMS"):
        empty({"LITELLM_DROP_PARAMS": "perhaps"})


def test_nothing_of_the_environment_is_changed(write):
    env = dict(ENV)
    load(write(ROW + "environment_variables: {OPENAI_API_KEY: other, NEW: x}"), env)
    assert env == ENV
