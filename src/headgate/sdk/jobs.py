"""LiteLLM's functions of files and batches, at providers that have OpenAI's, and at clouds whose batches are jobs on
files in a bucket. Files are sent and never held.

https://platform.openai.com/docs/api-reference/files and …/batch. Each function raises the classes of
`headgate.errors`; the synchronous ones run the others by the portal.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode

import msgspec

from headgate.core.forward import JSON, LIMIT, checked
from headgate.core.params import UNNAMED
from headgate.errors import BadRequestError, RequestTooLargeError
from headgate.ports import Incoming, Outgoing
from headgate.sdk.bulk import Bucket
from headgate.sdk.functions import default_client
from headgate.sdk.objects import Response
from headgate.sdk.openai_bases import adopt
from headgate.sdk.portal import blocking
from headgate.sdk.view import View

PIECE = 256 * 1024
OPENAI = "openai"
_WHOLE = 512 * 1024 * 1024


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


class FileObject(Response):
    _known = _names("id object bytes created_at filename purpose status status_details expires_at deleted")


class Files(Response):
    """A list of files, as `data`."""

    _known = _names("object data first_id last_id has_more")
    _views = {"data": FileObject}


class LiteLLMBatch(Response):
    _known = _names(
        """id object endpoint model errors input_file_id completion_window status output_file_id error_file_id
        created_at in_progress_at expires_at finalizing_at completed_at failed_at expired_at cancelling_at
        cancelled_at request_counts usage metadata"""
    )
    _views = {"request_counts": View, "usage": View, "errors": View}


class Batches(Response):
    """A list of batches, as `data`."""

    _known = _names("object data first_id last_id has_more")
    _views = {"data": LiteLLMBatch}


class FileContent:
    """The bytes of a file: `content`, `text`, or in pieces."""

    def __init__(self, content: bytes, content_type: str) -> None:
        self.content = content
        self.content_type = content_type

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def read(self) -> bytes:
        return self.content

    def iter_bytes(self, chunk_size: int = PIECE) -> Iterator[bytes]:
        for at in range(0, len(self.content), chunk_size):
            yield self.content[at : at + chunk_size]

    def write_to_file(self, file: str | os.PathLike[str]) -> None:
        Path(file).write_bytes(self.content)


# files


async def acreate_file(
    file: Any,
    purpose: str,
    expires_after: Mapping[str, Any] | None = None,
    custom_llm_provider: str = OPENAI,
    extra_headers: Mapping[str, str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> FileObject:
    """Uploads a file: bytes, a path, an open file, or (name, any of these[, content-type])."""
    given = {**kwargs, "custom_llm_provider": custom_llm_provider, "extra_headers": extra_headers}
    if (bucket := await _bucket(custom_llm_provider, given)) is not None:
        with ExitStack() as stack:
            name, content, _ = _parts(file)
            pieces = _pieces(_opened(content, stack))
            return FileObject.of(await bucket.create_file(pieces, name, purpose))
    fields = {"purpose": purpose, **(extra_body or {})}
    for name, value in (expires_after or {}).items():
        fields[f"expires_after[{name}]"] = value
    boundary = secrets.token_hex(16)
    with ExitStack() as stack:
        body = _form(file, fields, boundary, stack)
        kind = f"multipart/form-data; boundary={boundary}"
        answer, _ = await default_client().ask("files", "POST", "", given, body, kind)
        return FileObject.of(await _document(answer))


create_file = blocking(acreate_file)


async def afile_retrieve(file_id: str, custom_llm_provider: str = OPENAI, **kwargs: Any) -> FileObject:
    """What is known of a file."""
    if (bucket := await _bucket(custom_llm_provider, kwargs)) is not None:
        return FileObject.of(await bucket.file(file_id))
    return FileObject.of(await _ask("files", "GET", _id(file_id), custom_llm_provider, kwargs))


file_retrieve = blocking(afile_retrieve)


async def afile_delete(file_id: str, custom_llm_provider: str = OPENAI, **kwargs: Any) -> FileObject:
    """Deletes a file: `deleted` says that it was."""
    if (bucket := await _bucket(custom_llm_provider, kwargs)) is not None:
        return FileObject.of(await bucket.delete_file(file_id))
    return FileObject.of(await _ask("files", "DELETE", _id(file_id), custom_llm_provider, kwargs))


file_delete = blocking(afile_delete)


async def afile_list(custom_llm_provider: str = OPENAI, purpose: str | None = None, **kwargs: Any) -> Files:
    """The files of the account."""
    if (bucket := await _bucket(custom_llm_provider, kwargs)) is not None:
        raise bucket.unlisted("files")
    query = _query({"purpose": purpose})
    return Files.of(await _ask("files", "GET", "", custom_llm_provider, kwargs, query=query))


file_list = blocking(afile_list)


async def afile_content(file_id: str, custom_llm_provider: str = OPENAI, **kwargs: Any) -> FileContent:
    """The bytes of a file, at most 512 MiB."""
    given = {**kwargs, "custom_llm_provider": custom_llm_provider}
    if (bucket := await _bucket(custom_llm_provider, kwargs)) is not None:
        return FileContent(await _gathered(await bucket.content(file_id)), "application/jsonl")
    answer, _ = await default_client().ask("files", "GET", f"{_id(file_id)}/content", given)
    return FileContent(await answer.read(_WHOLE), answer.headers.get("content-type") or "")


file_content = blocking(afile_content)


# batches


async def acreate_batch(
    completion_window: str,
    endpoint: str,
    input_file_id: str,
    custom_llm_provider: str = OPENAI,
    metadata: Mapping[str, str] | None = None,
    extra_headers: Mapping[str, str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> LiteLLMBatch:
    """Has the requests of a file made within `completion_window`, "24h"."""
    body: dict[str, Any] = {
        "completion_window": completion_window,
        "endpoint": endpoint,
        "input_file_id": input_file_id,
    }
    if metadata is not None:
        body["metadata"] = metadata
    given = {**kwargs, "extra_headers": extra_headers}
    if (bucket := await _bucket(custom_llm_provider, given)) is not None:
        return LiteLLMBatch.of(await bucket.create_batch(body))
    asked = msgspec.json.encode({**body, **(extra_body or {})})
    return LiteLLMBatch.of(await _ask("batches", "POST", "", custom_llm_provider, given, asked))


create_batch = blocking(acreate_batch)


async def aretrieve_batch(batch_id: str, custom_llm_provider: str = OPENAI, **kwargs: Any) -> LiteLLMBatch:
    """What has become of a batch."""
    if (bucket := await _bucket(custom_llm_provider, kwargs)) is not None:
        return LiteLLMBatch.of(await bucket.batch(batch_id))
    return LiteLLMBatch.of(await _ask("batches", "GET", _id(batch_id), custom_llm_provider, kwargs))


retrieve_batch = blocking(aretrieve_batch)


async def alist_batches(
    after: str | None = None, limit: int | None = None, custom_llm_provider: str = OPENAI, **kwargs: Any
) -> Batches:
    """The batches of the account, newest first."""
    if (bucket := await _bucket(custom_llm_provider, kwargs)) is not None:
        raise bucket.unlisted("batches")
    query = _query({"after": after, "limit": limit})
    return Batches.of(await _ask("batches", "GET", "", custom_llm_provider, kwargs, query=query))


list_batches = blocking(alist_batches)


async def acancel_batch(batch_id: str, custom_llm_provider: str = OPENAI, **kwargs: Any) -> LiteLLMBatch:
    """Cancels a batch; requests that were made are paid for."""
    if (bucket := await _bucket(custom_llm_provider, kwargs)) is not None:
        return LiteLLMBatch.of(await bucket.batch(batch_id, stop=True))
    rest = f"{_id(batch_id)}/cancel"
    return LiteLLMBatch.of(await _ask("batches", "POST", rest, custom_llm_provider, kwargs))


cancel_batch = blocking(acancel_batch)


# what they share


async def _bucket(provider: str, fields: Mapping[str, Any]) -> Bucket | None:
    """Who keeps files in a bucket, None where the provider keeps them itself."""
    adopt()
    client, given = default_client(), _given(provider, fields)
    home = client.known(f"{provider}/{UNNAMED}", given)
    return None if home.provider.bulk is None else Bucket(client, await client.engine(), home, given)


def _given(provider: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that say whom to ask."""
    kept = {name: value for name, value in fields.items() if name not in ("metadata", "extra_body")}
    return {**kept, "custom_llm_provider": provider}


