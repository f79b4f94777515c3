"""A token server for tests, on a real socket, and how credentials reach it.

Whatever host a credential asks, the request travels to this server; `asks` says where it was meant to go.
"""

import asyncio
import http.client
import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from headgate.errors import APIConnectionError
from headgate.ports import Ask, Credential, Signing, Told
from headgate.providers.auth.base import Surroundings
from servers import Upstream

REQUEST = Signing(method="POST", url="https://api.example/v1", headers=(), body=b"{}")
NOW = 1_700_000_000.0


class Got(NamedTuple):
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), strict_parsing=True))


class Desk(Upstream):
    """`answers` maps a path to what is answered, the last one for ever: an object or a text (status 200), (status,
    either of them), or a function that makes one of these of the request. A path not in it has nobody listening."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, list[Any]] = {}
        self.asks: list[Ask] = []
        self.script = lambda body: [self._reply()]

    def answer(self, path: str, *answers: Any) -> None:
        self.answers[path] = list(answers)

    @property
    def got(self) -> list[Got]:
        return [_got(*request) for request in self.requests]

    @property
    def forms(self) -> list[dict[str, str]]:
        return [one.form for one in self.got]

    async def fetch(self, ask: Ask) -> Told:
        self.asks.append(ask)
        if urlsplit(ask.url).path not in self.answers:
            raise APIConnectionError("nobody answers")
        return await asyncio.to_thread(self._send, ask)

    def _send(self, ask: Ask) -> Told:
        parts = urlsplit(ask.url)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ask.seconds)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(ask.method, target, ask.body, ask.headers)
            told = connection.getresponse()
            headers = {name.lower(): value for name, value in told.getheaders()}
            return Told(status=told.status, headers=headers, body=told.read())
        finally:
            connection.close()

    def _reply(self) -> bytes:
        answers = self.answers[self.got[-1].path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer = answer(self.got[-1]) if callable(answer) else answer
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        text = body if isinstance(body, str) else json.dumps(body)
        head = f"HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {len(text.encode())}\r\n\r\n"
        return (head + text).encode()


def _got(line: str, headers: dict[str, str], body: bytes) -> Got:
    method, target, _ = line.split(" ")
    parts = urlsplit(target)
    return Got(method, parts.path, dict(parse_qsl(parts.query)), headers, body)


def around(
    params: Mapping[str, Any] = {},
    env: Mapping[str, str] = {},
    files: Mapping[str, str] | Callable[[str], bytes] = MappingProxyType({}),
    base: str = "",
) -> Surroundings:
    """Surroundings with these files and no others."""

    def read(path: str) -> bytes:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return files[path].encode()

    return Surroundings(
        params=params,
        env={"HOME": "/home/me", **env},
        read=files if callable(files) else read,
        base=base,
    )


async def lines_of(credential: Credential | None, desk: Desk, now: float = NOW) -> dict[str, str]:
    """The header lines of a request, after a renewal where one is needed."""
    assert credential is not None
    if not credential.ready(now):
        await credential.renew(desk.fetch, now)
    return dict(credential.sign(REQUEST, now))


def hides(text: str, secrets: Iterable[str]) -> bool:
    return not any(secret in text for secret in secrets)
