"""References to environment variables: `os.environ/NAME`, `${NAME}` and `${NAME:-default}`.

`os.environ/NAME` is a whole value, the other two may stand inside a text, and `$${` is a literal `${`. What a
variable holds is put in once and not searched for references again. Values never reach a message, names do.
"""

import re
from collections.abc import Mapping as Table
from typing import Any, Final

from headgate.server.config.document import Mapping, Node, Scalar, Sequence
from headgate.server.config.report import Place, Report, shown_name

PREFIX: Final = "os.environ/"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACES: Final = re.compile(r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^{}]*)?\})?")


class References:
    """Resolves against `env`; what `over` holds (the file's own `environment_variables`) is asked first."""

    def __init__(self, env: Table[str, str], report: Report) -> None:
        self.over: dict[str, str] = {}
        self.found: set[str] = set()
        """Texts that came out of the environment, in whole or in part."""
        self._env = env
        self._report = report

    def get(self, name: str) -> str:
        """The empty text where the variable is not set."""
        return self.over.get(name) or self._env.get(name) or ""

    @property
    def env(self) -> dict[str, str]:
        return {**self._env, **self.over}

    def is_reference(self, node: Node) -> bool:
        """True where a value came out of the environment, or was meant to."""
        return isinstance(node, Scalar) and isinstance(node.value, str) and _has_reference(node.value)

    def value(self, node: Node, path: str, *, required: bool = False) -> Any:
        """Plain dicts, lists and scalars. A whole value whose variable is not set is None, or left out of its
        list or mapping: a warning, an error if `required`. Inside a text it is an error.
        """
        if isinstance(node, Mapping):
            pairs = ((name, self.value(n, f"{path}.{shown_name(name)}")) for name, n in node.entries.items())
            return {
                name: value
                for name, value in pairs
                if value is not None or not self.is_reference(node.entries[name])
            }
        if isinstance(node, Sequence):
            values = [self.value(item, f"{path}[{index}]") for index, item in enumerate(node.items)]
            return [
                value
                for value, item in zip(values, node.items, strict=True)
                if value is not None or not self.is_reference(item)
            ]
        if not isinstance(node.value, str) or not _has_reference(node.value):
            return node.value
        text = self._text(node.value, node.place, path, required)
        if text is not None:
            self.found.add(text)
        return text

    def _text(self, text: str, place: Place, path: str, required: bool) -> str | None:
        if text.startswith(PREFIX):
            name = text[len(PREFIX) :]
            if _NAME.fullmatch(name):
                return self._whole(name, place, path, required)
            expected = "the name of a variable after os.environ/ (for a part of a text write ${NAME})"
            self._report.error(place, path, "", expected=expected)
            return None
        if PREFIX in text:
            message = "os.environ/ is read only where it begins the value: write ${NAME} inside a text"
            self._report.warning(place, path, message)
        whole = _BRACES.fullmatch(text)
        if whole and whole["name"] and whole["default"] is None:
            return self._whole(whole["name"], place, path, required)
        return _BRACES.sub(lambda match: self._part(match, place, path), text)

    def _part(self, match: re.Match[str], place: Place, path: str) -> str:
        if match[0] == "$${":
            return "${"
        name, default = match["name"], match["default"]
        if name is None:
            self._report.error(place, path, "", expected="${NAME} or ${NAME:-default} ($${ is a literal ${)")
            return ""
        value = self.get(name)
        if not value and default is not None:
            return default[2:]
        if not value and name not in self._env and name not in self.over:
            self._report.error(place, path, f"the environment variable {name} is not set")
        return value

    def _whole(self, name: str, place: Place, path: str, required: bool) -> str | None:
        if value := self.get(name):
            return value
        state = "empty" if name in self._env or name in self.over else "not set"
        if required:
            self._report.error(place, path, f"the environment variable {name} is {state}")
        else:
            message = f"the environment variable {name} is {state}: the value counts as not given"
            self._report.warning(place, path, message)
        return None


def _has_reference(text: str) -> bool:
    return "${" in text or PREFIX in text
