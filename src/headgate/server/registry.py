"""All meters of the process by whose they are. They outlive changes of their limits and of the configuration."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from headgate.server.meters import (
    Budget,
    Leased,
    Meters,
    Parallel,
    SharedParallel,
    SharedWindow,
    Window,
)
from headgate.store.directory import budget_of
from headgate.store.ledger import Scope
from headgate.store.totals import of_model, payer_of

Spent = tuple[int, int, float]
NOTHING: Final[Spent] = (0, 0, 0.0)
NAMED: Final = ("customer", "tag")
MOST_BUDGETS: Final = 100_000


class Registry:
    """`rolled` is told when a budget's new period has begun. `shared`: other processes spend of the same budgets,
    `rates`: and use the same rates."""

    def __init__(
        self, rolled: Callable[[Scope, float], None], *, shared: bool = False, rates: bool = False
    ) -> None:
        self._rolled = rolled
        self._budget_kind = Leased if shared else Budget
        self._window_kind = SharedWindow if rates else Window
        self._parallel_kind = SharedParallel if rates else Parallel
        self._windows: dict[tuple[str, Scope, str], Window] = {}
        self._parallels: dict[Scope, Parallel] = {}
        self._budgets: dict[Scope, Budget] = {}
        self._reserved: dict[Scope, int] = {}
        self._of_models: dict[Scope, set[str]] = {}
        self._most = MOST_BUDGETS

    def meters(
        self, scope: Scope, row: Mapping[str, Any], spent: Spent, now: float, *, ask: bool = True
    ) -> Meters:
        """The meters of a row that has limits. Those without a limit are left out, but for the budget: what it has
        spent must be known when it gets one. `ask` False: spend is counted and the budget not asked."""
        budget = self._budget(scope, spent)
        budget.bound(row.get("max_budget"))
        budget.strict = row.get("budget_mode") != "estimate"
        budget.usual = bool(row.get("usual"))
        _last(budget, row.get("budget_duration") or "", row, spent, now)
        asked = ask and budget.limit is not None
        return Meters(
            requests=self._window("requests", scope, row.get("rpm_limit")),
            tokens=self._window("tokens", scope, row.get("tpm_limit")),
            parallels=self._parallel(scope, row.get("max_parallel_requests")),
            budgets=(budget,) if asked else (),
            counted=() if asked else (budget,),
        )

    def by_model(
        self,
        scope: Scope,
        row: Mapping[str, Any],
        spent: Mapping[Scope, Spent],
        now: float,
        *,
        ask: bool = True,
    ) -> dict[str, Meters]:
        """Further meters of calls to single groups: model_rpm_limit, model_tpm_limit, model_max_budget. A budget that
        has no limit any more is counted on, for when it gets one again."""
        found: dict[str, Meters] = {}

        def add(group: str, meters: Meters) -> None:
            found[group] = found.get(group, Meters(only=("model", group))) + meters

        for group, limit in (row.get("model_rpm_limit") or {}).items():
            add(group, Meters(requests=self._window("requests", scope, limit, group)))
        for group, limit in (row.get("model_tpm_limit") or {}).items():
            add(group, Meters(tokens=self._window("tokens", scope, limit, group)))
        given = row.get("model_max_budget") or {}
        known = self._of_models.setdefault(scope, set()) if given else self._of_models.get(scope, set())
        known.update(given)
        for group in sorted(known):
            own = of_model(scope, group)
            budget = self._budget(own, spent.get(own, NOTHING), group)
            limit, duration = budget_of(given[group]) if group in given else (None, "")
            budget.bound(limit)
            budget.usual = bool(row.get("usual"))
            _last(budget, duration, row, spent.get(own, NOTHING), now)
            asked = ask and budget.limit is not None
            add(group, Meters(budgets=(budget,)) if asked else Meters(counted=(budget,)))
        return found

    def keep(self, kinds: Collection[str], scopes: Collection[Scope]) -> None:
        """Forgets the budgets of these kinds but those: their calls are not counted here any more."""
        self._budgets = {
            scope: budget
            for scope, budget in self._budgets.items()
            if scope[0] not in kinds or scope in scopes
        }

    def reserve(self, amounts: Mapping[Scope, int]) -> None:
        """What is held for batches; a negative amount is free again. Of shared budgets the database has it, and may
        be asked anew for what was freed."""
        for scope, amount in amounts.items():
            budget = self._budgets.get(scope)
            if self._budget_kind is Leased:
                if budget is not None and amount < 0:
                    budget.freed()
                continue
            self._reserved[scope] = self._reserved.get(scope, 0) + amount
            if not self._reserved[scope]:
                del self._reserved[scope]
            if budget is not None:
                budget.held += amount

    def leased(self) -> list[Leased]:
        """Budgets of which this process has a share."""
        return [budget for budget in self._budgets.values() if isinstance(budget, Leased) and budget.granted]

    def rates(self) -> tuple[list[SharedWindow], list[SharedParallel]]:
        """Shared rates and calls in flight of which this process has a share."""
        windows = [w for w in self._windows.values() if isinstance(w, SharedWindow) and w.granted]
        parallels = [p for p in self._parallels.values() if isinstance(p, SharedParallel) and p.granted]
        return windows, parallels

    def budget(self, scope: Scope) -> Budget | None:
        return self._budgets.get(scope)

    def _budget(self, scope: Scope, spent: Spent, model: str = "") -> Budget:
        budget = self._budgets.get(scope)
        if budget is None:  # from here on memory knows better than the database
            if len(self._budgets) >= self._most:
                self._trim()
            budget = self._budgets[scope] = self._budget_kind(scope, self._rolled, model)
            budget.spent, budget.total, budget.since = spent
            budget.held = self._reserved.get(scope, 0)
        return budget

    def _trim(self) -> None:
        """Customers and tags are what clients say. Those whom nobody has given a limit need not be known: the
        database is asked again when they come again."""
        gone = {
            scope for scope, budget in self._budgets.items() if payer_of(scope)[0] in NAMED and _idle(budget)
        }
        self._budgets = {scope: budget for scope, budget in self._budgets.items() if scope not in gone}
        self._windows = {at: window for at, window in self._windows.items() if at[1] not in gone}
        self._parallels = {scope: one for scope, one in self._parallels.items() if scope not in gone}
        self._of_models = {scope: groups for scope, groups in self._of_models.items() if scope not in gone}
        self._most = 2 * len(self._budgets) + MOST_BUDGETS

    def _window(self, what: Any, scope: Scope, limit: int | None, model: str = "") -> tuple[Window, ...]:
        at = (what, scope, model)
        window = self._windows.get(at)
        if limit is None:
            if window is not None:
                window.limit = None
            return ()
        if window is None:
            window = self._windows[at] = self._window_kind(what, scope, model)
        window.limit = limit
        return (window,)

    def _parallel(self, scope: Scope, limit: int | None) -> tuple[Parallel, ...]:
        parallel = self._parallels.get(scope)
        if limit is None:
            if parallel is not None:
                parallel.limit = None
            return ()
        if parallel is None:
            parallel = self._parallels[scope] = self._parallel_kind(scope)
        parallel.limit = limit
        return (parallel,)


def _idle(budget: Budget) -> bool:
    """Whether nobody gave it a limit of its own, and nothing is under way."""
    shared = isinstance(budget, Leased) and budget.granted
    return (budget.limit is None or budget.usual) and not budget.held and not shared


def _last(budget: Budget, duration: str, row: Mapping[str, Any], spent: Spent, now: float) -> None:
    """A budget that gets another duration has spent what the database counts in its new period."""
    since = budget.since
    budget.last(duration, float(row.get("created_at") or 0.0), now)
    if budget.since not in (since, 0.0) and spent[2] == budget.since:
        budget.spent = spent[0]
