"""The base of what calls return: a view over decoded JSON, with attributes and items. Knows no answer.

A view holds the dictionary itself. Nested objects become views when they are first looked at, in place, so what is
changed through a view is changed in the whole. A class may add to the dictionary when a view of it is made: what is
dumped, iterated and compared is always what attributes say.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, ClassVar, Self

import msgspec


class View:
    """The base. `_views` maps a field to the class of its value, or of its items."""

    _views: ClassVar[Mapping[str, type["View"]]] = {}
    _known: ClassVar[frozenset[str]] = frozenset()
    _start: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, **fields: Any) -> None:
        data = {key: value() if callable(value) else value for key, value in self._start.items()}
        data.update(fields)
        object.__setattr__(self, "_data", data)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """A view of this very dictionary."""
        made = cls.__new__(cls)
        made.__dict__["_data"] = data
        return made

    def __getattr__(self, name: str) -> Any:
        data: dict[str, Any] = self.__dict__["_data"]
        if name in data:
            return self._seen(name, data) if name in self._views else data[name]
        if name in self._known:
            return self._lacking(name)
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def _lacking(self, name: str) -> Any:
        """What a known field says that is not there."""
        return None

    def _seen(self, name: str, data: dict[str, Any]) -> Any:
        value = data[name]
        kind = self._views.get(name)
        if kind is not None:
            if type(value) is dict:
                value = data[name] = kind.of(value)
            elif type(value) is list and value and type(value[0]) is dict:
                value = data[name] = [kind.of(one) if type(one) is dict else one for one in value]
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            self.__dict__["_data"][name] = value

    def __delattr__(self, name: str) -> None:
        self.__dict__["_data"].pop(name, None)

    def __getitem__(self, name: str) -> Any:
        data = self.__dict__["_data"]
        if name in data:
            return self._seen(name, data)
        if name in self._known:
            return self._lacking(name)
        raise KeyError(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self.__dict__["_data"][name] = value

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__["_data"]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items())

    def __len__(self) -> int:
        return len(self.__dict__["_data"])

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if isinstance(other, View):
            return self.model_dump() == other.model_dump()
        return isinstance(other, dict) and self.model_dump() == plain(other)

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in self.items())
        return f"{type(self).__name__}({inside})"

    def __copy__(self) -> Self:
        plain(self)  # as below
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.__dict__["_data"] = self.__dict__["_data"].copy()
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        plain(self)  # looks at all of it: what views add, ids of calls, must be the same in both
        return _restored, (type(self), self.__dict__)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401 -- this is get

    def keys(self) -> list[str]:
        return list(self.__dict__["_data"])

    def items(self) -> list[tuple[str, Any]]:
        return [(key, self[key]) for key in self.keys()]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        made = deepcopy(self) if deep else self.__copy__()
        made.__dict__["_data"].update(update or {})
        return made

    def model_dump(
        self,
        *,
        exclude_none: bool = False,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """Plain dictionaries and lists. `include` and `exclude` name fields of this object; other options of
        pydantic's method are taken and have no effect."""
        fields: dict[str, Any] = plain(self, exclude_none)
        left = frozenset(exclude or ())
        wanted = fields.keys() if include is None else frozenset(include)
        return {key: value for key, value in fields.items() if key in wanted and key not in left}

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        data = msgspec.json.encode(self.model_dump(**options))
        return (msgspec.json.format(data, indent=indent) if indent else data).decode()

    def json(self, **options: Any) -> dict[str, Any]:
        return self.model_dump(**options)

    dict = to_dict = json


def _restored(kind: type[View], state: dict[str, Any]) -> View:
    made = kind.__new__(kind)
    made.__dict__.update(state)
    return made


def plain(value: Any, exclude_none: bool = False) -> Any:
    """Views in it as dictionaries."""
    if isinstance(value, View):
        value = dict(value.items())
    if isinstance(value, Mapping):
        return {
            key: plain(inner, exclude_none)
            for key, inner in value.items()
            if not (exclude_none and inner is None)
        }
    if isinstance(value, list | tuple):
        return [plain(inner, exclude_none) for inner in value]
    return value


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())
