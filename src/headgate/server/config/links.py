"""What one part of a configuration says of another: fallbacks and aliases name groups that must exist, budgets
providers."""

from collections.abc import Iterable
from typing import Any, Final

from headgate.providers.registry import providers
from headgate.server.config.blocks import Reader
from headgate.server.config.nearest import nearest
from headgate.server.config.report import shown, shown_name

_TABLES: Final = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")


def check_links(reader: Reader, names: Iterable[str], settings: dict[str, dict[str, Any]]) -> None:
    """Refuses names that no group has: LiteLLM starts with them, and fails when it comes to it. Where models are kept
    in the database, too, it warns."""
    aliases = settings["router_settings"].get("model_group_alias", {})
    groups = Groups({*names, *aliases}, later=bool(settings["general_settings"].get("store_model_in_db")))
    for alias, target in aliases.items():
        groups.check(reader, f"router_settings.model_group_alias.{shown_name(alias)}", [_name(target)])
    for block in ("litellm_settings", "router_settings"):
        values = settings[block]
        groups.check(reader, f"{block}.default_fallbacks", values.get("default_fallbacks", ()))
        for field in _TABLES:
            for table in values.get(field, ()):
                for group, targets in table.items():
                    called = [name for name in (group, *map(_name, targets)) if name != "*"]
                    groups.check(reader, f"{block}.{field}", called)
    if (model := settings["general_settings"].get("completion_model")) is not None:
        groups.check(reader, "general_settings.completion_model", [model])
    _check_providers(reader, settings["router_settings"].get("provider_budget_config", {}))


def _check_providers(reader: Reader, budgets: Iterable[str]) -> None:
    path = "router_settings.provider_budget_config"
    known = {*providers(), *reader.providers}
    for name in budgets:
        if name not in known:
            near = nearest(name, sorted(known))
            message = f"no provider is called {shown(name, 'provider')}"
            reader.report.error(reader.places[path], path, message, near=shown_name(near) if near else None)


class Groups:
    """The public names of a configuration, wildcards included. `later`: the database may have more."""

    def __init__(self, names: Iterable[str], *, later: bool = False) -> None:
        names = set(names)
        self._later = later
        self._names = sorted(name for name in names if "*" not in name)
        self._wildcards = {name.partition("*")[::2] for name in names if "*" in name}

    def has(self, name: str) -> bool:
        return name in self._names or any(
            name.startswith(start) and name.endswith(end) and len(name) > len(start) + len(end)
            for start, end in self._wildcards
        )

    def check(self, reader: Reader, path: str, names: Iterable[str]) -> None:
        place = next((reader.places[part] for part in _outwards(path) if part in reader.places), None)
        for name in names:
            if place is not None and not reader.report.full and not self.has(name):
                hidden = name in reader.references.found
                near = None if hidden else nearest(name, self._names)
                called = "what its variable holds" if hidden else shown(name, "model")
                message = f"no row of model_list is called {called}"
                tell = reader.report.warning if self._later else reader.report.error
                tell(place, path, message, near=shown_name(near) if near else None)


def _outwards(path: str) -> list[str]:
    """The path itself, then without its last part."""
    return [path, path.rpartition(".")[0]]


def _name(target: str | dict[str, Any]) -> str:
    return target if isinstance(target, str) else str(target["model"])
