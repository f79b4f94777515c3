"""Files in buckets of Amazon S3 and Google Cloud Storage: put, read piece by piece, listed, removed.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html and
https://cloud.google.com/storage/docs/json_api/v1/objects. A bucket is a deployment of its service
(`Deployment.store`). Knows no batch.
"""

from collections.abc import AsyncGenerator
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from headgate.core.deployment import Deployment
from headgate.core.engine import Engine
from headgate.core.forward import LIMIT, failed, forward
from headgate.errors import BadRequestError, HeadgateError, NotFoundError
from headgate.ports import Incoming, Outgoing

KIND: Final = "application/jsonl"
_MOVED: Final = (301, 307, 308)


class _Ask(NamedTuple):
    """`rest` and `query` hold {path}, the key as a path, or {name}, the key as one word."""

    method: str
    operation: str
    rest: str
    query: str = ""


class _Api(NamedTuple):
    put: _Ask
    read: _Ask
    remove: _Ask


_APIS: Final = {
    "s3": _Api(
        put=_Ask("PUT", "objects", "/{path}"),
        read=_Ask("GET", "objects", "/{path}"),
        remove=_Ask("DELETE", "objects", "/{path}"),
    ),
    "gcs": _Api(
        put=_Ask("POST", "upload", "", "name={name}"),
        read=_Ask("GET", "objects", "/{name}", "alt=media"),
        remove=_Ask("DELETE", "objects", "/{name}"),
    ),
}


class _Item(Struct):
    name: str


class _Page(Struct, rename="camel"):
    items: list[_Item] = []
    next_page_token: str = ""


_page: Final = msgspec.json.Decoder(_Page).decode


async def put(engine: Engine, store: Deployment, key: str, body: Outgoing) -> None:
    """S3 wants the body's length and digest. Raises what the service answers."""
    answer = await _asked(engine, store, _APIS[store.provider.id].put, key, body)
    await answer.read(LIMIT)


async def pieces(engine: Engine, store: Deployment, key: str) -> AsyncGenerator[bytes]:
    """A file as it comes. Raises NotFoundError, and what the service answers."""
    answer = await _asked(engine, store, _APIS[store.provider.id].read, key)
    try:
        async for piece in answer:
            yield piece
    finally:
        answer.abort()


async def remove(engine: Engine, store: Deployment, key: str) -> None:
    """What is not there is no error. Raises what the service answers."""
    try:
        answer = await _asked(engine, store, _APIS[store.provider.id].remove, key)
        await answer.read(LIMIT)
    except NotFoundError:
        return


async def names(engine: Engine, store: Deployment, folder: str) -> list[str]:
    """The keys that begin so, at services that tell them as Google does. Raises what the service answers."""
    found: list[str] = []
    token = ""
    while True:
        query = urlencode({"prefix": folder} | ({"pageToken": token} if token else {}))
        answer = await _asked(engine, store, _Ask("GET", "objects", ""), "", query=query)
        page = _page(await answer.read(LIMIT))
        found += [item.name for item in page.items]
        token = page.next_page_token
        if not token:
            return found


async def _asked(
    engine: Engine,
    store: Deployment,
    ask: _Ask,
    key: str,
    body: bytes | Outgoing = b"",
    query: str = "",
) -> Incoming:
    words = {"path": quote(key, safe="/~"), "name": quote(key, safe="~")}
    answer = await forward(
        engine,
        store,
        ask.operation,
        ask.method,
        ask.rest.format_map(words),
        query=query or ask.query.format_map(words),
        body=body,
        kind=KIND,
    )
    if answer.status < 300:
        return answer
    raise _refused(store, ask, answer, await answer.read(LIMIT))


def _refused(store: Deployment, ask: _Ask, answer: Incoming, body: bytes) -> Exception:
    """What it says, with the bucket's name."""
    if answer.status in _MOVED:
        region = answer.headers.get("x-amz-bucket-region")
        where = f" {region}" if region else " its own"
        return BadRequestError(
            f"{store.provider.name}: the bucket {store.model} is in another region: set s3_region_name to{where}",
            llm_provider=store.provider.id,
        )
    error = failed(store, ask.operation, answer, body)
    if isinstance(error, HeadgateError):
        error.message = f"{store.provider.name}, bucket {store.model}: {error.message}"
    return error
