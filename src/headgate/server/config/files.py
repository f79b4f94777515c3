"""The files of a configuration, with their `include`s, merged into one document.

As in LiteLLM lists are extended and what an included file says goes over the including one; unlike there, two
settings blocks are merged key by key, so that an include can't take a master key away unseen.
"""

from pathlib import Path
from typing import Final

from headgate.server.config.document import Mapping, Node, Scalar, Sequence, Unreadable, parse
from headgate.server.config.report import Place, Report, printable, shown
from headgate.server.config.secrets import References

MAX_BYTES: Final = 10 * 1024 * 1024
MAX_FILES: Final = 100


class Files:
    """Reads files one after the other. `read` holds their paths, the first one first, `asked` those of files that
    can't be read, too."""

    def __init__(self, references: References, report: Report) -> None:
        self.read: list[str] = []
        self.asked: list[str] = []
        self._references = references
        self._report = report
        self._resolved: list[Path] = []
        self._chain: list[Path] = []

    def tree(self, path: str | Path) -> Mapping | None:
        """The merged document, None where the first file can't be used at all."""
        return self._file(Path(path), Place(str(path)), printable(str(path)))

    def _file(self, path: Path, place: Place, name: str) -> Mapping | None:
        """`place` is where the file is asked for, `name` what a message may call it."""
        self.asked.append(str(path))
        try:
            data, resolved = _load(path)
        except (OSError, ValueError) as error:
            self._report.error(place, "", f"can't read the file {name}: {_why(error)}")
            return None
        if not self._is_new(resolved, place, name):
            return None
        self._resolved.append(resolved)
        self.read.append(str(path))
        self._chain.append(resolved)
        root = self._root(data, str(path))
        if root is not None:
            root = self._with_includes(root, path.parent)
        self._chain.pop()
        return root

    def _is_new(self, resolved: Path, place: Place, name: str) -> bool:
        if resolved in self._chain:
            chain = " → ".join(printable(file.name) for file in [*self._chain, resolved])
            self._report.error(place, "include", f"the file {name} includes itself: {chain}")
        elif resolved in self._resolved:
            self._report.error(
                place, "include", f"the file {name} is included twice: its models would count twice"
            )
        elif len(self._resolved) >= MAX_FILES:
            self._report.error(place, "include", f"more than {MAX_FILES} files are included")
        else:
            return True
        return False

    def _root(self, data: bytes, file: str) -> Mapping | None:
        if len(data) > MAX_BYTES:
            self._report.error(Place(file), "", f"the file is larger than {MAX_BYTES // 1024**2} MB")
            return None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            column = error.start - data.rfind(b"\n", 0, error.start)
            self._report.error(Place(file, line, column), "", "the file is not UTF-8 text")
            return None
        try:
            root = parse(text, file, self._report)
        except Unreadable:
            return None
        if root is None or (isinstance(root, Scalar) and root.value is None):
            return Mapping(Place(file, 1, 1))
        if not isinstance(root, Mapping):
            self._report.error(root.place, "", "", expected="a mapping with keys such as model_list")
            return None
        return root

    def _with_includes(self, root: Mapping, folder: Path) -> Mapping:
        node = root.entries.get("include")
        if node is None:
            return root
        items = node.items if isinstance(node, Sequence) else [node]
        merged = Mapping(
            root.place,
            {name: value for name, value in root.entries.items() if name != "include"},
            {name: place for name, place in root.places.items() if name != "include"},
        )
        for index, item in enumerate(items):
            path = f"include[{index}]"
            name = self._references.value(item, path)
            if not isinstance(name, str) or not name:
                if not (isinstance(item, Scalar) and self._references.is_reference(item)):
                    self._report.error(item.place, path, "", expected="the path of a file")
                continue
            included = self._file(folder / name, item.place, shown(getattr(item, "text", ""), path))
            if included is not None:
                merged = _merged(merged, included, 1)
        return merged


def _load(path: Path) -> tuple[bytes, Path]:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1), path.resolve()


def _why(error: OSError | ValueError) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "that is no path"


def _merged(first: Mapping, second: Mapping, levels: int) -> Mapping:
    """`second` over `first`: down to `levels` below, mappings are merged by key and lists extended."""
    entries, places = dict(first.entries), dict(first.places)
    for name, node in second.entries.items():
        entries[name] = _both(entries.get(name), node, levels)
        places[name] = second.places[name]
    return Mapping(first.place, entries, places)


def _both(first: Node | None, second: Node, levels: int) -> Node:
    if isinstance(first, Mapping) and isinstance(second, Mapping) and levels:
        return _merged(first, second, levels - 1)
    if isinstance(first, Sequence) and isinstance(second, Sequence) and levels:
        return Sequence(first.place, [*first.items, *second.items])
    return second
