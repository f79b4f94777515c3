"""An entry of a model list before it is a deployment: what it stands for. Knows no address and no key."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.core import params as names
from headgate.providers.auth import taken
from headgate.providers.base import Provider
from headgate.providers.registry import resolve

BY_RESPONSES: Final = "responses/"


def by_responses(row: Provider, model: str, info: Mapping[str, Any]) -> tuple[str, bool]:
    """The model's own name, and whether its chats are to go to the provider's Responses: as LiteLLM has it, by
    `responses/` before the name, or by the mode in its `model_info`."""
    if "responses" not in row.paths:
        return model, False
    own = model.removeprefix(BY_RESPONSES)
    return own, own != model or info.get("mode") == "responses"


def mocked(params: Mapping[str, Any], providers: Mapping[str, Provider]) -> Mapping[str, Any]:
    """A row that brings its own answer: the built-in provider's, with the price of the one that it stands for and
    none of its keys."""
    told = {name: params[name] for name in names.MOCKS if params.get(name) not in (None, False, [], ())}
    if not told:
        return params
    base = params.get("api_base") or params.get("base_url")
    row, model = resolve(str(params["model"]), params.get("custom_llm_provider"), base, providers)
    kept = {name: value for name, value in params.items() if not names.leads(name) and name not in told}
    return {
        "base_model": f"{row.id}/{model}",
        **kept,
        "model": f"mock/{model}",
        "extra_body": {**(params.get("extra_body") or {}), **told},
    }


BUDGET: Final = ("max_budget", "budget_duration")


def own_names(row: Provider) -> frozenset[str]:
    """The parameters that a provider's row takes for itself: no request has them."""
    stored = row.bulk.settings.values() if row.bulk is not None else ()
    return taken(row.credential).union(
        (name for name, *_ in row.base_vars.values()),
        row.header_params.values(),
        [row.auth.token_param],
        (name for names in stored for name in names if not name.isupper()),
    )


def fingerprint(group: str, params: Mapping[str, Any]) -> str:
    """An id that stays the same as long as the entry does, as LiteLLM's does. What an entry has spent is known by its
    id, which another budget therefore does not change."""
    entry = {name: value for name, value in params.items() if name not in BUDGET}
    text = msgspec.json.encode([group, entry], enc_hook=str, order="deterministic")
    return hashlib.sha256(text).hexdigest()
