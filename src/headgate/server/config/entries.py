"""Rows of a model list and of a credential list that do not come out of a file: the same checks, the same words."""

import re
from collections.abc import Callable
from collections.abc import Mapping as Table
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec

from headgate.errors import BadRequestError
from headgate.server.config.blocks import Reader
from headgate.server.config.document import Mapping, Node, Unreadable, parse
from headgate.server.config.models import read_credentials, read_models
from headgate.server.config.report import Report
from headgate.server.config.schema import Config, ModelEntry
from headgate.server.config.secrets import References

T = TypeVar("T")
_YAML_READS_ANEW: Final = re.compile("[\x7f-\uffff]")
"""Among these are characters that YAML forbids, and some that it takes for the end of a line."""


def read_entry(row: Table[str, Any], env: Table[str, str], config: Config) -> ModelEntry:
    """`row` has model_name, litellm_params and model_info; credentials and own providers are those of `config`.
    Raises BadRequestError naming the first field that is wrong."""

    def read(reader: Reader, node: Node) -> ModelEntry | None:
        reader.providers = config.providers
        found = read_models(reader, node, config.credentials, leave_out_invalid=False)
        return found[0] if found else None

    return _read("model_list", row, env, read)


def read_credential(row: Table[str, Any], env: Table[str, str]) -> dict[str, Any]:
    """The values of a row with credential_name and credential_values, its references resolved. Raises BadRequestError
    naming the first field that is wrong."""

    def read(reader: Reader, node: Node) -> dict[str, Any] | None:
        found = next(iter(read_credentials(reader, node).values()), None)
        return None if found is None else found["credential_values"]

    return _read("credential_list", row, env, read)


def _read(
    block: str, row: Table[str, Any], env: Table[str, str], read: Callable[[Reader, Node], T | None]
) -> T:
    report = Report()
    found = None
    text = _YAML_READS_ANEW.sub(
        lambda match: f"\\u{ord(match[0]):04x}", msgspec.json.encode({block: [dict(row)]}).decode()
    )
    with suppress(Unreadable):  # it is reported
        document = parse(text, "request", report)
        if isinstance(document, Mapping):
            found = read(Reader(References(env, report), report), document.entries[block])
    errors = [problem for problem in report.problems if problem.severity == "error"]
    if found is None or errors:
        first = errors[0] if errors else report.problems[0]
        path = first.path.removeprefix(f"{block}[0]").removeprefix(".")
        near = f": did you mean {first.near!r}?" if first.near else ""
        raise BadRequestError(f"{path}: {first.text}{near}".removeprefix(": "), param=path or None)
    return found
