"""A gateway for the tests of a module, and a client that speaks to its management API."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest

from servers import KEY, RunningGateway, running


def _row(name: str, *groups: str) -> dict[str, Any]:
    prices = {"input_cost_per_token": 0, "output_cost_per_token": 0.001}
    return {
        "model_name": name,
        "litellm_params": {"model": "mock/echo", **prices},
        "model_info": {"access_groups": list(groups)},
    }


CONFIG = {
    "model_list": [_row("m"), _row("n", "beta"), _row("vendor/big")],
    "general_settings": {"master_key": KEY},
}
"""Models that answer with the last message's text, a tenth of a cent for each word."""
NOBODY = "no-such-thing"


class Api:
    """Management requests and model calls; `key` is the master key where none is given."""

    def __init__(self, server: RunningGateway) -> None:
        self.server = server

    def ask(self, method: str, path: str, body: Any = None, key: str | None = KEY) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {key}" if key else ""}
        status, _, data = self.server.request(path, body, headers, method)
        return status, json.loads(data) if data[:1] in (b"{", b"[", b'"') or data.isdigit() else data

    def post(self, path: str, body: Any = None, key: str = KEY) -> tuple[int, Any]:
        return self.ask("POST", path, {} if body is None else body, key)

    def look(self, path: str, key: str = KEY, /, **query: Any) -> tuple[int, Any]:
        return self.ask("GET", f"{path}?{urlencode(query)}" if query else path, None, key)

    def get(self, path: str, key: str = KEY, /, **query: Any) -> Any:
        """What a page answers; it must be there."""
        status, found = self.look(path, key, **query)
        assert status == 200, (path, status, found)
        return found

    def made(self, path: str, /, **body: Any) -> Any:
        """What the master key has made or changed."""
        return self.done("POST", path, body)

    def done(self, method: str, path: str, body: Any, key: str = KEY) -> Any:
        status, found = self.ask(method, path, body, key)
        assert status == 200, (path, body, status, found)
        return found

    def key(self, **fields: Any) -> str:
        return str(self.made("/key/generate", **fields)["key"])

    def user(self, name: str, **fields: Any) -> str:
        """A new user's own key."""
        return str(self.made("/user/new", user_id=name, **fields)["key"])

    def info(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/key/info", key=key)["info"]
        return found

    def talk(
        self, key: str, model: str = "m", text: str = "one two", tokens: int | None = 5, **more: Any
    ) -> tuple[int, Any]:
        """A model call. Its answer has the words of `text`."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return self.post("/v1/chat/completions", body | ({"max_tokens": tokens} if tokens else {}), key)

    def call(self, key: str, *args: Any, **more: Any) -> int:
        return self.talk(key, *args, **more)[0]

    @contextmanager
    def later(self, seconds: float) -> Iterator[None]:
        """The gateway believes that this much time has passed."""
        gateway = self.server.gateway
        clock = gateway.clock
        gateway.clock = _Later(clock, seconds)
        try:
            yield
        finally:
            gateway.clock = clock


class _Later:
    def __init__(self, clock: Any, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    def time(self) -> float:
        return float(self._clock.time() + self._seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock, name)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(CONFIG, tmp_path_factory.mktemp("admin")) as server:
        yield Api(server)
