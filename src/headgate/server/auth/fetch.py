"""A document of an identity provider, fetched with our own client. The address is the operator's, so that private
hosts and proxies are fine; what is redirected goes no other way than it came."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit

from headgate.errors import APIConnectionError
from headgate.net.proxy import proxy_for
from headgate.ports import Origin, Timeouts, Transport

MAX_BYTES: Final = 1024 * 1024
MAX_HOPS: Final = 3
TIMEOUTS: Final = Timeouts(connect=3.0, first_byte=5.0, between_chunks=5.0, total=8.0)
_REDIRECTS: Final = (301, 302, 303, 307, 308)


class Fetcher:
    """`verify` is `litellm_settings.ssl_verify`: whether certificates are checked, or the file of a CA."""

    def __init__(self, transport: Transport, verify: bool | str | None, env: Mapping[str, str]) -> None:
        self._transport = transport
        self._verify = verify
        self._env = env

    async def __call__(self, url: str) -> bytes:
        """Raises HeadgateError saying why not."""
        try:
            return await self._get(url)
        except ValueError:  # urllib's, for a port or a bracket that is none
            raise APIConnectionError(f"{shown(url)} can't be read as an address") from None

    async def _get(self, first: str) -> bytes:
        url = first
        for _ in range(MAX_HOPS + 1):
            origin, head = self._asked(url)
            answer = await self._transport.send(origin, head, b"", TIMEOUTS)
            if answer.status == 200:
                return await answer.read(MAX_BYTES)
            answer.abort()
            to = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not to:
                raise APIConnectionError(f"{shown(url)} answered with status {answer.status}")
            secure, url = url.startswith("https://"), urljoin(url, to)
            if secure and not url.startswith("https://"):
                raise APIConnectionError(f"{shown(first)} is redirected to an address without https")
        raise APIConnectionError(f"{shown(first)} is redirected more than {MAX_HOPS} times")

    def _asked(self, url: str) -> tuple[Origin, bytes]:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname
        if scheme not in ("http", "https") or not host:
            raise APIConnectionError(f"{shown(url)} is no address: expected https://host/path")
        port = parts.port or (443 if scheme == "https" else 80)
        origin = Origin(
            scheme=scheme,
            host=host,
            port=port,
            verify=self._verify is not False,
            ca_file=self._verify if isinstance(self._verify, str) else self._env.get("SSL_CERT_FILE"),
            proxy=proxy_for(scheme, host, port, self._env),
        )
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        named = parts.netloc.rpartition("@")[2]
        lines = f"GET {target} HTTP/1.1", f"host: {named}", "user-agent: headgate", "accept: application/json"
        if not all(line.isascii() and line.isprintable() for line in lines):
            raise APIConnectionError(f"{shown(url)} holds characters that an address can't have")
        return origin, "".join(f"{line}\r\n" for line in lines).encode()


def shown(url: str) -> str:
    """For the log: without what may be a secret."""
    return url.partition("?")[0].rpartition("@")[2][:200]
