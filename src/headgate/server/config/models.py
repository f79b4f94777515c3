"""`model_list` and `credential_list`: rows with everything that belongs to them.

Asks the table of providers whether a row's model means one, so that a wrong name is found with its line and
not at the first call.
"""

from collections.abc import Mapping as Table
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from headgate.errors import HeadgateError
from headgate.providers.address import own_base
from headgate.providers.auth import build
from headgate.providers.auth.base import Surroundings
from headgate.providers.base import Provider
from headgate.providers.registry import providers, resolve
from headgate.server.config import known
from headgate.server.config.blocks import Reader
from headgate.server.config.document import Mapping, Node, Scalar, Sequence
from headgate.server.config.keys import CREDENTIAL, INFO, MODEL, PARAMS
from headgate.server.config.nearest import nearest
from headgate.server.config.report import Place, shown, shown_name
from headgate.server.config.schema import ModelEntry

Credentials = dict[str, dict[str, Any]]
NAMED: Final = "litellm_credential_name"


class _Row(Struct, frozen=True):
    path: str
    place: Place


def read_credentials(reader: Reader, node: Node | None) -> Credentials:
    """The rows by their names; each has `credential_values`."""
    credentials: Credentials = {}
    for index, item in enumerate(_items(reader, node, "credential_list")):
        path = f"credential_list[{index}]"
        values = _checked_row(reader, item, path, ("credential_name", "credential_values"))
        if values is None:
            continue
        name = values["credential_name"]
        if name in credentials:
            reader.report.error(item.place, path, f"a second credential is called {shown(name, 'name')}")
        credentials[name] = values
    return credentials


def read_models(
    reader: Reader,
    node: Node | None,
    credentials: Credentials,
    *,
    leave_out_invalid: bool,
    later: bool = False,
) -> tuple[ModelEntry, ...]:
    """`credentials` are values by name. `later`: the database may have more, so that a row that names one of those is
    looked at when it gets its values."""
    entries: list[ModelEntry] = []
    ids: dict[str, int] = {}
    for index, item in enumerate(_items(reader, node, "model_list")):
        row = _Row(f"model_list[{index}]", item.place)
        values = _checked_row(reader, item, row.path, ("model_name", "litellm_params"))
        if values is None:
            continue
        params = _with_credential(reader, row, values["litellm_params"], credentials, later)
        info = values.get("model_info", {})
        waits = later and params.get(NAMED, "") not in ("", *credentials)
        if not _model_is_fine(reader, row, values["model_name"], params, leave_out_invalid, waits):
            continue
        _check_id(reader, row, info.get("id"), ids)
        entries.append(
            ModelEntry(
                name=values["model_name"], params=params, info=info, file=row.place.file, line=row.place.line
            )
        )
    return tuple(entries)


def _items(reader: Reader, node: Node | None, path: str) -> list[Node]:
    if isinstance(node, Sequence):
        return node.items
    if node is not None and not (isinstance(node, Scalar) and node.value is None):
        reader.report.error(node.place, path, "", expected="a list")
    return []


def public_names(node: Node | None) -> list[str]:
    """Every `model_name` as it is written, also of rows that can't be used."""
    rows = node.items if isinstance(node, Sequence) else []
    names = (row.entries.get("model_name") for row in rows if isinstance(row, Mapping))
    return [name.text for name in names if isinstance(name, Scalar)]


_INNER: Final = {"litellm_params": PARAMS, "model_info": INFO, "credential_values": PARAMS}


def _checked_row(reader: Reader, node: Node, path: str, required: tuple[str, str]) -> dict[str, Any] | None:
    """The row's values, its inner blocks read; None once it is reported why it can't be used."""
    if not isinstance(node, Mapping):
        reader.report.error(node.place, path, "", expected=f"a mapping with {required[0]} and {required[1]}")
        return None
    inner = {name: item for name, item in node.entries.items() if name in _INNER}
    outer = Mapping(node.place, {k: v for k, v in node.entries.items() if k not in _INNER}, node.places)
    before = len(reader.report.problems)
    block = CREDENTIAL if required[0] == "credential_name" else MODEL
    values = reader.block(block, outer, path)
    for name, item in inner.items():
        reader.places[f"{path}.{name}"] = node.places[name]
        if name in block.supported:
            values[name] = reader.block(_INNER[name], item, f"{path}.{name}")
        else:
            reader.report.error(node.places[name], f"{path}.{name}", "does not belong into this list")
    failed = any(problem.severity == "error" for problem in reader.report.problems[before:])
    for name in required:
        if not values.get(name) and not failed:
            reader.report.error(node.place, path, f"{name} is missing")
            failed = True
    return None if failed else values


def _with_credential(
    reader: Reader, row: _Row, params: dict[str, Any], credentials: Credentials, later: bool
) -> dict[str, Any]:
    """The credential's values under the row's own."""
    name = params.get(NAMED)
    if name is None:
        return params
    if name not in credentials:
        path = f"{row.path}.litellm_params.{NAMED}"
        message = f"no credential is called {shown(name, 'name')}"
        near = nearest(name, credentials)
        tell = reader.report.warning if later else reader.report.error
        tell(reader.places.get(path, row.place), path, message, near=shown_name(near) if near else None)
        return params
    return {**credentials[name], **params}


