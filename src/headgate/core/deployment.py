"""A deployment: provider + model + credential + limits, with all that a call needs computed at load time.

Reads parameters in LiteLLM's words (`litellm_params`, `model_info`). The environment comes in as a mapping.
"""

import hashlib
import math
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct

from headgate.catalog.images import image_cost
from headgate.catalog.lookup import Catalog
from headgate.catalog.price import PriceSheet
from headgate.core import params as names
from headgate.core.dialects import COUNTED, OPERATIONS, SOUND, dialect
from headgate.core.entry import by_responses, fingerprint, mocked, own_names
from headgate.core.track import Track
from headgate.errors import AuthenticationError, BadRequestError, HeadgateError
from headgate.money import units
from headgate.net.proxy import proxy_for
from headgate.ports import Credential, Origin, Timeouts
from headgate.providers.address import is_own, own_base, url_of
from headgate.providers.auth import build, exchanges
from headgate.providers.base import Provider, Site
from headgate.providers.quirks import Plan, plan, refused
from headgate.providers.registry import NO_OWN, resolve
from headgate.wire import ir
from headgate.wire.dialect import Dialect, Target
from headgate.wire.ir_images import ImageUsage

USER_AGENT: Final = "headgate/0.1"
DEFAULT_SECONDS: Final = 600.0
UNKNOWN_PRICE: Final = 10.0
"""LiteLLM's: 5 for the input and 5 for the output, dearer than all that is known."""
STANDS_IN: Final = ("completions", "responses")
BESIDE: Final = {"anthropic": "messages"}
"""Format of a chat → the operation of providers that speak it beside another."""
REGIONS: Final = ("region_name", "aws_region_name", "vertex_location", "watsonx_region_name")
AREAS: Final[Mapping[str, tuple[str, ...]]] = {
    "eu": ("eu", "france", "germany", "italy", "northeurope", "poland", "spain", "sweden", "westeurope"),
    "us": ("us", "eastus", "westus", "centralus", "northcentralus", "southcentralus"),
}
"""How the names of regions begin at AWS, Google and Azure."""
OUTSIDE: Final = frozenset(("eu-west-2", "eu-central-2", "europe-west2", "europe-west6"))
"""London and Zurich are not in the European Union."""
MAX_OUTPUT: Final = ("max_output_tokens", "max_tokens")


class Route(Struct, frozen=True, kw_only=True):
    """One operation of a deployment: where it goes and the head of its requests, ready to send. `body_model`: its
    bodies name the model."""

    origin: Origin
    head: bytes
    url: str
    dialect: Dialect
    body_model: bool = True


