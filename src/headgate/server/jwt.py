"""Bearer tokens of an OpenID provider: verified by its published keys, and made into callers by what they claim.

https://datatracker.ietf.org/doc/html/rfc7519, https://datatracker.ietf.org/doc/html/rfc7517. PyJWT and cryptography
(the extra `crypto`) are loaded when a token comes.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from headgate.errors import AuthenticationError, BadRequestError, HeadgateError, PermissionDeniedError
from headgate.errors import ServiceUnavailableError as Unavailable
from headgate.server.callers import USER, Caller, Callers
from headgate.store import directory, tables
from headgate.store.database import Database
from headgate.store.totals import insert

ALGORITHMS: Final = frozenset("RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA".split())
"""Those with a public key: never a shared secret, never none."""
MAX_TOKEN: Final = 16_384
REFETCH_SECONDS: Final = 10.0
"""A key that is not known makes the provider be asked anew, no more often than this."""
LEEWAY: Final = 10.0
ROLES: Final = ("proxy_admin", "proxy_admin_viewer", "org_admin", "internal_user", "internal_user_viewer")
Fetch = Callable[[str], Awaitable[bytes]]


class JwtSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`litellm_jwtauth`, with LiteLLM's names; claims may be paths such as `realm_access.roles`."""

    admin_jwt_scope: str = "litellm_proxy_admin"
    admin_allowed_routes: list[str] = []
    user_id_jwt_field: str = "sub"
    user_email_jwt_field: str | None = None
    user_id_upsert: bool = False
    user_allowed_email_domain: str | None = None
    user_roles_jwt_field: str | None = None
    user_allowed_roles: list[str] = []
    team_id_jwt_field: str | None = None
    team_ids_jwt_field: str | None = None
    team_alias_jwt_field: str | None = None
    team_id_default: str | None = None
    team_id_upsert: bool = False
    team_allowed_routes: list[str] = []
    org_id_jwt_field: str | None = None
    end_user_id_jwt_field: str | None = None
    roles_jwt_field: str | None = None
    jwt_litellm_role_map: list[dict[str, str]] = []
    enforce_rbac: bool = False
    public_key_ttl: float = 600.0
    public_key_stale_ttl: float = 3_600.0
    urls: list[str] = []
    audience: str | None = None
    issuer: str | None = None


def settings_of(given: Mapping[str, Any], env: Mapping[str, str]) -> JwtSettings:
    """Raises BadRequestError naming the field that is wrong."""
    urls = [url.strip() for url in env.get("JWT_PUBLIC_KEY_URL", "").split(",") if url.strip()]
    found = {
        "urls": urls,
        "audience": env.get("JWT_AUDIENCE") or None,
        "issuer": env.get("JWT_ISSUER") or None,
    }
    try:
        settings = msgspec.convert({**found, **given}, JwtSettings)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"general_settings.litellm_jwtauth: {error}", param="litellm_jwtauth") from None
    if not settings.urls:
        raise BadRequestError(
            "JWT_PUBLIC_KEY_URL is not set: where are the provider's keys?", param="litellm_jwtauth"
        )
    return settings


def looks_like(text: bytes) -> bool:
    """Three parts of base64url, the first an object."""
    return text.startswith(b"ey") and text.count(b".") == 2 and len(text) <= MAX_TOKEN


