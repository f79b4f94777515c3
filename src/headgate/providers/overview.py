"""Every provider as people look for it: operations, addresses, variables, deviations, and how it was tested. Pure.

`headgate providers` prints it, `scripts/providers_page.py` writes docs/providers.md from it.
"""

from typing import Any, Final

from headgate.providers.address import join
from headgate.providers.base import Provider, Quirks, Site
from headgate.providers.rows import ROWS
from headgate.providers.tested import RECORDED, UNTRIED

BUILT: Final = (
    "chat",
    "responses",
    "completions",
    "embeddings",
    "rerank",
    "moderations",
    "ocr",
    "fim",
    "images",
    "image_edits",
    "image_variations",
    "speech",
    "transcriptions",
    "translations",
    "realtime",
)
"""Operations that the gateway has; rows name addresses of further ones."""


def operations(row: Provider) -> list[str]:
    return [name for name in BUILT if name in row.paths]


_PARTS: Final = {
    "image_edits": "images",
    "image_variations": "images",
    "transcriptions": "audio",
    "translations": "audio",
    "speech": "audio",
}


def kinds(row: Provider) -> list[str]:
    """The operations in few words: pictures are one, sound is one."""
    return list(dict.fromkeys(_PARTS.get(name, name) for name in operations(row)))


def tested(row: Provider) -> str:
    if row.id == "mock":
        return "itself"
    if row.id in RECORDED:
        return "recorded traffic"
    return "untried" if row.id in UNTRIED else "documented shape"


def addresses(row: Provider) -> dict[str, str]:
    """Operation → where it is, with what the user fills in as placeholders."""
    own = row.base_of("", _PLACE, _PLACE) if row.base_of else row.base_url
    base, found = own or "{api_base}", {}
    for name in operations(row):
        site = Site(provider=row, operation=name, model="{model}", base=base, api_version="{api_version}")
        path = row.path_of(site) if row.path_of else row.paths[name]
        found[name] = path if path.startswith(("http://", "https://")) else join(base, path)
    return found


_PLACE: Final = {
    "vertex_project": "PROJECT",
    "vertex_location": "LOCATION-1",
    "oci_region": "REGION",
    "AICORE_BASE_URL": "https://AICORE-BASE-URL",
    "AICORE_DEPLOYMENT_ID": "DEPLOYMENT",
}
"""What stands in addresses that are made of parameters, and of the environment."""


def described(row: Provider) -> dict[str, Any]:
    """All of it, as JSON can carry it."""
    quirks = {"": _plain(row.quirks), **{rule.match: _plain(rule.quirks) for rule in row.model_rules}}
    return {
        "id": row.id,
        "name": row.name,
        "aliases": list(row.aliases),
        "dialect": row.dialect,
        "operations": operations(row),
        "addresses": addresses(row),
        "base_url": row.base_url,
        "api_key_env": list(row.api_key_env),
        "base_url_env": list(row.base_url_env),
        "other_env": sorted(_other_env(row)),
        "signed_by": row.credential,
        "key_is_optional": row.auth.optional,
        "quirks": {models: quirks for models, quirks in quirks.items() if quirks},
        "tested": tested(row),
        "recorded": list(RECORDED.get(row.id, ())),
    }


def _other_env(row: Provider) -> set[str]:
    filling = (name for _, *names in row.base_vars.values() for name in names)
    found = {*filling, *row.header_env.values(), *row.auth.token_env, row.api_version_env}
    return found - {""}


def _plain(quirks: Quirks) -> dict[str, Any]:
    return {
        name: value
        for name in quirks.__struct_fields__
        if (value := getattr(quirks, name)) != getattr(_NONE, name)
    }


_NONE: Final = Quirks()


def sorted_rows() -> list[Provider]:
    return sorted(ROWS, key=lambda row: row.id.lower())
