"""Files and batches of clouds that keep them in a bucket, for the SDK's functions: documents as OpenAI tells them.

There is no database here: what must be remembered of a file stands beside it in the bucket, and of a job under the
name that it was ordered by. Knows no signature and no view.
"""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from headgate.core import buckets, bulk, bulk_files
from headgate.core.bulk_files import Kept
from headgate.core.deployment import Deployment
from headgate.core.engine import Engine
from headgate.core.forward import checked
from headgate.errors import BadRequestError, NotFoundError
from headgate.sdk.client import Client

_RESULTS: Final = re.compile(rf"file-(.+)-({bulk_files.OUTPUT}|{bulk_files.ERRORS})")


class _File(Struct):
    """What stands beside an input file."""

    told: dict[str, Any]
    kept: Kept


_encode: Final = msgspec.json.Encoder().encode
_file: Final = msgspec.json.Decoder(_File).decode
_job: Final = msgspec.json.Decoder(dict[str, Any]).decode


class _Translator(bulk_files.Translator):
    def __init__(self, client: Client, engine: Engine, home: Deployment, fields: Mapping[str, Any]) -> None:
        super().__init__(engine, client.clock, home)
        self._client = client
        self._fields = fields

    def found(self, named: str) -> Deployment:
        provider = self.home.provider.id
        return self._client.known(f"{provider}/{named.removeprefix(f'{provider}/')}", self._fields)


class Bucket:
    """The files and batches of a provider whose row has `bulk`; `fields` are the arguments of the call. Its methods
    raise what the cloud answers, and BadRequestError for a setting that is missing."""

    def __init__(self, client: Client, engine: Engine, home: Deployment, fields: Mapping[str, Any]) -> None:
        self._client = client
        self._engine = engine
        self._home = home
        self._fields = fields

    async def create_file(self, pieces: AsyncIterator[bytes], filename: str, purpose: str) -> dict[str, Any]:
        """Raises BadRequestError that names a line."""
        if purpose != "batch":
            raise BadRequestError(
                f"files for {self._home.provider.name} are kept for batches alone: 'purpose' must be 'batch'",
                param="purpose",
            )
        translator = _Translator(self._client, self._engine, self._home, self._fields)
        name, size = await bulk_files.upload(translator, self._engine, pieces, None)
        document = bulk_files.file_object(name, size, filename, self._now())
        await self._note(f"{name}.json", _encode(_File(document, translator.kept)))
        return document

    async def file(self, name: str) -> dict[str, Any]:
        if (results := _RESULTS.fullmatch(checked(name))) is None:
            return (await self._known(name)).told
        batch = await self.batch(results[1])
        if name not in (batch["output_file_id"], batch["error_file_id"]):
            raise NotFoundError(f"No such File object: {name}", param="file_id")
        return bulk_files.results_object(name, results[1], batch["created_at"], results[2])

    async def delete_file(self, name: str) -> dict[str, Any]:
        """An input file with what stands beside it, or results."""
        if results := _RESULTS.fullmatch(checked(name)):
            document = await bulk.look(self._engine, self._home, results[1])
            await bulk.remove_results(self._engine, self._home, document)
        else:
            kept = (await self._known(name)).kept
            notes = bulk.place(self._home, "bucket", f"{name}.json")
            for bucket, key in ((kept.bucket, kept.key), (notes.bucket, notes.key)):
                await buckets.remove(self._engine, self._home.store(bucket), key)
        return {"id": name, "object": "file", "deleted": True}

    async def content(self, name: str) -> AsyncIterator[bytes]:
        """The lines of results as OpenAI tells them, or an input file as it is in the bucket."""
        if (results := _RESULTS.fullmatch(checked(name))) is None:
            return bulk_files.requests(self._engine, self._home, (await self._known(name)).kept)
        job, kind = results[1], results[2]
        own = await self._remembered(await bulk.look(self._engine, self._home, job))
        if not own:
            raise NotFoundError(
                f"{name}: nothing is remembered of {job} in the bucket, which create_batch writes there: nobody can "
                "tell how its results are read",
                param="file_id",
            )
        return await bulk_files.results(self._engine, self._home, job, own, kind, self._now())

    async def create_batch(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Remembered before it is made: of a job that is there everything is known."""
        kept = (await self._known(checked(str(asked["input_file_id"])))).kept
        order, own = bulk_files.order_of(self._home, kept, asked)
        await self._note(f"batches/{order.name}.json", _encode(own))
        document = await bulk.make(self._engine, self._home, order)
        return bulk_files.told_batch(self._home, document, own, self._now())

    async def batch(self, name: str, *, stop: bool = False) -> dict[str, Any]:
        """What a job is now, after it was told to end where `stop` says so."""
        if stop:
            await bulk.stop(self._engine, self._home, checked(name))
        document = await bulk.look(self._engine, self._home, checked(name))
        own = await self._remembered(document)
        return bulk_files.told_batch(self._home, document, own, self._now())

    def unlisted(self, what: str) -> BadRequestError:
        return BadRequestError(
            f"{self._home.provider.name}'s {what} can't be listed here: its list is of the whole account. Keep the "
            "ids, or ask the gateway, which does",
            param="custom_llm_provider",
        )

    def _now(self) -> int:
        return int(self._client.clock.time())

    async def _known(self, name: str) -> _File:
        """Raises NotFoundError for what is no file of ours."""
        return _file(await self._noted(f"{name}.json"))

    async def _remembered(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Of a job, nothing where it was not made here."""
        order = bulk.form_of(self._home).state(document).name
        if not order.startswith(bulk_files.ORDERED):
            return {}
        try:
            return _job(await self._noted(f"batches/{order}.json"))
        except NotFoundError:
            return {}

    async def _note(self, key: str, data: bytes) -> None:
        place = bulk.place(self._home, "bucket", key)
        await bulk.write(self._engine, self._home.store(place.bucket), place.key, data)

    async def _noted(self, key: str) -> bytes:
        place = bulk.place(self._home, "bucket", key)
        return await bulk.whole(self._engine, self._home.store(place.bucket), place.key)
