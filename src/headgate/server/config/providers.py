"""`custom_providers`: rows of the user's own, in the words of `headgate.providers.base`.

The key table of their blocks stands here and not among LiteLLM's, because LiteLLM has no such list.
"""

import re
from typing import Any, Final

from msgspec.structs import replace

from headgate.providers.base import OPENAI_PATHS, Auth, ModelRule, Provider, Quirks
from headgate.providers.registry import providers
from headgate.server.config.blocks import Reader
from headgate.server.config.document import Mapping, Node, Scalar, Sequence
from headgate.server.config.keys import Block, Key
from headgate.server.config.report import shown

_LIST: Final = "custom_providers"


def _block(name: str, rows: tuple[tuple[str, str, str, str], ...], **inner: Block) -> Block:
    return Block(name, {row[0]: Key(*row) for row in rows}, frozenset(), inner=inner)


QUIRKS: Final = _block(
    f"{_LIST}.quirks",
    (
        ("rename", "renames", "—", "Parameters by another name: `{max_completion_tokens: max_tokens}`."),
        ("refuse", "texts", "—", "Parameters that it rejects: an error, or left out under `drop_params`."),
        ("drop", "texts", "—", "Parameters that are left out without a word."),
        ("only", "taken", "—", "The values that it takes; with another one the parameter is refused."),
        ("values", "substitutes", "—", "Values that are sent instead: `{tool_choice: {required: any}}`."),
        ("clamp", "bounds", "—", "Numbers beyond are set to the bound."),
        ("roles", "renames", "—", "Roles of messages by another name: `{developer: system}`."),
        ("flatten", "flag", "false", "Lists of text parts in messages become one text."),
        ("drop_null", "flag", "false", "Keys whose value is null are taken out of messages."),
        ("strip_message", "texts", "—", "Keys that are taken out of messages."),
        ("tool_strict", "flag", "true", "`false` takes `strict` out of tools."),
        ("strip_schema", "texts", "—", "Keywords that are taken out of the schemas of tools."),
        ("rename_text", "renames", "—", "As `rename`, where the value is a text and no object."),
    ),
)
AUTH: Final = _block(
    f"{_LIST}.auth",
    (
        ("header", "name", "`authorization`", "The header that holds the key."),
        ("scheme", "text", "`Bearer`", 'The word before it; `""` for none.'),
        ("optional", "flag", "false", "It works without a key."),
    ),
)
RULE: Final = _block(
    f"{_LIST}.model_rules",
    (
        ("match", "pattern", "required", "What the model's name begins with."),
        ("quirks", "mapping", "required", "Further quirks of these models."),
    ),
    quirks=QUIRKS,
)
ROW: Final = _block(
    _LIST,
    (
        ("id", "provider", "required", "The prefix of its models: `id/model`."),
        ("name", "name", "`id`", "Its name in messages."),
        ("aliases", "texts", "—", "Further prefixes."),
        ("base_url", "url", "—", "Where it is. `{placeholders}` are filled by `base_vars`."),
        ("base_url_env", "text_or_texts", "—", "Variables that hold another address."),
        (
            "base_vars",
            "fillings",
            "—",
            "What fills a placeholder: a parameter of `litellm_params`, variables.",
        ),
        ("api_key_env", "text_or_texts", "—", "Variables that hold the key. Without one it needs none."),
        ("auth", "mapping", "a bearer's", "How the key travels."),
        ("dialect", "chat_dialect", "openai_chat", "The format of its chat."),
        (
            "paths",
            "operations",
            "OpenAI's",
            "Its operations: chat, completions, embeddings and models, if not given.",
        ),
        ("headers", "headers", "—", "Headers of every request."),
        ("header_env", "renames", "—", "Headers whose values are in variables."),
        ("header_params", "renames", "—", "Headers whose values are parameters of `litellm_params`."),
        ("api_version", "text", "—", "Its api-version, where its paths have one."),
        ("model_prefix", "name", "—", "Put before models without a `/`."),
        (
            "stream_usage",
            "stream_usage",
            "ask",
            "Usage in streams: by `stream_options`, unasked, or never asked.",
        ),
        ("cache_marks", "flag", "false", "It takes `cache_control` in parts of messages."),
        ("quirks", "mapping", "—", "Where it deviates from OpenAI."),
        ("model_rules", "list", "—", "Quirks of some of its models."),
    ),
    auth=AUTH,
    quirks=QUIRKS,
    model_rules=RULE,
)
OWN: Final = (ROW, AUTH, QUIRKS, RULE)


