"""Who is calling: keys by their hash, with all that a call needs of them ready in memory.

A known key costs one look into a dictionary; an unknown one is asked of the database, once however many ask.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy.engine import Connection

from headgate.core.queue import NOBODY, Share
from headgate.errors import AuthenticationError, PermissionDeniedError
from headgate.money import units_of
from headgate.providers.registry import providers
from headgate.server import bounds
from headgate.server.allow import Allow
from headgate.server.config.schema import LitellmSettings
from headgate.server.meters import NONE, Meters
from headgate.server.registry import NOTHING, Registry
from headgate.store import directory
from headgate.store.database import Database
from headgate.store.ledger import GLOBAL, Scope
from headgate.store.ledger import spent as spent_by

MAX_KNOWN: Final = 100_000
MAX_UNKNOWN: Final = 10_000
UNKNOWN_SECONDS: Final = 10.0
"""How long it is remembered that a key does not exist."""
ATTEMPTS: Final = 5
T = TypeVar("T")
ADMIN: Final = "proxy_admin"
USER: Final = "internal_user"
VIEWER: Final = "internal_user_viewer"
ORG_ADMIN: Final = "org_admin"
LLM_API: Final = "llm_api"
"""The type of keys that are for model calls alone."""


class Caller(Struct, kw_only=True):
    """`name` is what the log may show. `key` is the key's id, "" for nobody in particular.

    A model must be admitted by all of `allows`, which are (whose, list). `meters` are asked for every call,
    `by_model` for those to a group besides. `scopes` are those that the caller is made of: a change of one makes
    it be loaded anew.
    """

    name: str
    role: str = USER
    key: str = ""
    alias: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    expires: float | None = None
    problem: tuple[str, str] | None = None
    allows: tuple[tuple[str, Allow], ...] = ()
    aliases: Mapping[str, str] = {}
    meters: Meters = NONE
    by_model: Mapping[str, Meters] = {}
    tags: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    scopes: frozenset[Scope] = frozenset()
    limits: Mapping[str, Any] = {}
    restricted: bool = False
    region: str = ""
    customer: str | None = None
    share: Share = NOBODY

    @property
    def admin(self) -> bool:
        return self.role == ADMIN

    def check(self, now: float) -> None:
        """Raises AuthenticationError for a key that is expired or blocked, or whose team or user is."""
        if self.expires is not None and now >= self.expires:
            raise AuthenticationError(
                "the API key has expired: make a new one", type="expired_key", code="401"
            )
        if self.problem is not None:
            kind, message = self.problem
            raise AuthenticationError(message, type=kind, code="401")

    def reach(self, path: str, address: str) -> None:
        """Raises PermissionDeniedError for a path or a client address that the key is not for."""
        if self.routes and not any(matches(path, route) for route in self.routes):
            raise PermissionDeniedError(
                f"this key is not for {path}. Allowed: {', '.join(self.routes[:10])}",
                type="auth_error",
                code="403",
            )
        if self.addresses and not any(within(address, network) for network in self.addresses):
            raise PermissionDeniedError("this key is not for your address", type="auth_error", code="403")

    def admit(self, model: str) -> None:
        """Raises PermissionDeniedError naming who may not use the model."""
        for whose, allow in self.allows:
            if not allow.everything and not allow.admits(model):
                raise PermissionDeniedError(
                    f"this {whose} may not use the model {model!r}. Allowed: {allow.shown()}",
                    type=f"{_PREFIX[whose]}_model_access_denied",
                    param="model",
                    code="403",
                    model=model,
                )

    def may(self, model: str) -> bool:
        return all(allow.admits(model) for _, allow in self.allows)

    def admit_one(self, names: Sequence[str]) -> str:
        """The first of a model's names under which the caller may use it. Raises as `admit`, for the last."""
        for name in names:
            if self.may(name):
                return name
        self.admit(names[-1])
        return names[-1]


