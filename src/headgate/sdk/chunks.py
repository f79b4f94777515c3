"""What the chunks of a stream lack that programs written for LiteLLM look for in each. Knows what came before.

What a chunk says of itself alone is `familiar.py`'s. Works on the decoded JSON, in place; most chunks need a glance
at their keys and nothing else.
"""

from collections.abc import Callable
from typing import Any, Final

from headgate.sdk import familiar

_CALLS: Final = b'"tool_calls"'
_USAGE: Final = b'"usage"'


class Chunks:
    """The chunks of one stream. `told`: `id`, `created` and `model`, for those that lack them, and what their
    `object` is; `empty` makes a choice that says nothing."""

    __slots__ = ("_begun", "_calls", "_empty", "_told")

    def __init__(self, told: dict[str, Any], empty: Callable[[], dict[str, Any]]) -> None:
        self._told = told
        self._empty = empty
        self._begun = False
        self._calls: dict[str, Calls] = {}
        """Of choices that have called tools."""

    def mend(self, chunk: dict[str, Any], raw: bytes) -> None:
        """`raw` is the chunk's JSON: a search in it says at once that there is nothing to do."""
        named = chunk.get("id") and chunk.get("model") and chunk.get("object") == self._told["object"]
        if not named or type(chunk.get("created")) is not int:
            familiar.tops(chunk, self._told)
        choices = chunk.get("choices")
        if not choices or type(choices) is not list:
            # Azure's first and OpenAI's last have none: LiteLLM's users ask each for its first choice
            choices = chunk["choices"] = [self._empty()]
        if not self._begun:
            self._begin(chunk, choices)
        if raw.count(_USAGE) > ("usage" in chunk) and chunk.get("usage") is None:
            chunk["usage"] = familiar.usage_in(chunk)
        if self._calls or _CALLS in raw:
            self._called(choices)

    def _begin(self, chunk: dict[str, Any], choices: list[Any]) -> None:
        """Some servers never say whose words these are."""
        self._begun = True
        self._told = {name: chunk[name] for name in self._told}
        for choice in choices:
            delta = choice.get("delta") if isinstance(choice, dict) else None
            if isinstance(delta, dict) and not delta.get("role"):
                delta["role"] = "assistant"

    def _called(self, choices: list[Any]) -> None:
        """Calls get their places, and one that calls tools ends with that."""
        for choice in choices:
            if not isinstance(choice, dict):
                continue
            delta, index = choice.get("delta"), str(choice.get("index"))
            pieces = delta.get("tool_calls") if isinstance(delta, dict) else None
            if pieces and isinstance(pieces, list):
                calls = self._calls.setdefault(index, Calls())
                for piece in pieces:
                    if isinstance(piece, dict):
                        calls.place(piece)
            familiar.last(choice)
            if choice.get("finish_reason") == "stop" and index in self._calls:
                familiar.tell(choice, "tool_calls")


class Calls:
    """The calls of one choice: each gets an index of its own, and an id with its first piece."""

    __slots__ = ("_at", "_ids", "_ours")

    def __init__(self) -> None:
        self._at: dict[int | None, int] = {}
        """The server's index → the place of the last call under it."""
        self._ids: dict[str, int] = {}
        self._ours: set[int] = set()
        """Places of calls whose ids are ours."""

    def place(self, piece: dict[str, Any]) -> None:
        """Some servers give no index, and some give all calls the same: another id with a name is another call."""
        kind = familiar.kind_of(piece)
        if not isinstance(inner := piece.get(kind), dict):
            inner = piece[kind] = {"arguments": ""}
        given, known = piece.get("index"), piece.get("id")
        given = given if type(given) is int else None
        known = known if isinstance(known, str) else ""
        at = self._ids.get(known, self._at.get(given))
        if at is None or self._is_another(at, given, known, bool(inner.get("name"))):
            at = self._new(given)
            if not known:
                known = piece["id"] = familiar.new_id()
                self._ours.add(at)
        self._at[given] = at
        if known:
            self._ids[known] = at
        piece["index"] = at
        if not piece.get("type"):
            piece["type"] = kind

    def _is_another(self, at: int, given: int | None, known: str, named: bool) -> bool:
        if known in self._ids:
            return False
        if given is None:
            return bool(known) or named
        return bool(known) and named and at not in self._ours

    def _new(self, given: int | None) -> int:
        taken = set(self._at.values())
        return given if given is not None and given not in taken else max(taken, default=-1) + 1