class Jwks:
    """The provider's keys, kept for `public_key_ttl`, and used stale when it can't be reached."""

    def __init__(self, settings: JwtSettings, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._fetched = 0.0
        self._tried = 0.0
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> Any:
        """Raises AuthenticationError for an unknown one, ServiceUnavailableError where the provider is away."""
        now = self._clock()
        if now - self._fetched > self._settings.public_key_ttl or kid not in self._keys:
            await self._renew(kid)
        found = self._keys.get(kid) or (
            next(iter(self._keys.values())) if not kid and len(self._keys) == 1 else None
        )
        if found is None:
            raise _wrong("it is signed with a key that the provider does not publish")
        return found

    async def _renew(self, kid: str) -> None:
        async with self._lock:
            now = self._clock()
            fresh = self._fetched and now - self._fetched <= self._settings.public_key_ttl
            if (fresh and kid in self._keys) or (
                self._tried and now - self._tried < REFETCH_SECONDS and self._keys
            ):
                return
            self._tried = now
            try:
                self._keys = {name: key for url in self._settings.urls for name, key in await self._read(url)}
                self._fetched = now
            except HeadgateError as error:
                if not self._keys or now - self._fetched > self._settings.public_key_stale_ttl:
                    raise Unavailable(
                        f"the keys of the identity provider can't be read: {error.message}", retry_after=5
                    ) from None

    async def _read(self, url: str) -> list[tuple[str, Any]]:
        jwt = _pyjwt()
        data = await self._fetch(url)
        try:
            rows = msgspec.json.decode(data)["keys"]
            found = [(str(row.get("kid") or ""), row) for row in rows if row.get("use", "sig") == "sig"]
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            raise Unavailable(f"{url} gave no list of keys") from None
        keys = []
        for kid, row in found:
            try:
                keys.append((kid, jwt.PyJWK(row).key))
            except jwt.PyJWTError:
                continue  # of a kind that we don't take
        return keys


class Tokens:
    """Makes callers of tokens. What was verified is kept by `Callers` under the hash of the whole token."""

    def __init__(
        self,
        settings: JwtSettings,
        jwks: Jwks,
        callers: Callers,
        database: Database,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._jwks = jwks
        self._callers = callers
        self._database = database
        self._clock = clock

    async def caller(self, text: str, token: str) -> Caller:
        """`token` is the SHA-256 of the text. Raises AuthenticationError, PermissionDeniedError and
        ServiceUnavailableError."""
        claims = await self._verified(text)
        row, role = await self._principal(claims)
        routes = (
            self._settings.admin_allowed_routes
            if role == "proxy_admin"
            else self._settings.team_allowed_routes
        )
        row |= {"expires": float(claims["exp"]) + LEEWAY, "allowed_routes": routes or None}
        customer = _text(claims, self._settings.end_user_id_jwt_field)
        return await self._callers.add(row, token, role=role, customer=customer)

    async def _verified(self, text: str) -> dict[str, Any]:
        jwt = _pyjwt()
        try:
            head = jwt.get_unverified_header(text)
        except jwt.PyJWTError:
            raise _wrong("it is no token that can be read") from None
        algorithm = head.get("alg")
        if algorithm not in ALGORITHMS:
            raise _wrong(f"its algorithm {str(algorithm)[:20]!r} is not taken")
        key = await self._jwks.key(str(head.get("kid") or ""))
        settings = self._settings
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                key,
                algorithms=[algorithm],
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=LEEWAY,
                options={"require": ["exp"], "verify_aud": settings.audience is not None},
            )
        except jwt.ExpiredSignatureError:
            raise AuthenticationError("the token has expired", type="expired_key", code="401") from None
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise _wrong(str(error)) from None
        return claims

    async def _principal(self, claims: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        settings = self._settings
        subject = f"{claims.get('iss', '')} {claims.get('sub', '')}"
        row: dict[str, Any] = dict.fromkeys(tables.keys.c.keys())
        row |= {
            "id": "jwt:" + hashlib.sha256(subject.encode()).hexdigest()[:40],
            "key_name": "token",
            "blocked": False,
        }
        row["created_at"] = 0.0
        row["user_id"] = user = _text(claims, settings.user_id_jwt_field)
        row["key_alias"] = email = _text(claims, settings.user_email_jwt_field)
        row["organization_id"] = _text(claims, settings.org_id_jwt_field)
        domain = settings.user_allowed_email_domain
        if domain and not (email or "").lower().endswith("@" + domain.lower()):
            raise _denied("its e-mail address is not of the domain that is allowed")
        allowed = settings.user_allowed_roles
        if allowed and not set(_texts(claims, settings.user_roles_jwt_field)) & set(allowed):
            raise _denied("none of its roles is allowed")
        role = self._role(claims)
        row["team_id"] = await self._team(claims)
        if settings.user_id_upsert and user:
            await self._make("user", {"user_id": user, "user_email": email, "user_role": role or USER})
        if settings.enforce_rbac and role is None and row["team_id"] is None:
            raise _denied("it claims neither a role nor a team")
        return row, role or ""

    def _role(self, claims: Mapping[str, Any]) -> str | None:
        scopes = claims.get("scope")
        granted = scopes.split() if isinstance(scopes, str) else _texts(claims, "scope")
        if self._settings.admin_jwt_scope in granted:
            return "proxy_admin"
        claimed = set(_texts(claims, self._settings.roles_jwt_field))
        for row in self._settings.jwt_litellm_role_map:
            role = row.get("litellm_role", "")
            if row.get("jwt_role") in claimed and role in ROLES:
                return role
        return None

    async def _team(self, claims: Mapping[str, Any]) -> str | None:
        """The first team that is claimed and exists. Raises PermissionDeniedError where none of them does."""
        settings = self._settings
        names = [*_texts(claims, settings.team_id_jwt_field), *_texts(claims, settings.team_ids_jwt_field)]
        if not names and settings.team_id_default:
            names = [settings.team_id_default]
        alias = _text(claims, settings.team_alias_jwt_field)
        if not names and not alias:
            return None
        if settings.team_id_upsert and names:
            await self._make("team", {"team_id": names[0], "team_alias": alias})
        found = await self._database.ask(
            lambda connection: next(
                (name for name in names if directory.find(connection, "team", name)), None
            )
        )
        if found is None and alias:
            table = tables.teams
            where = table.select().where(table.c.team_alias == alias)
            found = await self._database.ask(lambda c: next((row.team_id for row in c.execute(where)), None))
        if found is None:
            raise _denied("none of the teams that it claims exists here")
        return found

    async def _make(self, kind: str, row: Mapping[str, Any]) -> None:
        table = directory.TABLES[kind]
        now = self._clock()
        history = {"created_at": now, "created_by": "token", "updated_at": now, "updated_by": "token"}
        values = {**row, "blocked": False, **history}
        (column,) = table.primary_key.columns

        def work(connection: Any) -> None:
            made = insert(connection, table).on_conflict_do_nothing(index_elements=[column.name])
            connection.execute(made.values(**values))

        await self._database.run(work)


def _at(claims: Mapping[str, Any], path: str | None) -> Any:
    """A claim by its name, or by a path with dots."""
    if path is None:
        return None
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _text(claims: Mapping[str, Any], path: str | None) -> str | None:
    found = _at(claims, path)
    return found if isinstance(found, str) and found else None


def _texts(claims: Mapping[str, Any], path: str | None) -> Sequence[str]:
    found = _at(claims, path)
    rows = found if isinstance(found, list) else [found]
    return [row for row in rows if isinstance(row, str) and row]


def _wrong(why: str) -> AuthenticationError:
    return AuthenticationError(f"the token is not valid here: {why}", type="auth_error", code="401")


def _denied(why: str) -> PermissionDeniedError:
    return PermissionDeniedError(f"the token may not be used here: {why}", type="auth_error", code="403")


def _pyjwt() -> Any:
    try:
        import jwt
    except ImportError:
        raise Unavailable("tokens can't be verified here: pip install 'headgate[crypto]'") from None
    return jwt
