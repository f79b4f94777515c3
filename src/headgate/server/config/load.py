"""The way in: a file and an environment → a `Config`, or the problems that stand in the way.

    load(path, env)    → Config, raises ConfigError
    check(path, env)   → every problem, errors and warnings; raises nothing
    empty(env)         → the Config of a start without a file

The environment is a mapping that is handed in, and nothing of it is changed: what the file sets is in
`Config.environment`.
"""

from collections.abc import Mapping as Table
from pathlib import Path
from typing import Any, Final

from headgate.server.config.blocks import Reader
from headgate.server.config.document import Mapping, Node, Scalar
from headgate.server.config.files import Files
from headgate.server.config.keys import SETTINGS, TOP
from headgate.server.config.kinds import KINDS, Kind
from headgate.server.config.known import STRATEGIES
from headgate.server.config.links import check_links
from headgate.server.config.models import from_environment, public_names, read_credentials, read_models
from headgate.server.config.providers import read_providers
from headgate.server.config.report import ConfigError, Place, Problem, Report, ordered, shown_name
from headgate.server.config.schema import (
    Config,
    GeneralSettings,
    LitellmSettings,
    PassThrough,
    RouterSettings,
)
from headgate.server.config.secrets import References

ENVIRONMENT: Final = "environment"
"""Stands for a file's name where a variable is meant."""

FROM_ENVIRONMENT: Final = (
    ("general_settings", "master_key", "MASTER_KEY"),
    (
        "general_settings",
        "dangerously_permit_weak_or_unset_master_key",
        "DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY",
    ),
    ("litellm_settings", "drop_params", "DROP_PARAMS"),
    ("litellm_settings", "modify_params", "MODIFY_PARAMS"),
)
"""Settings that a variable gives where the file does not: HEADGATE_… first, then LITELLM_…"""


def load(path: str | Path, env: Table[str, str]) -> Config:
    """Raises ConfigError with every problem where one of them is an error. Warnings are in the Config."""
    config, report, files = _read(path, env)
    if report.failed:
        raise ConfigError(ordered(report.problems), files.asked)
    return config


def check(path: str | Path, env: Table[str, str]) -> list[Problem]:
    """In the order of the file."""
    return ordered(_read(path, env)[1].problems)


def empty(env: Table[str, str]) -> Config:
    """Every provider that the environment has a key for as `provider/*`, and `mock/*`. Raises ConfigError for
    a variable that can't be read.
    """
    report = Report()
    settings: dict[str, dict[str, Any]] = {name: {} for name in SETTINGS}
    _add_from_environment(settings, env, report)
    if report.failed:
        raise ConfigError(report.problems)
    return _config(settings, models=from_environment(env))


def _read(path: str | Path, env: Table[str, str]) -> tuple[Config, Report, Files]:
    report = Report()
    references = References(env, report)
    files = Files(references, report)
    root = files.tree(path)
    if root is None:
        return Config(), report, files
    reader = Reader(references, report)
    references.over = _environment(reader, root)
    settings = _settings(reader, root)
    reader.providers = read_providers(reader, root.entries.get("custom_providers"))
    rows = read_credentials(reader, root.entries.get("credential_list"))
    credentials = {name: row["credential_values"] for name, row in rows.items()}
    models = read_models(
        reader,
        root.entries.get("model_list"),
        credentials,
        leave_out_invalid=bool(settings["router_settings"].get("ignore_invalid_deployments")),
        later=bool(settings["general_settings"].get("store_model_in_db")),
    )
    _add_from_environment(settings, references.env, report)
    names = {*public_names(root.entries.get("model_list")), *(entry.name for entry in models)}
    check_links(reader, names, settings)
    if not models and not report.failed:
        report.warning(root.place, "model_list", "no models: the gateway will answer no call")
    config = _config(
        settings,
        models=models,
        environment=references.over,
        credentials=credentials,
        credential_infos={name: row.get("credential_info") or {} for name, row in rows.items()},
        providers=reader.providers,
        warnings=tuple(ordered(report.problems)),
        files=tuple(files.read),
    )
    return config, report, files


def _config(settings: dict[str, dict[str, Any]], **parts: Any) -> Config:
    general = dict(settings["general_settings"])
    rows = [row for row in general.pop("pass_through_endpoints", ()) if {"path", "target"} <= row.keys()]
    endpoints = tuple(PassThrough(**{**row, "path": "/" + row["path"].strip("/")}) for row in rows)
    return Config(
        litellm=LitellmSettings(**settings["litellm_settings"]),
        general=GeneralSettings(**general, pass_through_endpoints=endpoints),
        router=RouterSettings(**settings["router_settings"]),
        **parts,
    )


def _environment(reader: Reader, root: Mapping) -> dict[str, str]:
    """`environment_variables`: each may refer to those before it and to the process's."""
    node = root.entries.get("environment_variables")
    path = "environment_variables"
    if node is None or not isinstance(node, Mapping):
        if node is not None and getattr(node, "value", "") is not None:
            reader.report.error(node.place, path, "", expected="a mapping of names to texts")
        return {}
    references = reader.references
    for name, item in node.entries.items():
        value = reader.value(_VARIABLE, item, f"{path}.{shown_name(name)}")
        if value is not None:
            references.over[name] = value
    return references.over


def _variable(value: Any, written: str | None) -> str:
    """Numbers and flags as they were written."""
    return (
        written
        if isinstance(value, bool) and written is not None
        else str(KINDS["text"].read(value, written))
    )


_VARIABLE: Final = Kind("text", "a text", _variable)
_READ_ELSEWHERE: Final = frozenset(
    {"model_list", "credential_list", "custom_providers", "environment_variables", *SETTINGS}
)


def _settings(reader: Reader, root: Mapping) -> dict[str, dict[str, Any]]:
    """The three settings blocks. The top level's other keys are reported."""
    others: dict[str, Node] = {k: v for k, v in root.entries.items() if k not in _READ_ELSEWHERE}
    reader.block(TOP, Mapping(root.place, others, root.places), "")
    settings: dict[str, dict[str, Any]] = {}
    for name, block in SETTINGS.items():
        node = root.entries.get(name)
        if isinstance(node, Mapping) and name == "router_settings":
            node = _with_strategy(reader, node)
        settings[name] = reader.block(block, node, name) if node is not None else {}
    return settings


_INSTEAD: Final = "simple-shuffle"


def _with_strategy(reader: Reader, node: Mapping) -> Mapping:
    """A strategy of LiteLLM's that is not built is a warning: calls are spread all the same."""
    chosen = node.entries.get("routing_strategy")
    if not isinstance(chosen, Scalar) or chosen.value not in STRATEGIES:
        return node
    message = f"the strategy {chosen.value} is not supported yet: {_INSTEAD} is used"
    reader.report.warning(node.places["routing_strategy"], "router_settings.routing_strategy", message)
    instead = Scalar(chosen.place, _INSTEAD, _INSTEAD)
    return Mapping(node.place, {**node.entries, "routing_strategy": instead}, node.places)


def _add_from_environment(settings: dict[str, dict[str, Any]], env: Table[str, str], report: Report) -> None:
    for block, key, variable in FROM_ENVIRONMENT:
        name = next((n for n in (f"HEADGATE_{variable}", f"LITELLM_{variable}") if env.get(n)), None)
        if name is None or key in settings[block]:
            continue
        kind = KINDS[SETTINGS[block].supported[key].kind]
        try:
            settings[block][key] = kind.read(env[name], None)
        except ValueError:
            report.error(Place(ENVIRONMENT), name, "", expected=kind.expected)
