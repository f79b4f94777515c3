"""YAML text → nodes that know their place. Knows nothing of what a configuration means.

Reads the events of libyaml's parser, so depth and the size that aliases expand to are bounded before anything
is built. Every mapping key is kept as the text that was written. Texts that YAML 1.1 would turn into dates
stay texts. PyYAML is imported on first use: a start without a file does without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from msgspec import Struct, field

from headgate.server.config.report import Place, Report, shown_name

if TYPE_CHECKING:
    import yaml

MAX_DEPTH: Final = 60
MAX_NODES: Final = 200_000
"""Values in one document, aliases counted as often as they are used."""

_TAG: Final = "tag:yaml.org,2002:"
_NUMBER_LIMIT: Final = 2**63


class Scalar(Struct):
    """`value` is None, bool, int, float or str; `text` is what was written."""

    place: Place
    value: Any
    text: str = ""
    size: int = 1
    height: int = 0


class Sequence(Struct):
    place: Place
    items: list[Node] = field(default_factory=list)
    size: int = 1
    height: int = 1


class Mapping(Struct):
    """`places` are those of the keys."""

    place: Place
    entries: dict[str, Node] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    size: int = 1
    height: int = 1


Node: TypeAlias = Scalar | Sequence | Mapping


class Unreadable(Exception):  # noqa: N818 -- says that reading stopped; its problem is reported already
    """Raised when the rest of a document can't be read."""


def parse(text: str, file: str, report: Report) -> Node | None:
    """The document's root, None for an empty one. Raises Unreadable once the problem is reported."""
    import yaml

    composer = _Composer(file, report)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            composer.take(event)
    except yaml.reader.ReaderError as error:
        place = _place_of_byte(text, file, error.position)
        report.error(place, "", "the file holds a character that YAML does not allow")
        raise Unreadable from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark is not None else Place(file)
        report.error(place, "", f"this is not valid YAML: {_reason(error)}")
        raise Unreadable from None
    return composer.root


_HINTS: Final = {
    "while scanning an alias": ': a value that begins with * must be quoted, as in "*"',
    "found character that cannot start any token": ": indent with spaces, quote what begins with % @ `",
    "mapping values are not allowed in this context": ': quote a text that holds ": "',
}


def _reason(error: yaml.MarkedYAMLError) -> str:
    words = [str(part) for part in (error.context, error.problem) if part]
    hint = next((hint for start, hint in _HINTS.items() if start in words), "")
    return " ".join(words) + hint


def _place_of_byte(text: str, file: str, position: int) -> Place:
    before = text.encode("utf-8", "replace")[:position]
    return Place(file, before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))


class _Open(Struct):
    """A collection whose end has not come yet. `key` is the last one read, `merged` are values of `<<`."""

    node: Sequence | Mapping
    anchor: str | None
    key: str | None = None
    key_place: Place | None = None
    skip: bool = False
    merged: list[Node] = field(default_factory=list)