async def _gathered(pieces: AsyncIterator[bytes]) -> bytes:
    """Raises RequestTooLargeError."""
    held, size = [], 0
    async for piece in pieces:
        size += len(piece)
        if size > _WHOLE:
            raise RequestTooLargeError(f"the file has over {_WHOLE} bytes: take it from the bucket")
        held.append(piece)
    return b"".join(held)


async def _ask(
    operation: str,
    method: str,
    rest: str,
    provider: str,
    fields: Mapping[str, Any],
    body: bytes = b"",
    query: str = "",
) -> dict[str, Any]:
    given = _given(provider, fields)
    answer, deployment = await default_client().ask(operation, method, rest, given, body, JSON, query)
    spoken = deployment.route(operation, False).dialect.name
    if spoken != "openai_chat":
        answer.abort()
        raise BadRequestError(
            f"{deployment.provider.name} has {operation} in a format of its own: ask it through the gateway",
            param="custom_llm_provider",
        )
    return await _document(answer)


async def _document(answer: Incoming) -> dict[str, Any]:
    return msgspec.json.decode(await answer.read(LIMIT), type=dict[str, Any])


def _id(name: str) -> str:
    return f"/{checked(name)}"


def _query(fields: Mapping[str, Any]) -> str:
    return urlencode({name: value for name, value in fields.items() if value is not None})


