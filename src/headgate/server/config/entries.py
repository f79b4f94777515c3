"""A row of a model list that does not come out of a file: the same checks, the same words."""

from collections.abc import Mapping as Table
from typing import Any, Final

import msgspec

from headgate.errors import BadRequestError
from headgate.server.config.blocks import Reader
from headgate.server.config.document import Mapping, parse
from headgate.server.config.models import read_models
from headgate.server.config.report import Report
from headgate.server.config.schema import Config, ModelEntry
from headgate.server.config.secrets import References

_ROW: Final = "model_list[0]"


def read_entry(row: Table[str, Any], env: Table[str, str], config: Config) -> ModelEntry:
    """`row` has model_name, litellm_params and model_info; credentials and own providers are those of `config`.
    Raises BadRequestError naming the first field that is wrong."""
    report = Report()
    text = msgspec.json.encode({"model_list": [dict(row)]}).decode()
    document = parse(text, "request", report)
    found: tuple[ModelEntry, ...] = ()
    if isinstance(document, Mapping):
        reader = Reader(References(env, report), report)
        reader.providers = config.providers
        found = read_models(
            reader, document.entries["model_list"], config.credentials, leave_out_invalid=False
        )
    errors = [problem for problem in report.problems if problem.severity == "error"]
    if errors or not found:
        first = errors[0] if errors else report.problems[0]
        path = first.path.removeprefix(_ROW).removeprefix(".")
        near = f": did you mean {first.near!r}?" if first.near else ""
        raise BadRequestError(f"{path}: {first.text}{near}".removeprefix(": "), param=path or None)
    return found[0]