class _Composer:
    def __init__(self, file: str, report: Report) -> None:
        self.root: Node | None = None
        self._file = file
        self._report = report
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._total = 0
        self._scalars = _Scalars(report)
        self._take: dict[str, Callable[[Any], None]] = {
            "DocumentStartEvent": self._document,
            "ScalarEvent": self._scalar,
            "AliasEvent": self._alias,
            "SequenceStartEvent": self._open,
            "MappingStartEvent": self._open,
            "SequenceEndEvent": self._close,
            "MappingEndEvent": self._close,
        }

    def take(self, event: yaml.Event) -> None:
        if action := self._take.get(type(event).__name__):
            action(event)

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1)

    def _stop(self, place: Place, message: str) -> NoReturn:
        self._report.error(place, "", message)
        raise Unreadable

    def _document(self, event: yaml.Event) -> None:
        self._documents += 1
        if self._documents > 1:
            self._stop(self._place(event), "the file holds a second YAML document ('---'): put all into one")

    def _scalar(self, event: Any) -> None:
        place = self._place(event)
        top = self._stack[-1] if self._stack else None
        if top and isinstance(top.node, Mapping) and top.key is None and not top.skip:
            self._key(top, event.value, place)
            return
        node = self._scalars.read(event, place)
        self._named(event.anchor, node)
        self._put(node)

    def _key(self, top: _Open, name: str, place: Place) -> None:
        mapping = top.node
        assert isinstance(mapping, Mapping)
        top.key, top.key_place = name, place
        if name in mapping.entries:
            first = mapping.places[name].line
            self._report.error(place, shown_name(name), f"this key stands twice, first in line {first}")

    def _alias(self, event: Any) -> None:
        place = self._place(event)
        if any(level.anchor == event.anchor for level in self._stack):
            self._stop(place, "an alias stands inside of what it repeats")
        node = self._anchors.get(event.anchor)
        if node is None:
            self._stop(place, "an alias repeats an anchor that is not defined before it")
        if len(self._stack) + node.height > MAX_DEPTH:
            self._stop(place, f"aliases nest values more than {MAX_DEPTH} levels deep")
        self._put(node, place)

    def _open(self, event: Any) -> None:
        place = self._place(event)
        if len(self._stack) >= MAX_DEPTH:
            self._stop(place, f"values are nested more than {MAX_DEPTH} levels deep")
        kind = Sequence if type(event).__name__ == "SequenceStartEvent" else Mapping
        if event.tag not in (None, "!", _TAG + "seq", _TAG + "map"):
            self._report.error(place, "", "YAML tags on collections are not supported")
        self._stack.append(_Open(kind(place), event.anchor))

    def _close(self, _: Any) -> None:
        level = self._stack.pop()
        if isinstance(level.node, Mapping):
            for source in level.merged:
                self._merge(level.node, source)
        self._named(level.anchor, level.node)
        self._put(level.node)

    def _named(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _put(self, node: Node, place: Place | None = None) -> None:
        """Into the collection that is open. `place` is that of the alias, where it was one."""
        place = place or node.place
        # what was read in place was counted value by value; what an alias repeats counts again, whole
        self._total += node.size if place is not node.place else 1
        if self._total > MAX_NODES:
            self._stop(place, f"the document holds more than {MAX_NODES:,} values (aliases expanded)")
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        top.node.size += node.size
        top.node.height = max(top.node.height, node.height + 1)
        if isinstance(top.node, Sequence):
            top.node.items.append(node)
        else:
            self._put_pair(top, top.node, node, place)

    def _put_pair(self, top: _Open, mapping: Mapping, node: Node, place: Place) -> None:
        if top.skip:
            top.skip = False
        elif top.key is None:
            self._complex_key(top, node, place)
        elif top.key == "<<":
            top.merged.append(node)
            top.key = None
        else:
            if top.key not in mapping.entries and top.key_place is not None:
                mapping.entries[top.key] = node
                mapping.places[top.key] = top.key_place
            top.key = None

    def _complex_key(self, top: _Open, node: Node, place: Place) -> None:
        if isinstance(node, Scalar):
            self._key(top, node.text, place)
            return
        top.skip = True
        self._report.error(place, "", "a key must be a text, not a list or a mapping")

    def _merge(self, into: Mapping, source: Node) -> None:
        sources = source.items if isinstance(source, Sequence) else [source]
        for mapping in sources:
            if not isinstance(mapping, Mapping):
                self._report.error(
                    source.place, "<<", "", expected="a mapping or a list of mappings to merge"
                )
                return
            self._total += len(mapping.entries)
            if self._total > MAX_NODES:
                self._stop(source.place, f"merge keys make more than {MAX_NODES:,} values")
            for name, node in mapping.entries.items():
                into.entries.setdefault(name, node)
                into.places.setdefault(name, mapping.places[name])


class _Scalars:
    """Plain text → value, by YAML 1.1 as PyYAML knows it."""

    def __init__(self, report: Report) -> None:
        from yaml.constructor import SafeConstructor
        from yaml.nodes import ScalarNode
        from yaml.resolver import Resolver

        self._report = report
        self._node = ScalarNode
        self._patterns: Any = Resolver.yaml_implicit_resolvers
        constructor = SafeConstructor()
        self._make: dict[str, Callable[[Any], Any]] = {
            _TAG + "null": lambda node: None,
            _TAG + "bool": constructor.construct_yaml_bool,
            _TAG + "int": constructor.construct_yaml_int,
            _TAG + "float": constructor.construct_yaml_float,
            _TAG + "str": lambda node: node.value,
        }

    def read(self, event: Any, place: Place) -> Scalar:
        text, tag = event.value, event.tag
        if tag is None:
            tag = self._implied(text) if event.implicit[0] else _TAG + "str"
        elif tag == "!":
            tag = _TAG + "str"
        elif tag not in self._make:
            self._report.error(
                place, "", "this YAML tag is not supported", expected="!!str, !!int, !!float, !!bool"
            )
            tag = _TAG + "str"
        return Scalar(place, self._value(tag, text, place), text)

    def _implied(self, text: str) -> str:
        for tag, pattern in self._patterns.get(text[:1], ()):
            if pattern.match(text):
                return tag if tag in self._make else _TAG + "str"
        return _TAG + "str"

    def _value(self, tag: str, text: str, place: Place) -> Any:
        try:
            value = self._make[tag](self._node(tag, text))
        except (ValueError, KeyError, IndexError, OverflowError):
            self._report.error(place, "", "this value does not fit its YAML tag, or is too long a number")
            return None
        if isinstance(value, int) and abs(value) >= _NUMBER_LIMIT:
            self._report.error(place, "", "", expected="a number of at most 64 bits")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self._report.error(place, "", "", expected="a finite number")
            return None
        return value
