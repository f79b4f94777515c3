"""Every page by every role: who is in its table may ask, who is not gets 403, without a key 401."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateways import CONFIG, KEY
from headgate.server.routes import OPEN, PAGES, Page
from servers import RunningGateway, running

ROLES = ("proxy_admin", "proxy_admin_viewer", "org_admin", "internal_user", "internal_user_viewer")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with running(CONFIG, tmp_path_factory.mktemp("roles")) as served:
        yield served


@pytest.fixture(scope="module")
def keys(gateway: RunningGateway) -> dict[str, str]:
    made = {}
    for role in ROLES:
        status, _, data = gateway.request(
            "/user/new", {"user_role": role}, {"authorization": f"Bearer {KEY}"}
        )
        assert status == 200, data
        made[role] = json.loads(data)["key"]
    return made


def ask(gateway: RunningGateway, page: Page, key: str | None) -> tuple[int, dict[str, Any]]:
    path = re.sub(r"\{[^}]*\}", "something", page.path)
    body = None if page.method == "GET" else {}
    headers = {"authorization": f"Bearer {key}" if key else ""}
    status, _, data = gateway.request(path, body, headers, page.method)
    return status, json.loads(data) if data[:1] == b"{" else {}


def names(page: Page) -> str:
    return f"{page.method} {page.path}"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("page", PAGES, ids=names)
def test_who_may_ask_for_a_page(gateway: RunningGateway, keys: dict[str, str], page: Page, role: str) -> None:
    status, body = ask(gateway, page, keys[role])
    message = str(body.get("error", {}).get("message", ""))
    refused = status == 403 and f"your role {role!r} is not enough" in message
    assert refused == (page.roles is not OPEN and role not in page.roles), (status, body)
    assert status != 500, body


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_without_a_key_only_open_pages_answer(gateway: RunningGateway, page: Page) -> None:
    for key in (None, "sk-wrong-key-that-nobody-has"):
        status, _ = ask(gateway, page, key)
        assert (status == 401) == (page.roles is not OPEN)


@pytest.mark.parametrize("page", [page for page in PAGES if page.manages], ids=names)
def test_keys_for_model_calls_alone_manage_nothing(gateway: RunningGateway, page: Page) -> None:
    made = gateway.request("/key/generate", {"key_type": "llm_api"}, {"authorization": f"Bearer {KEY}"})[2]
    assert ask(gateway, page, json.loads(made)["key"])[0] == 403