def read_providers(reader: Reader, node: Node | None) -> dict[str, Provider]:
    """By id and by alias."""
    found: dict[str, Provider] = {}
    for index, item in enumerate(_items(reader, node)):
        path = f"{_LIST}[{index}]"
        before = len(reader.report.problems)
        values = reader.block(ROW, item, path)
        _check(reader, item, path, values)
        if any(problem.severity == "error" for problem in reader.report.problems[before:]):
            continue
        row = _provider(values)
        for name in (row.id, *row.aliases):
            _check_name(reader, item, path, name, found)
            found[name] = row
    return found


def _items(reader: Reader, node: Node | None) -> list[Node]:
    if isinstance(node, Sequence):
        return node.items
    if node is not None and not (isinstance(node, Scalar) and node.value is None):
        reader.report.error(node.place, _LIST, "", expected="a list")
    return []


def _check(reader: Reader, item: Node, path: str, values: dict[str, Any]) -> None:
    """What one key alone doesn't show."""
    if not isinstance(item, Mapping):
        return
    if "id" not in item.entries:
        reader.report.error(item.place, path, "id is missing: the prefix of its models")
    if not {"base_url", "base_url_env"} & item.entries.keys():
        reader.report.error(item.place, path, "base_url is missing: where is it, such as https://host/v1")
    if values.get("dialect", "openai_chat") != "openai_chat" and "paths" not in item.entries:
        reader.report.error(item.place, path, "paths is missing: this format has no usual ones")
    for index in range(len(values.get("model_rules", ()))):
        rule = f"{path}.model_rules[{index}]"
        if f"{rule}.match" not in reader.places:
            reader.report.error(reader.places[f"{path}.model_rules"], rule, "match is missing")
    placeholders = set(re.findall(r"{(.*?)}", values.get("base_url") or ""))
    for name in sorted(placeholders ^ values.get("base_vars", {}).keys()):
        place = reader.places.get(f"{path}.base_vars", reader.places.get(f"{path}.base_url", item.place))
        message = f"{shown(name, path)} must be both a placeholder of base_url and a key of base_vars"
        reader.report.error(place, f"{path}.base_vars", message)


def _check_name(reader: Reader, item: Node, path: str, name: str, found: dict[str, Provider]) -> None:
    key = f"{path}.id" if f"{path}.id" in reader.places else path
    place = reader.places.get(key, item.place)
    if name in found:
        reader.report.error(place, key, f"a second provider is called {shown(name, path)}")
    elif name in providers():
        reader.report.warning(place, key, f"stands in for Headgate's own provider {shown(name, path)}")


def _provider(values: dict[str, Any]) -> Provider:
    rules = [
        ModelRule(match=rule["match"], quirks=Quirks(**rule.get("quirks", {})))
        for rule in values.pop("model_rules", ())
    ]
    auth = Auth(**{"optional": not values.get("api_key_env"), **values.pop("auth", {})})
    for name in ("headers", "header_env", "header_params"):
        values[name] = {header.lower(): value for header, value in values.get(name, {}).items()}
    return Provider(
        **{
            "name": values["id"],
            "paths": OPENAI_PATHS,
            **values,
            "auth": replace(auth, header=auth.header.lower()),
            "quirks": Quirks(**values.get("quirks", {})),
            "model_rules": tuple(rules),
        }
    )