def _check_id(reader: Reader, row: _Row, name: str | None, ids: dict[str, int]) -> None:
    if name is None:
        return
    if name in ids:
        path = f"{row.path}.model_info.id"
        message = f"this id is taken by the row in line {ids[name]}"
        reader.report.error(reader.places.get(path, row.place), path, message)
    ids.setdefault(name, row.place.line)


def _model_is_fine(
    reader: Reader, row: _Row, name: str, params: dict[str, Any], leave_out_invalid: bool, waits: bool
) -> bool:
    """False where the row is left out, with a warning; errors are reported and True. `waits` for a credential, which
    may say who the provider is."""
    path = f"{row.path}.litellm_params.model"
    place = reader.places.get(path, row.place)
    model = params.get("model")
    if model is None:
        reader.report.error(
            row.place, f"{row.path}.litellm_params", "model is missing: name it as provider/model"
        )
        return True
    if message := _wildcard_problem(name, model):
        reader.report.error(place, path, message)
        return True
    if model == "*" or waits:
        return True
    base = params.get("api_base") or params.get("base_url")
    try:
        provider, _ = resolve(model, params.get("custom_llm_provider"), base, reader.providers)
    except HeadgateError:
        say = reader.report.warning if leave_out_invalid else reader.report.error
        message, near = _unknown_provider(model, params.get("custom_llm_provider"), reader.providers)
        say(place, path, message + (": the row is left out" if leave_out_invalid else ""), near=near)
        return not leave_out_invalid
    _check_access(reader, row, provider, params, base)
    return True


def _wildcard_problem(name: str, model: str) -> str:
    if name.count("*") > 1 or model.count("*") > 1:
        return "a model_name and a model may each hold one *"
    if "*" in model and "*" not in name:
        return "the * stands for what a * in model_name matched, and there is none"
    return ""


def _unknown_provider(model: str, provider: str | None, own: Table[str, Provider]) -> tuple[str, str | None]:
    name = provider or model.partition("/")[0]
    if name in known.PROVIDERS and (provider or "/" in model):
        return f"{name} is a LiteLLM provider that Headgate does not support yet", None
    near = nearest(name, [*own, *providers()]) if provider or "/" in model else None
    message = f"{shown(provider or model, 'model')} names no provider that Headgate knows"
    if near is None:
        message += ": write it as provider/model, such as openai/gpt-4o"
    return message, near and (near if provider else f"{near}/…")


def _check_access(
    reader: Reader, row: _Row, provider: Provider, params: dict[str, Any], base: str | None
) -> None:
    """Warns of what the first call would fail for: no address, no key."""
    if "mock_response" in params:
        return
    env, path = reader.references, f"{row.path}.litellm_params"
    base = base or next((env.get(name) for name in provider.base_url_env if env.get(name)), None)
    if not base and (message := _address_problem(provider, params, env.env)):
        reader.report.warning(row.place, path, message)
    auth = provider.auth
    given = ("api_key", *filter(None, [auth.token_param]))
    if (
        auth.optional
        or (base and base != provider.base_url)
        or (provider.credential and _signs(provider, params, env.env, base or ""))
        or any(f"{path}.{name}" in reader.places for name in given)
    ):
        return
    variables = (*provider.api_key_env, *auth.token_env)
    if not any(params.get(name) for name in given) and not any(env.get(name) for name in variables):
        reader.report.warning(row.place, path, f"no key: give api_key or set {' or '.join(variables)}")


def _address_problem(provider: Provider, params: dict[str, Any], env: Table[str, str]) -> str:
    try:
        base = own_base(provider, params, env)
    except HeadgateError as error:
        return error.message
    names = "".join(f" or set {name}" for name in provider.base_url_env)
    return "" if base else f"{provider.name} needs an address: give api_base{names}"


def _signs(provider: Provider, params: dict[str, Any], env: Table[str, str], base: str) -> bool:
    """Whether the row's scheme finds something to sign with, or only finds out at the first call."""

    def read(path: str) -> bytes:
        return Path(path).read_bytes()

    around = Surroundings(params=params, env=env, read=read, base=base, provider=provider.name)
    try:
        return build(provider.credential, around) is not None
    except HeadgateError:
        return False


def from_environment(env: Table[str, str]) -> tuple[ModelEntry, ...]:
    """Zero configuration: `provider/*` for each provider that the environment has a key or an address for,
    and `mock/*`. Providers without a fixed address need theirs.
    """
    return tuple(
        ModelEntry(name=f"{name}/*", params={"model": f"{name}/*"}, file="environment")
        for name, row in providers().items()
        if name == row.id and _is_configured(row, env)
    )


def _is_configured(row: Provider, env: Table[str, str]) -> bool:
    if row.id == "mock":
        return True
    key = any(env.get(name) for name in (*row.api_key_env, *row.auth.token_env))
    base = any(env.get(name) for name in row.base_url_env)
    return base if row.auth.optional else key and (base or not _address_problem(row, {}, env))