_LLM: Final = (
    "/v1/",
    "/v1beta/",
    "/chat/",
    "/completions",
    "/embeddings",
    "/audio/",
    "/images/",
    "/messages",
    "/responses",
    "/rerank",
    "/v2/rerank",
    "/moderations",
    "/ocr",
    "/fim/",
    "/openai/",
    "/files",
    "/batches",
    "/fine_tuning/",
    "/engines/",
    "/models",
    "/api/chat",
    "/api/embed",
    "/api/generate",
    "/realtime",
    "/ws/google.",
    "/utils/token_counter",
)
_PASSED_THROUGH: Final = tuple(f"/{name}/" for name in providers())
ROUTE_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "llm_api_routes": _LLM + _PASSED_THROUGH,
    "mapped_pass_through_routes": _PASSED_THROUGH,
    "openai_routes": _LLM,
    "anthropic_routes": ("/v1/messages", "/messages"),
    "info_routes": tuple(
        """/key/info /key/health /key/list /team/info /team/list /v2/team/list /organization/list /user/info
        /model/info /v1/model /models""".split()
    ),
    "key_management_routes": ("/key/",),
    "management_routes": tuple(
        """/key/ /user/ /team/ /v2/team/ /model/ /organization/ /customer/ /end_user/ /budget/ /tag/
        /access_group/""".split()
    ),
    "spend_tracking_routes": ("/spend/", "/global/spend"),
    "global_spend_tracking_routes": ("/global/spend",),
}
"""LiteLLM's names for groups of routes, by how their paths begin."""
ROUTES_OF_TYPE: Final[Mapping[str, tuple[str, ...]]] = {
    "management": ("management_routes",),
    "read_only": ("info_routes",),
}
"""What keys of a type are for, where their routes are not given."""


def matches(path: str, route: str) -> bool:
    """A route is a group's name, a path, or the beginning of one with a `*`."""
    if route in ROUTE_GROUPS:
        return path.startswith(ROUTE_GROUPS[route])
    return path.startswith(route[:-1]) if route.endswith("*") else path == route


