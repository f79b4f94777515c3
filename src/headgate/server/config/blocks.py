"""One block of a configuration: each key looked up in the key table, its value resolved and checked.

Every key ends in a value, a warning or an error; none is passed over in silence.
"""

import re
from collections.abc import Mapping as Table
from typing import Any, Final

from headgate.core.params import is_price
from headgate.providers.base import Provider
from headgate.providers.registry import NO_OWN
from headgate.server.config import known
from headgate.server.config.document import Mapping, Node, Scalar, Sequence
from headgate.server.config.keys import BLOCKS, INFO, PARAMS, SETTINGS, Block, homes
from headgate.server.config.kinds import KINDS, Kind
from headgate.server.config.nearest import nearest, one_edit_away
from headgate.server.config.report import Place, Report, shown, shown_name
from headgate.server.config.secrets import References

REQUIRED: Final = frozenset({"master_key", "model", "model_name", "credential_name"})
"""Keys whose variable must be set: without them the gateway would do something else than was asked for."""

_NEAR_PARAMS: Final = sorted(PARAMS.names | known.REQUEST.keys())
_NEAR_INFO: Final = sorted(INFO.names)
_SETTINGS: Final = tuple((name, frozenset(block.supported)) for name, block in SETTINGS.items())
_PRICE: Final = re.compile(f"(?P<base>.*?){known.PRICE_SUFFIX}*")
_OBJECT_PRICES: Final = {"search_context_cost_per_query": "mapping", "tiered_pricing": "list"}


class Reader:
    """What the readers of all blocks share. `places` are those of the keys that were read, by path; `providers` the
    rows of the user's own."""

    def __init__(self, references: References, report: Report) -> None:
        self.references = references
        self.report = report
        self.places: dict[str, Place] = {}
        self.providers: Table[str, Provider] = NO_OWN

    def block(self, block: Block, node: Node, path: str) -> dict[str, Any]:
        """The values of the supported keys, by name. None counts as not given."""
        if not isinstance(node, Mapping):
            if not _is_nothing(node):
                self.report.error(node.place, path, "", expected="a mapping", found=self._found(node, path))
            return {}
        values = {}
        for name, item in node.entries.items():
            place = node.places[name]
            inner = f"{path}.{shown_name(name)}" if path else shown_name(name)
            self.places[inner] = place
            kind = self._kind(block, name, place, inner)
            if kind is None:
                continue
            if name in block.inner:
                listed = block.supported[name].kind == "list"
                values[name] = (self._rows if listed else self.block)(block.inner[name], item, inner)
                continue
            value = self.value(kind, item, inner, required=name in REQUIRED)
            if value is not None:
                values[name] = value
        return values

    def _rows(self, block: Block, node: Node, path: str) -> list[dict[str, Any]]:
        if isinstance(node, Sequence):
            return [self.block(block, item, f"{path}[{at}]") for at, item in enumerate(node.items)]
        if not _is_nothing(node):
            self.report.error(node.place, path, "", expected="a list", found=self._found(node, path))
        return []

    def value(self, kind: Kind, node: Node, path: str, *, required: bool = False) -> Any:
        """Resolved and checked, None where it is not given or wrong."""
        value = self.references.value(node, path, required=required)
        if value is None:
            return None
        written = node.text if isinstance(node, Scalar) and value is node.value else None
        try:
            return kind.read(value, written)
        except (ValueError, OverflowError):
            self.report.error(node.place, path, "", expected=kind.expected, found=self._found(node, path))
            return None

    def _found(self, node: Node, path: str) -> str:
        """As it was written: what a variable holds is never shown."""
        if not isinstance(node, Scalar):
            return "a mapping" if isinstance(node, Mapping) else "a list"
        return "what its variable holds" if self.references.is_reference(node) else shown(node.value, path)

    def _kind(self, block: Block, name: str, place: Place, path: str) -> Kind | None:
        """How to read a key's value; None once it is reported that there is nothing to read."""
        if name in block.supported:
            return KINDS[block.supported[name].kind]
        if name in known.NARROWING and name in block.unsupported:
            message = "is a LiteLLM setting that Headgate does not support: without it more would be allowed than you"
            self.report.error(place, path, f"{message} asked for, so remove it only if that is fine")
            return None
        if name in block.unsupported:
            self.report.warning(
                place, path, "is a LiteLLM setting that Headgate does not support yet: it has no effect"
            )
            return None
        if block.takes_any:
            return self._free(block, name, place, path)
        self._unknown(block, name, place, path)
        return None

    def _free(self, block: Block, name: str, place: Place, path: str) -> Kind:
        """A key that LiteLLM lets pass: a price, a request parameter or something that nobody knows."""
        if is_price(name):
            self._check_price(name, place, path)
            return KINDS[_OBJECT_PRICES.get(name, "price")]
        if block is INFO:
            return (
                KINDS["flag"] if name.startswith("supports_") else self._guess(name, place, path, _NEAR_INFO)
            )
        if name in known.REQUEST:
            return KINDS[known.REQUEST[name]]
        home = [own for own, other in (("model_info", INFO.names), *_SETTINGS) if name in other]
        if home:
            where = " or ".join(f"under {own}" for own in home)
            self.report.warning(place, path, f"belongs {where}: here it is sent to the provider")
            return KINDS["any"]
        return self._guess(name, place, path, _NEAR_PARAMS)

    def _guess(self, name: str, place: Place, path: str, names: list[str]) -> Kind:
        if not self.report.full and (near := one_edit_away(name, names)):
            self.report.warning(place, path, "is not a key that Headgate knows", near=near)
        return KINDS["any"]

    def _check_price(self, name: str, place: Place, path: str) -> None:
        match = _PRICE.fullmatch(name)
        if match is None or match["base"] in known.PRICE_BASES or self.report.full:
            return
        near = nearest(match["base"], known.PRICE_BASES)
        self.report.warning(place, path, "is not a price that Headgate knows", near=near)

    def _unknown(self, block: Block, name: str, place: Place, path: str) -> None:
        if self.report.full:
            return
        if home := homes(name):
            self.report.error(place, path, f"does not belong here: it belongs {' or '.join(home)}")
            return
        near = nearest(name, block.names)
        if near is None and (near := nearest(name, _elsewhere(block))):
            near += f" ({homes(near)[0]})"
        self.report.error(place, path, "is not a key that Headgate knows", near=near)


def _elsewhere(block: Block) -> list[str]:
    """Names that are misplaced rather than unknown. Parameters of rows are too many to guess among."""
    return sorted(name for other in BLOCKS.values() if other is not block for name in other.supported)


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None
