"""Websockets to providers, by the `websockets` package: opened over the same proxies and with the same trust as other
connections. Knows no format. Nobody imports this before somebody asks for a websocket.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus, WebSocketException

from headgate.errors import APIConnectionError, Timeout
from headgate.net import tls
from headgate.ports import Origin, Told

FRAME_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a message, either way: OpenAI takes up to 15 MiB of sound in one."""
QUEUE: Final = 4
"""Messages that wait for a slow reader before the socket is not read any more."""
CLOSE_SECONDS: Final = 5.0


class NotUpgraded(APIConnectionError):  # noqa: N818 -- an answer, which the caller reads
    """The provider answered with plain HTTP: `told`."""

    told: Told


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """None is followed: our credential goes to the address that was configured."""
        return exc


async def dial(
    url: str, origin: Origin, headers: Sequence[tuple[str, str]], seconds: float | None
) -> ClientConnection:
    """An open websocket. `url` is an http or https address, `headers` all lines but the handshake's own.

    Raises NotUpgraded, APIConnectionError, Timeout.
    """
    secure = origin.scheme == "https"
    trust = (origin.verify, origin.ca_file, origin.client_cert, origin.client_key)
    where = f"{origin.host}:{origin.port}"
    try:
        return await _Connect(
            "ws" + url.removeprefix("http"),
            additional_headers=Headers(headers),
            user_agent_header=None,
            compression=None,
            ssl=tls.context(*trust) if secure else None,
            proxy=origin.proxy,
            open_timeout=seconds,
            close_timeout=CLOSE_SECONDS,
            max_size=FRAME_LIMIT,
            max_queue=QUEUE,
        )
    except InvalidStatus as refusal:
        answer = refusal.response
        error = NotUpgraded(f"{where} answered {answer.status_code} instead of opening a websocket")
        error.told = Told(
            status=answer.status_code, headers=_lower(answer.headers), body=bytes(answer.body or b"")
        )
        raise error from None
    except TimeoutError:
        raise Timeout(f"{where} opened no websocket in {seconds:g} s") from None
    except (OSError, WebSocketException, EOFError) as error:
        raise APIConnectionError(f"no websocket to {where}: {error}") from None


def _lower(headers: Headers) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.raw_items()}
