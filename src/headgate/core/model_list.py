"""A model list: public names, the groups behind them, patterns with a `*`, aliases, and what each falls back to.

Gateway and SDK make theirs of their own settings. A list never changes: whoever changes a row makes another one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from msgspec.structs import replace

from headgate.core.deployment import Deployment
from headgate.core.entry import fingerprint
from headgate.core.fallback import NONE, Fallback, Fallbacks
from headgate.core.route import Group, Routing, unknown_model
from headgate.errors import HeadgateError

ANY: Final = "*"
MAX_CONCRETE: Final = 2_000
"""Groups made from patterns that are kept; past it the oldest goes."""


class Row(Protocol):
    """`params` are LiteLLM's `litellm_params`, `info` its `model_info`."""

    @property
    def name(self) -> str: ...

    @property
    def params(self) -> Mapping[str, Any]: ...

    @property
    def info(self) -> Mapping[str, Any]: ...


class Plan:
    """How calls go through the groups: `policies` are retry policies by group, `fallbacks` by group and ANY."""

    def __init__(
        self,
        routing: Routing,
        fallbacks: Mapping[str, Fallbacks],
        policies: Mapping[str, Mapping[str, int]],
        aliases: Mapping[str, str | Mapping[str, Any]],
    ) -> None:
        self.aliases = aliases
        self._routing = routing
        self._fallbacks = fallbacks
        self._policies = policies

    def group(self, name: str, deployments: Sequence[Deployment]) -> Group:
        routing, policy = self._routing, self._policies.get(name)
        if policy:
            routing = replace(routing, retries=replace(routing.retries, policy=policy))
        return Group(name, deployments, routing, self._fallbacks.get(name, self._fallbacks[ANY]))


Make = Callable[[str, Mapping[str, Any], Mapping[str, Any]], Deployment]
"""A deployment of a group's name, parameters and info."""


class ModelList:
    """Raises HeadgateError where a row can't work."""

    def __init__(self, rows: Iterable[Row], make: Make, plan: Plan) -> None:
        self._make = make
        self._plan = plan
        self._groups: dict[str, Group] = {}
        self._patterns: list[tuple[str, str, list[Row]]] = []
        self._concrete: dict[str, Group] = {}
        by_name: dict[str, list[Row]] = {}
        for row in rows:
            by_name.setdefault(row.name, []).append(row)
        for name, own in by_name.items():
            if ANY in name:
                prefix, _, suffix = name.partition(ANY)
                self._patterns.append((prefix, suffix, own))
            else:
                self._groups[name] = plan.group(name, [make(name, row.params, row.info) for row in own])
        self._patterns.sort(key=lambda pattern: -len(pattern[0]) - len(pattern[1]))
        for alias, target in plan.aliases.items():
            name = target if isinstance(target, str) else str(target["model"])
            if name in self._groups:
                self._groups.setdefault(alias, self._groups[name])

    @property
    def names(self) -> list[str]:
        """Public model names, patterns as they are written."""
        return [*self._groups, *(prefix + ANY + suffix for prefix, suffix, _ in self._patterns)]

    @property
    def groups(self) -> Mapping[str, Group]:
        return self._groups

    def everyone(self) -> list[Deployment]:
        """All deployments, in their order; of a pattern's rows one each, with a model that nobody has."""
        return [deployment for _, deployment in self.rows()]

    def rows(self) -> list[tuple[str, Deployment]]:
        """The same with their public names, patterns as they are written."""
        found = {one.id: (one.group, one) for group in self._groups.values() for one in group.deployments}
        for prefix, suffix, rows in self._patterns:
            for row in rows:
                with suppress(HeadgateError):  # a pattern that needs a name to mean a provider
                    one = self._filled(f"{prefix}-{suffix}", "-", row)
                    found[one.id] = (prefix + ANY + suffix, one)
        return list(found.values())

    def lookup(self, model: str) -> Group:
        """Raises NotFoundError naming the nearest models."""
        group = self._groups.get(model) or self._concrete.get(model)
        return group if group is not None else self._from_pattern(model)

    def _from_pattern(self, model: str) -> Group:
        for prefix, suffix, rows in self._patterns:
            if len(model) > len(prefix) + len(suffix) and model.startswith(prefix) and model.endswith(suffix):
                part = model[len(prefix) : len(model) - len(suffix)]
                try:
                    group = self._plan.group(model, [self._filled(model, part, row) for row in rows])
                except HeadgateError:
                    continue  # "*" → "*" takes any name, but not one that means no provider
                if len(self._concrete) >= MAX_CONCRETE:
                    del self._concrete[next(iter(self._concrete))]
                self._concrete[model] = group
                return group
        raise unknown_model(model, self.names)

    def _filled(self, model: str, part: str, row: Row) -> Deployment:
        """A row with a budget is one deployment, whatever it is asked for."""
        pattern, info = str(row.params["model"]), row.info
        if "max_budget" in row.params and not info.get("id"):
            info = {**info, "id": fingerprint(row.name, row.params)}
        return self._make(model, {**row.params, "model": pattern.replace(ANY, part, 1)}, info)


Table = Iterable[Mapping[str, Sequence[Fallback]]]
"""LiteLLM's lists of one-key maps: group → where its calls go."""


def fallback_table(
    general: Table, context_window: Table, content_policy: Table, default: Sequence[Fallback]
) -> dict[str, Fallbacks]:
    """By group; ANY is for those that have none of their own."""
    found: dict[str, dict[str, tuple[Fallback, ...]]] = {ANY: {"general": tuple(default)}}
    for field, table in (
        ("general", general),
        ("context_window", context_window),
        ("content_policy", content_policy),
    ):
        for row in table or ():
            for group, targets in row.items():
                found.setdefault(group, {})[field] = tuple(targets)
    rest = Fallbacks(**found.pop(ANY))
    lists = {group: Fallbacks(**fields).over(rest) for group, fields in found.items()}
    return lists | {ANY: rest if any(rest.all()) else NONE}