def _form(file: Any, fields: Mapping[str, Any], boundary: str, stack: ExitStack) -> Outgoing:
    """A form around a file. Raises BadRequestError for what is no file."""
    name, content, kind = _parts(file)
    start = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(key)}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    )
    start += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{_quoted(name)}"\r\n'
    opening = f"{start}Content-Type: {kind}\r\n\r\n".encode()
    end = f"\r\n--{boundary}--\r\n".encode()
    source = _opened(content, stack)
    size = len(source) if isinstance(source, bytes) else _size(source)
    length = None if size is None else len(opening) + size + len(end)
    return Outgoing(pieces=_around(opening, source, end), length=length)


def _opened(content: Any, stack: ExitStack) -> bytes | BinaryIO:
    opened: bytes | BinaryIO = (
        stack.enter_context(content.open("rb")) if isinstance(content, Path) else content
    )
    return opened


def _parts(file: Any) -> tuple[str, Any, str]:
    """Name, content and content-type: the content is bytes, a path, or something to read."""
    name, kind = "", "application/octet-stream"
    if isinstance(file, tuple | list):
        name, file, *rest = [*file, None][: max(2, len(file))]
        kind = rest[0] if rest and rest[0] else kind
    if isinstance(file, str | os.PathLike):
        file = Path(file)
        if not file.is_file():
            raise BadRequestError(f"there is no file {str(file)!r}", param="file")
    elif isinstance(file, bytearray | memoryview):
        file = bytes(file)
    elif not isinstance(file, bytes) and not hasattr(file, "read"):
        raise BadRequestError(
            f"'file' must be bytes, a path, an open file or (name, one of them), not {type(file).__name__}",
            param="file",
        )
    own = getattr(file, "name", "")
    return str(name or (Path(own).name if isinstance(own, str) else "") or "file"), file, kind


def _quoted(text: str) -> str:
    """As browsers write names in forms."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _size(source: BinaryIO) -> int | None:
    """Bytes from where it stands to its end, None where it can't tell."""
    try:
        here = source.tell()
        end = source.seek(0, os.SEEK_END)
        source.seek(here)
    except (AttributeError, OSError, ValueError):
        return None
    return end - here


async def _around(opening: bytes, source: bytes | BinaryIO, end: bytes) -> AsyncIterator[bytes]:
    yield opening
    async for piece in _pieces(source):
        yield piece
    yield end


async def _pieces(source: bytes | BinaryIO) -> AsyncIterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    while piece := await asyncio.to_thread(source.read, PIECE):
        if not isinstance(piece, bytes):
            raise BadRequestError("the file is open as text: open it as 'rb'", param="file")
        yield piece
