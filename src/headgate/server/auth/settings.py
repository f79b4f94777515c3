"""`general_settings.litellm_jwtauth` and the variables JWT_PUBLIC_KEY_URL, JWT_AUDIENCE, JWT_ISSUER: whose tokens are
taken, and which claims of them mean what. Pure. Fields have LiteLLM's names."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from headgate.errors import BadRequestError
from headgate.server.auth.jwks import REFETCH_SECONDS
from headgate.server.auth.jwt import wrong

PATH: Final = "general_settings.litellm_jwtauth"
DISCOVERY: Final = "/.well-known/openid-configuration"
TEAM_ROUTES: Final = ("openai_routes", "anthropic_routes", "info_routes")


class ScopeMapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    scope: str
    models: list[str] | None = None
    routes: list[str] | None = None


class RoleMapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    role: str
    internal_role: Literal["proxy_admin", "internal_user", "team"]


class JwtRole(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    jwt_role: str
    litellm_role: Literal[
        "proxy_admin", "proxy_admin_viewer", "org_admin", "internal_user", "internal_user_viewer"
    ]


class RolePermission(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    role: Literal["proxy_admin", "internal_user", "team"]
    models: list[str] | None = None
    routes: list[str] | None = None


class Fields(Struct, frozen=True, kw_only=True):
    """Which claims mean what. A claim may be a path, `realm_access.roles`."""

    admin_jwt_scope: str = "litellm_proxy_admin"
    admin_allowed_routes: tuple[str, ...] = ()
    user_id_jwt_field: str = "sub"
    user_email_jwt_field: str = ""
    user_id_upsert: bool = False
    user_allowed_email_domain: str = ""
    user_roles_jwt_field: str = ""
    user_allowed_roles: tuple[str, ...] = ()
    team_id_jwt_field: str = ""
    team_ids_jwt_field: str = ""
    team_alias_jwt_field: str = ""
    team_id_default: str = ""
    team_id_upsert: bool = False
    team_allowed_routes: tuple[str, ...] = TEAM_ROUTES
    org_id_jwt_field: str = ""
    org_alias_jwt_field: str = ""
    end_user_id_jwt_field: str = ""
    object_id_jwt_field: str = ""
    roles_jwt_field: str = ""
    role_mappings: tuple[RoleMapping, ...] = ()
    jwt_litellm_role_map: tuple[JwtRole, ...] = ()
    scope_mappings: tuple[ScopeMapping, ...] = ()
    role_permissions: tuple[RolePermission, ...] = ()
    enforce_scope_based_access: bool = False
    enforce_rbac: bool = False
    enforce_team_based_model_access: bool = False


class Provider(Struct, frozen=True, kw_only=True):
    """`urls` are where its keys are. Empty `issuers` and `audiences` allow all; `careless` is where nobody said that
    they should."""

    urls: tuple[str, ...]
    issuers: tuple[str, ...]
    audiences: tuple[str, ...]
    fields: Fields
    careless: bool = False


class Settings(Struct, frozen=True, kw_only=True):
    providers: tuple[Provider, ...]
    ttl: float
    stale: float

    def provider(self, issuer: Any) -> Provider:
        """Who may have issued a token that says so. Raises AuthenticationError."""
        for provider in self.providers:
            if not provider.issuers or issuer in provider.issuers:
                return provider
        raise wrong("its issuer (iss) is not one that is trusted here")


def settings_of(given: Mapping[str, Any], permissions: Sequence[Any], env: Mapping[str, str]) -> Settings:
    """`permissions` are `general_settings.role_permissions`. Raises BadRequestError naming what is wrong."""
    common = {"role_permissions": permissions, **given}
    providers = [_issuer(entry, common, at) for at, entry in enumerate(given.get("issuers") or ())]
    issuers = _listed(given.get("issuer") or env.get("JWT_ISSUER"))
    urls = _listed(given.get("jwks_url") or env.get("JWT_PUBLIC_KEY_URL"))
    if not urls and not providers:
        urls = tuple(map(_discovery, issuers))
    if urls:
        audiences = _listed(given.get("audience") or env.get("JWT_AUDIENCE"))
        providers.append(
            Provider(
                urls=urls,
                issuers=issuers,
                audiences=audiences,
                fields=_fields(common, PATH),
                careless=not audiences,
            )
        )
    if not providers:
        raise _wrong(PATH, "whose tokens are taken? Set JWT_PUBLIC_KEY_URL, or jwks_url or issuers here")
    ttl, stale = given.get("public_key_ttl"), given.get("public_key_stale_ttl")
    return Settings(
        providers=tuple(providers),
        ttl=max(REFETCH_SECONDS, 600.0 if ttl is None else ttl),
        stale=3_600.0 if stale is None else stale,
    )


def _issuer(entry: Mapping[str, Any], common: Mapping[str, Any], at: int) -> Provider:
    """A row of `issuers`: what it does not say of claims is said by the block."""
    path = f"{PATH}.issuers[{at}]"
    issuers, audiences = _listed(entry.get("issuer")), _listed(entry.get("audience"))
    anybody = bool(entry.get("disable_audience_validation"))
    if not issuers:
        raise _wrong(path, "issuer is missing: what its tokens have as iss")
    if anybody == bool(audiences):
        raise _wrong(path, "give either audience or disable_audience_validation: true")
    return Provider(
        urls=_listed(entry.get("jwks_url")) or tuple(map(_discovery, issuers)),
        issuers=issuers,
        audiences=audiences,
        fields=_fields({**common, **entry}, path),
    )


def _fields(given: Mapping[str, Any], path: str) -> Fields:
    try:
        return msgspec.convert(given, Fields)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        raise _wrong(path + where.rstrip("`"), what) from None


def _listed(value: Any) -> tuple[str, ...]:
    """One text may hold several, by comma."""
    texts = value.split(",") if isinstance(value, str) else value or ()
    return tuple(text.strip() for text in texts if text.strip())


def _discovery(issuer: str) -> str:
    return issuer.rstrip("/") + DISCOVERY


def _wrong(path: str, what: str) -> BadRequestError:
    return BadRequestError(f"{path}: {what}", param="litellm_jwtauth")