class Deployment:
    """One row of a model list, ready to be called.

    `secrets` are the texts that must never reach a message. `problem` is why it can't be called at all.
    `defaults` are request parameters for bodies that don't name them, `extra` and the row's `fixed` go over any body.
    `providers` are rows of the user's own, by name.
    """

    def __init__(
        self,
        group: str,
        params: Mapping[str, Any],
        info: Mapping[str, Any] | None = None,
        *,
        catalog: Catalog,
        env: Mapping[str, str],
        providers: Mapping[str, Provider] = NO_OWN,
    ) -> None:
        info = info or {}
        params = mocked(params, providers)
        self.group = group
        self.params = params
        self.info = info
        self.problem: HeadgateError | None = None
        self.base = params.get("api_base") or params.get("base_url")
        self.provider, self.model = resolve(
            str(params["model"]), params.get("custom_llm_provider"), self.base, providers
        )
        self.model, answers = by_responses(self.provider, self.model, info)
        self._env = env
        self._catalog = catalog
        self.base = self.base or params.get(self.provider.base_url_param)
        self.base = self.base or _first(env, self.provider.base_url_env)
        self._elsewhere = self.base is not None and self.base != self.provider.base_url
        self.base = self.base or self._own_base()
        self.placed_until = math.inf if self.base or self.provider.locate is None else 0.0
        """Until then, in the engine's seconds, the address is known: see core/places.py."""
        self.id = str(info.get("id") or fingerprint(group, params))
        self.model_raw = Raw(msgspec.json.encode(self.body_model))
        self.fixed = {
            name: Raw(msgspec.json.encode(value))
            for name, value in {**self.provider.body, **self._body_vars()}.items()
        }
        self.own = is_own(self.provider, self.base)
        rejected = self.provider.rejects if self.own else ()
        self.plan: Plan = plan(self.provider, self.model, params.get("allowed_openai_params") or (), rejected)
        self.to_responses = "all" if answers else self.plan.to_responses if self.own else ""
        """Chats that go to the operation "responses": all, or those with tools while it reasons."""
        self.drop_params: bool | None = params.get("drop_params")
        self.drop: tuple[str, ...] = tuple(params.get("additional_drop_params") or ())
        self.retries: int | None = params.get("num_retries", params.get("max_retries"))
        self._read_routing(params, info)
        self.track = Track()
        """Its own until whoever knows all deployments gives it the one that outlives it."""
        self.mark = self.id.encode()
        self.defaults = self._defaults(params)
        self.extra = {
            name: Raw(msgspec.json.encode(value)) for name, value in (params.get("extra_body") or {}).items()
        }
        self._read_timeouts(params)
        self.secrets: tuple[str, ...] = ()
        self.credential: Credential | None = None
        self.auth_headers = self._authorise()
        self._routes: dict[str, Route] = {}
        self._stores: dict[str, Deployment] = {}

    def _read_timeouts(self, params: Mapping[str, Any]) -> None:
        self.timeouts = _timeouts(params.get("timeout"))
        self.stream_timeouts = _timeouts(params.get("stream_timeout") or params.get("timeout"))
        self.first_token: float | None = _number(params.get("ttft_timeout"))
        if (idle := _number(params.get("stream_idle_timeout"))) is not None:
            self.stream_timeouts = msgspec.structs.replace(self.stream_timeouts, between_chunks=idle)

    def _read_routing(self, params: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        """What decides whether and how often it is asked."""
        self.weight: float | None = _number(params.get("weight"))
        self.rpm: float | None = _number(params.get("rpm"))
        self.tpm: float | None = _number(params.get("tpm"))
        self.order: float = _number(params.get("order")) or 0.0
        self.cooldown_time: float | None = _number(params.get("cooldown_time", info.get("cooldown_time")))
        self.max_parallel: int | None = _whole(params.get("max_parallel_requests"))
        self.team = str(info.get("team_id") or "")
        self.tags: frozenset[str] = frozenset(params.get("tags") or ())
        mirrors = params.get("silent_model") or ()
        self.mirrors: tuple[str, ...] = (mirrors,) if isinstance(mirrors, str) else tuple(mirrors)
        self.blocked = bool(params.get("blocked") or info.get("blocked"))

    def _defaults(self, params: Mapping[str, Any]) -> dict[str, Raw]:
        """Parameters that are the upstream's: neither how to reach it, nor what it is, nor what it costs."""
        own = names.CONNECTION | own_names(self.provider)
        return {
            name: Raw(msgspec.json.encode(value))
            for name, value in {**self._body_env(), **params}.items()
            if name not in own
            and not names.describes(name)
            and not names.is_price(name)
            and value is not None
        }

    def place(self, base: str, until: float) -> None:
        """The address of its calls is this, until then."""
        self.base, self.placed_until, self._routes = base, until, {}

    def operation_for(self, operation: str, spoken: str = "") -> str:
        """The provider's operation that serves ours, asked in the format `spoken`: chat stands in where it has no
        other, and may have an address for the format beside its own."""
        if operation == "chat" and (own := BESIDE.get(spoken)) in self.provider.paths:
            return own or operation
        if operation in STANDS_IN and operation not in self.provider.paths:
            return "chat"
        return operation

    def route(self, operation: str, stream: bool) -> Route:
        """Raises the deployment's problem, or NotFoundError where the provider has no such operation."""
        key = operation
        if stream and operation + "_stream" in self.provider.paths:
            key = operation + "_stream"
        found = self._routes.get(key)
        if found is None:
            if self.problem is not None:
                raise self.problem
            found = self._routes[key] = self._route(key, operation)
        return found

    def store(self, bucket: str) -> "Deployment":
        """Who keeps the files of its batches, in this bucket, by its own credential or the one that is given for
        files. Only where the row has `bulk`. Raises BadRequestError where that can't be."""
        found = self._stores.get(bucket)
        if found is None:
            bulk = self.provider.bulk
            assert bulk is not None
            params = bulk.store_params(self.params, self._env)
            params |= {"model": f"{bulk.store.id}/{bucket}", "custom_llm_provider": bulk.store.id}
            own = {bulk.store.id: bulk.store}
            found = Deployment(self.group, params, catalog=self._catalog, env=self._env, providers=own)
            self._stores[bucket] = found
        return found

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """What the catalog knows of the model, with the user's `model_info` over it."""
        return {**(self._catalog.find(*self._named) or {}), **self.info}

    @cached_property
    def sheet(self) -> PriceSheet | None:
        """Prices, None where unknown."""
        return self._catalog.sheet(*self._named, self._own_prices)

    @cached_property
    def price(self) -> float:
        """Of an input and an output token together."""
        if self.sheet is None:
            return UNKNOWN_PRICE
        _, rates = self.sheet.tiers["standard"][0]
        return float((rates.input or 0) + (rates.output or 0))

    @cached_property
    def target(self) -> Target:
        output = next((self.facts[key] for key in MAX_OUTPUT if self.facts.get(key)), None)
        return Target(
            model=self.model,
            max_output=int(output) if output else None,
            modify_params=bool(self.params.get("modify_params")),
            cache_marks=self.provider.cache_marks,
            account=self.account,
        )

    @property
    def account(self) -> str:
        """Names the key without telling it, "" where the model hands out no sealed reasoning: that of one
        organisation is of no use to another."""
        if not (self.own and self.plan.seals):
            return ""
        whose = self.params.get("organization") or "".join(self.secrets)
        return hashlib.sha256(f"{self.address} {whose}".encode()).hexdigest()[:8]

    def cost(self, usage: ir.Usage) -> int | None:
        """In units of money, None where no price is known: never 0 for that."""
        if isinstance(usage, ImageUsage):
            drawn = self.cost_of_pictures(usage)
            return None if drawn is None else units(drawn)
        sheet = self.sheet
        if sheet is None or not sheet.covers(usage):
            return None
        return sheet.charge(usage, usage.service_tier or "standard")

    def cost_of_pictures(self, usage: ImageUsage) -> Decimal | None:
        """US dollars, None where no price is known. The deployment's own prices go before the catalog's, and rows of
        a quality and a size before the model's own."""
        name, provider = self._named
        return image_cost(name, usage, lambda row: self._catalog.find(row, provider), self._own_prices)

    def is_in(self, region: str) -> bool:
        """Whether it is known to be there: "eu" holds eu-west-1, europe-west4, swedencentral …"""
        own = str(next((self.params[name] for name in REGIONS if self.params.get(name)), "")).lower()
        return own == region or (own.startswith(AREAS.get(region, ())) and own not in OUTSIDE)

    def refuses(self, envelope: Mapping[str, Raw]) -> str:
        """A parameter that its provider rejects, "" where it takes all."""
        if self.drop_params or self.plan.idle:
            return ""
        return next(iter(refused(self.plan, envelope)), "")

    @property
    def environment(self) -> Mapping[str, str]:
        return self._env

    @property
    def address(self) -> str:
        """The base URL as an operator may see it."""
        return (self.base or self.provider.base_url or "").split("?")[0]

    def scrubbed(self, text: str) -> str:
        own = self.secrets if self.credential is None else self.credential.secrets
        for secret in own:
            text = text.replace(secret, "***")
        return text

    @cached_property
    def _named(self) -> tuple[str, str | None]:
        """What the catalog calls the model, and its provider: a base_model may be another's."""
        name = str(self.info.get("base_model") or self.params.get("base_model") or self.model)
        if name != self.model and self._catalog.find(name, self.provider.id) is None:
            return name, None
        return name, self.provider.id

    @cached_property
    def _own_prices(self) -> Mapping[str, Any]:
        return {**self.info, **{key: value for key, value in self.params.items() if names.is_price(key)}}

    @property
    def body_model(self) -> str:
        """The model as bodies name it."""
        cut = self.provider.cut_model
        return self.model.partition(cut)[0] if cut else self.model

    @property
    def live_model(self) -> str:
        """The model as the frames of a realtime connection name it."""
        row = self.provider
        if row.model_of is None:
            return self.model
        base = (self.base or "").rstrip("/")
        site = Site(provider=row, operation="realtime", model=self.model, base=base, api_version="")
        return row.model_of(site)

    def _body_env(self) -> dict[str, str]:
        """The row's parameter that the environment holds, where none of its like is given."""
        wanted = self.provider.body_env
        if not wanted.keys().isdisjoint(self.params):
            return {}
        found = ((name, _first(self._env, variables)) for name, variables in wanted.items())
        return dict([(name, value) for name, value in found if value][:1])

    def _body_vars(self) -> dict[str, str]:
        """The row's fields of bodies that say whose call it is, as far as they are known."""
        found = (
            (name, self.params.get(param) or _first(self._env, tuple(variables)))
            for name, (param, *variables) in self.provider.body_vars.items()
        )
        return {name: str(value) for name, value in found if value}

    def _own_base(self) -> str | None:
        """The provider's own address; `problem` where it can't be made."""
        made = self.provider.base_vars or self.provider.base_of
        try:
            return own_base(self.provider, self.params, self._env) if made else None
        except (BadRequestError, AuthenticationError) as error:
            self.problem = error
            return None

    def _authorise(self) -> list[tuple[str, str]]:
        """The header lines that sign a request; sets `secrets`, and `problem` where a key is missing."""
        auth = self.provider.auth
        if exchanges(self.provider.credential) and self._credentialed():
            return []
        key = self.params.get("api_key") or _first(self._env, self.provider.api_key_env)
        token = self.params.get(auth.token_param) if auth.token_param else None
        if not key and not token:
            token = _first(self._env, auth.token_env)
        if key and auth.token_prefix and str(key).startswith(auth.token_prefix):
            key, token = None, str(key)[len(auth.token_prefix) * auth.cut_prefix :]
        if token:
            self.secrets = (str(token),)
            return [("authorization", f"Bearer {token}"), *auth.token_headers.items()]
        if key:
            self.secrets = (str(key),)
            return [(auth.header, f"{auth.scheme} {key}" if auth.scheme else str(key))]
        if self.provider.credential and self._credentialed():
            return []
        if not auth.optional and not self._elsewhere:
            variables = " or ".join(self.provider.api_key_env)
            self.problem = self.problem or AuthenticationError(
                f"no API key for {self.provider.name}: set {variables}, or give api_key",
                model=self.model,
                llm_provider=self.provider.id,
                code="missing_api_key",
            )
        return []

    def _credentialed(self) -> bool:
        """Whether the row's scheme finds something to sign with."""
        from headgate.providers.auth.base import Surroundings  # most calls have a key

        around = Surroundings(
            params=self.params,
            env=self._env,
            read=lambda path: Path(path).read_bytes(),
            base=self.base or "",
            provider=self.provider.name,
        )
        try:
            self.credential = build(self.provider.credential, around)
        except HeadgateError as error:
            self.problem = self.problem or error
            return True
        return self.credential is not None

    def _route(self, key: str, operation: str) -> Route:
        version = str(
            self.params.get("api_version")
            or self._env.get(self.provider.api_version_env, "")
            or self.provider.api_version
        )
        url = url_of(self.provider, key, self.model, self.base, version)
        chat = self.provider.dialect
        own = {"embeddings": self.provider.embeddings, "count_tokens": COUNTED.get(chat, chat)}
        spoken = {**OPERATIONS, **own, **self.provider.dialects}
        parts = urlsplit(url)
        if not parts.hostname or parts.scheme not in ("http", "https", "mock"):
            raise BadRequestError(
                f"api_base {self.address!r} is no address: expected http://host or https://host",
                param="api_base",
                llm_provider=self.provider.id,
            )
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        return Route(
            origin=self.origin(parts.scheme, parts.hostname, parts.port),
            head=head(target or "/", parts.netloc.rpartition("@")[2], self.headers()),
            url=url,
            dialect=dialect(SOUND.get(operation) or spoken.get(key) or spoken.get(operation, chat)),
            body_model=self.provider.body_model or operation in self.provider.named_in,
        )

    def origin(self, scheme: str, host: str, port: int | None, *, direct: bool = False) -> Origin:
        """Where a connection of this deployment's goes; `direct`: never over a proxy."""
        port = port or (443 if scheme == "https" else 80)
        verify = self.params.get("ssl_verify")
        return Origin(
            scheme=scheme,
            host=host,
            port=port,
            verify=verify is not False,
            ca_file=verify if isinstance(verify, str) else self._env.get("SSL_CERT_FILE"),
            client_cert=self.params.get("ssl_certificate"),
            client_key=self.params.get("client_key"),
            proxy=None if direct or scheme == "mock" else proxy_for(scheme, host, port, self._env),
        )

    def headers(self) -> dict[str, str]:
        """The lines of every request, the credential's among them."""
        row: Provider = self.provider
        headers = {"content-type": "application/json", "user-agent": USER_AGENT}
        headers.update(row.headers)
        headers.update({name: self._env[var] for name, var in row.header_env.items() if self._env.get(var)})
        given = {name: self.params.get(param) for name, param in row.header_params.items()}
        headers.update({name: str(value) for name, value in given.items() if value})
        headers.update(self.auth_headers)
        for name in ("headers", "extra_headers"):
            headers.update({key.lower(): str(v) for key, v in (self.params.get(name) or {}).items()})
        return headers


def head(target: str, host: str, headers: Mapping[str, str], method: str = "POST") -> bytes:
    """A request's head as the transport takes it. Raises BadRequestError for a header that would break it."""
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}"]
    for name, value in headers.items():
        if any(ord(char) < 32 or ord(char) == 127 for char in name + value) or not name or ":" in name:
            raise BadRequestError(
                f"the header {name!r} holds characters that HTTP forbids", param="extra_headers"
            )
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n").encode("latin-1", "replace")


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((env[name] for name in names if env.get(name)), None)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float | Decimal) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _timeouts(value: Any) -> Timeouts:
    seconds = _number(value) or DEFAULT_SECONDS
    return Timeouts(connect=min(10.0, seconds), first_byte=seconds, between_chunks=seconds)
