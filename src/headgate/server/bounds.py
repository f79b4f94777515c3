"""What rows of the model list, and providers, may spend, whoever asks. A row that has no money left is not asked:
calls go on to the others, or to fallbacks."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from headgate.core.deployment import Deployment
from headgate.money import units_of
from headgate.providers.registry import providers
from headgate.server.config.schema import Config
from headgate.store.directory import budget_of
from headgate.store.totals import Scope

_ROW: Final = "deployment"
_PROVIDER: Final = "provider"
KINDS: Final = (_ROW, _PROVIDER)
Limits: TypeAlias = Mapping[str, Any]
"""`max_budget` in units of money, and `budget_duration`."""


class Bounds:
    """Of one configuration. A budget is by scope: what one row, or all rows of a provider, spend."""

    def __init__(self, config: Config) -> None:
        self._providers: dict[str, Limits] = {}
        self._rows: dict[str, Limits] = {}
        for provider, given in config.router.provider_budget_config.items():
            row = config.providers.get(provider) or providers()[provider]
            limit, duration = budget_of(given)
            self._providers[row.id] = {"max_budget": limit, "budget_duration": duration}
        self.any = bool(self._providers) or any(
            entry.params.get("max_budget") is not None for entry in config.models
        )

    def of(self, deployment: Deployment) -> dict[Scope, Limits]:
        """The budgets that its calls are paid from."""
        found: dict[Scope, Limits] = {}
        params, row, provider = deployment.params, deployment.id, deployment.provider.id
        if (amount := params.get("max_budget")) is not None:
            if row not in self._rows:
                limits = {"max_budget": units_of(amount), "budget_duration": params.get("budget_duration")}
                self._rows[row] = limits
            found[_ROW, row] = self._rows[row]
        if provider in self._providers:
            found[_PROVIDER, provider] = self._providers[provider]
        return found

    def of_all(self, deployments: Iterable[Deployment]) -> dict[Scope, Limits]:
        """The budgets of all rows, and of providers whether they have one or not."""
        found = {(_PROVIDER, name): limits for name, limits in self._providers.items()}
        if self.any:
            for one in deployments:
                found |= self.of(one)
        return found


def scopes_of(deployment: Deployment) -> tuple[Scope, Scope]:
    """What its calls count to."""
    return (_ROW, deployment.id), (_PROVIDER, deployment.provider.id)