def within(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


_PREFIX: Final = {"key": "key", "team": "team", "user": "user", "organization": "org", "team member": "team"}
ANYBODY: Final = Caller(name="anybody", role=ADMIN)
MASTER: Final = Caller(name="master key", role=ADMIN, key="master")


class Payer(Struct, frozen=True):
    """A customer or a tag: its row, None where nobody made one, and its meters, those of single groups besides."""

    row: directory.Row | None
    meters: Meters
    by_model: Mapping[str, Meters]


class Callers:
    """`groups` are the access groups that the configuration's models name, `aliases` its further names of groups.
    Raises nothing itself."""

    def __init__(self, database: Database, registry: Registry, clock: Callable[[], float]) -> None:
        self.groups: Mapping[str, list[str]] = {}
        self.aliases: Mapping[str, str] = {}
        self.settings = LitellmSettings()
        self._database = database
        self._registry = registry
        self._clock = clock
        self._known: dict[str, Caller] = {}
        self._unknown: dict[str, float] = {}
        self._payers: dict[Scope, Payer] = {}
        self._loading: dict[str, asyncio.Future[Caller | None]] = {}
        self._epoch = 0

    def known(self, token: str) -> Caller | None:
        return self._known.get(token)

    async def load(self, token: str) -> Caller | None:
        """From the database; None where there is no such key. Raises ServiceUnavailableError."""
        now = self._clock()
        if self._unknown.get(token, 0.0) > now:
            return None
        running = self._loading.get(token)
        if running is None:
            running = self._loading[token] = asyncio.ensure_future(self._load(token, now))
            running.add_done_callback(lambda _: self._loading.pop(token, None))
        return await asyncio.shield(running)

    @property
    def epoch(self) -> int:
        """Counts changes: what was read before one may be wrong after it."""
        return self._epoch

    async def add(
        self,
        row: directory.Row,
        token: str,
        *,
        role: str = "",
        customer: str | None = None,
        epoch: int | None = None,
    ) -> Caller:
        """A caller without a key of ours, by a row made up for it; known by `token` from now on, unless something
        has changed since the `epoch` in which that was begun."""
        now, epoch = self._clock(), self._epoch if epoch is None else epoch
        entry, _ = await self._read(lambda c: directory.load(c, dict(row), now, self.aliases))
        caller = self._caller(entry, now)
        caller = msgspec.structs.replace(caller, role=role or caller.role, customer=customer)
        if epoch == self._epoch:
            _remember(self._known, token, caller, MAX_KNOWN)
        return caller

    async def payer(self, kind: str, name: str) -> Payer:
        """Those that nobody has made have no limits of their own."""
        scope = (kind, name)
        known = self._payers.get(scope)
        if known is None:
            now, usual = self._clock(), self._usual(kind, name)
            (row, spent), true = await self._read(
                lambda c: directory.load_payer(c, kind, name, now, usual, self.aliases)
            )
            limits = row or {}
            meters = self._registry.meters(scope, limits, spent.get(scope, NOTHING), now)
            known = Payer(row, meters, self._registry.by_model(scope, limits, spent, now))
            if true:
                _remember(self._payers, scope, known, MAX_KNOWN)
        return known

    async def bounded(self, scope: Scope, row: Mapping[str, Any]) -> Meters:
        """Of something that the configuration bounds: a row of the model list, or a provider."""
        known = self._payers.get(scope)
        if known is None:
            now = self._clock()
            since = directory.begun(scope, row, now)
            spent, true = await self._read(lambda c: spent_by(c, [scope], since))
            meters = self._registry.meters(scope, row, spent.get(scope, NOTHING), now)
            known = Payer(None, msgspec.structs.replace(meters, only=scope), {})
            if true:
                _remember(self._payers, scope, known, MAX_KNOWN)
        return known.meters

    def keep_bounded(self, scopes: Collection[Scope]) -> None:
        """The others are not bounded any more."""
        self._registry.keep(bounds.KINDS, scopes)

    def _usual(self, kind: str, name: str) -> directory.Row | None:
        """The limits of those that have no budget of their own."""
        if kind == "tag" and (given := self.settings.tag_budget_config.get(name)) is not None:
            limit, duration = directory.budget_of(given)
            return {"max_budget": limit, "budget_duration": duration}
        amount, named = self.settings.max_end_user_budget, self.settings.max_end_user_budget_id
        if kind != "customer" or (amount is None and named is None):
            return None
        return {"max_budget": None if amount is None else units_of(amount), "budget_id": named}

    def known_payer(self, kind: str, name: str) -> Payer | None:
        return self._payers.get((kind, name))

    def paid(self, paid: Mapping[Scope, int], now: float) -> None:
        """What was booked beside the calls: whoever is known has spent it."""
        for scope, cost in paid.items():
            if (budget := self._registry.budget(scope)) is not None:
                budget.turn(now)
                budget.count(cost)

    def reserve(self, amounts: Mapping[Scope, int]) -> None:
        """For a batch, until it is released."""
        self._registry.reserve(amounts)

    def release(self, amounts: Mapping[Scope, int]) -> None:
        self._registry.reserve({scope: -amount for scope, amount in amounts.items()})

    def respent(self, scope: Scope, amount: int) -> None:
        """So much less counts as spent."""
        if (budget := self._registry.budget(scope)) is not None:
            budget.spent -= amount
            budget.freed()

    def forget(self, kind: str, name: str) -> list[str]:
        """Something changed: whoever is made of it is loaded anew at the next call. Their tokens."""
        scope = (kind, name)
        self._epoch += 1
        self._payers.pop(scope, None)
        if kind == "key":
            self._unknown.pop(name, None)
        if kind in ("budget", "access_group"):  # who uses them is not known here
            dropped = list(self._known)
            self._known.clear()
            self._payers.clear()
            return dropped
        if kind == "team_member":
            scope = ("member", name)
        dropped = [token for token, caller in self._known.items() if scope in caller.scopes]
        for token in dropped:
            del self._known[token]
        return dropped

    def forget_all(self) -> None:
        self._epoch += 1
        self._known.clear()
        self._payers.clear()
        self._unknown.clear()

    async def _load(self, token: str, now: float) -> Caller | None:
        entry, true = await self._read(lambda c: directory.load_key(c, token, now, self.aliases))
        if entry is None:
            if true:
                _remember(self._unknown, token, now + UNKNOWN_SECONDS, MAX_UNKNOWN)
            return None
        caller = self._caller(entry, now)
        if true:
            _remember(self._known, token, caller, MAX_KNOWN)
        return caller

    async def _read(self, job: Callable[[Connection], T]) -> tuple[T, bool]:
        """What the database says, read again where something changed meanwhile; and whether nothing did in the end.
        Old limits must not be set over new ones."""
        for _ in range(ATTEMPTS):
            epoch = self._epoch
            found = await self._database.ask(job)
            if epoch == self._epoch:
                return found, True
        return found, False

    def _caller(self, entry: directory.Entry, now: float) -> Caller:
        key, user, team, organization = entry.key, entry.user, entry.team, entry.organization
        groups = {**self.groups, **entry.groups}
        scopes = directory.scopes_of(entry)
        meters, by_model = self._meters(entry, now)
        return Caller(
            name=key["key_alias"] or key["key_name"],
            role=_role(key, user, entry.heads),
            key=key["id"],
            alias=key["key_alias"],
            user_id=key["user_id"],
            team_id=key["team_id"],
            organization_id=organization["organization_id"] if organization else key["organization_id"],
            expires=key["expires"],
            problem=_problem(entry),
            allows=_allows(entry, groups),
            aliases=directory.own_names(key, team),
            meters=meters,
            by_model=by_model,
            tags=tuple(dict.fromkeys([*(key["tags"] or ()), *((team or {}).get("tags") or ())])),
            routes=tuple(key["allowed_routes"] or ROUTES_OF_TYPE.get(key["key_type"] or "", ())),
            addresses=tuple(key["allowed_ips"] or ()),
            scopes=frozenset((*scopes, *_named(key))),
            limits={name: key[name] for name in ("rpm_limit", "tpm_limit", "max_budget")},
            restricted=key["key_type"] == LLM_API,
            region=_region(key, team),
            share=Share(key["id"], _weight(key, team)),
        )

    def _meters(self, entry: directory.Entry, now: float) -> tuple[Meters, dict[str, Meters]]:
        """Of all calls, and besides of those to single groups. LiteLLM's rule: a user's own budget does not bind the
        keys of teams."""
        total, by_model = NONE, dict[str, Meters]()
        for scope, row in directory.payers_of(entry):
            ask = scope[0] != "user" or entry.team is None
            total += self._registry.meters(scope, row, entry.spent.get(scope, NOTHING), now, ask=ask)
            for group, own in self._registry.by_model(scope, row, entry.spent, now, ask=ask).items():
                by_model[group] = by_model.get(group, NONE) + own
        whole = self._registry.budget(GLOBAL)
        if whole is not None:
            total += Meters(budgets=(whole,)) if whole.limit is not None else Meters(counted=(whole,))
        return total, by_model


def _named(key: Mapping[str, Any]) -> list[Scope]:
    """Also those that do not exist yet: when they are made, the key has them."""
    kinds = ("user", "team", "organization")
    return [(kind, key[f"{kind}_id"]) for kind in kinds if key[f"{kind}_id"]]


def _region(*rows: directory.Row | None) -> str:
    """Where calls must stay, by `allowed_model_region` in the metadata of key and team."""
    given = ((row or {}).get("metadata") or {} for row in rows)
    return next(
        (str(one["allowed_model_region"]).lower() for one in given if one.get("allowed_model_region")), ""
    )


def _weight(*rows: directory.Row | None) -> float:
    """Turns in the queue of a busy group for one of others, by `queue_weight` in the metadata of key and team."""
    given = (((row or {}).get("metadata") or {}).get("queue_weight") for row in rows)
    found = next((one for one in given if isinstance(one, int | float) and not isinstance(one, bool)), 1.0)
    return min(max(float(found), 0.01), 100.0)


def _role(key: Mapping[str, Any], user: Mapping[str, Any] | None, heads: bool) -> str:
    """Who makes keys has a budget and can be blocked: keys of nobody that is known here only look, as do those that
    are for model calls."""
    if user is None or key["key_type"] == LLM_API:
        return VIEWER
    role = str(user["user_role"])
    return ORG_ADMIN if heads and role in (USER, VIEWER) else role


def _problem(entry: directory.Entry) -> tuple[str, str] | None:
    for whose, row in (
        ("key", entry.key),
        ("user", entry.user),
        ("team", entry.team),
        ("organization", entry.organization),
    ):
        if row is not None and row["blocked"]:
            return "auth_error", f"this {whose} is blocked: ask the gateway's administrator"
    if entry.key["team_id"] and entry.team is None:
        return "auth_error", "the team of this key does not exist any more"
    return None


def _allows(entry: directory.Entry, groups: Mapping[str, list[str]]) -> tuple[tuple[str, Allow], ...]:
    found = []
    for whose, row in (
        ("key", entry.key),
        ("team", entry.team),
        ("user", entry.user if entry.team is None else None),
        ("organization", entry.organization),
    ):
        if row is not None:
            allow = Allow([*(row["models"] or ()), *(row.get("access_group_ids") or ())], groups)
            if not allow.everything:
                found.append((whose, allow))
    return tuple(found)


def _remember(cache: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    if len(cache) >= most:
        del cache[next(iter(cache))]
    cache[key] = value
