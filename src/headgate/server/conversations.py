"""What the Responses API remembers: `previous_response_id`, and answers that are asked for again.

Where a provider keeps its answers it is only noted who gave them, so that what follows goes there; where none does,
the conversation is kept here. Knows nothing of a request's way through the gateway.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw

from headgate.core.answer import Answer
from headgate.core.call import Call, text_of
from headgate.core.prepare import TRANSLATE
from headgate.errors import BadRequestError, NotFoundError, ServiceUnavailableError
from headgate.server.booking import Booking
from headgate.server.callers import Caller
from headgate.store import responses
from headgate.store.database import Database
from headgate.store.responses import Kept

PREVIOUS: Final = "previous_response_id"
MOST: Final = 1_000
"""Answers that are known without asking the database; all that there are where there is none."""
_FALSE: Final = b"false"
_ID: Final = re.compile(rb'"id"\s*:\s*"(resp_[^"\\]{1,200})"')
_ENDS: Final = (b"response.completed", b"response.incomplete", b"response.failed")
_ECHOED: Final = (
    "instructions", "metadata", "temperature", "top_p", "max_output_tokens", "tools", "tool_choice", "reasoning",
    "text", "parallel_tool_calls", "truncation",
)  # fmt: skip
"""What an answer repeats of its request."""


class Conversations:
    """Belongs to one event loop. `running` are the answers that are made in the background."""

    def __init__(self, database: Database | None, clock: Callable[[], float]) -> None:
        self.running: dict[str, asyncio.Task[None]] = {}
        self._database = database
        self._clock = clock
        self._recent: dict[str, Kept] = {}
        self._saving: set[asyncio.Future[None]] = set()

    async def knows(self, name: str) -> bool:
        """Whether it is anybody's here."""
        return await self._load(name) is not None

    async def _load(self, name: str) -> Kept | None:
        kept = self._recent.get(name)
        if kept is None and self._database is not None:
            kept = await self._database.ask(lambda connection: responses.load(connection, name))
        return kept

    async def find(self, name: str, caller: Caller) -> Kept:
        """Raises NotFoundError also for what is somebody else's."""
        kept = await self._load(name)
        if kept is None or not _may(caller, kept):
            raise NotFoundError(f"Response with id '{name[:200]}' not found.", param="response_id")
        return kept

    def keep(self, kept: Kept) -> None:
        """Known at once, in the database a moment later."""
        self._recent[kept.id] = kept
        if len(self._recent) > MOST:
            del self._recent[next(iter(self._recent))]
        if self._database is not None:
            saving = asyncio.ensure_future(self._save(self._database, kept))
            self._saving.add(saving)
            saving.add_done_callback(self._saving.discard)

    async def _save(self, database: Database, kept: Kept) -> None:
        try:
            await database.run(lambda connection: responses.save(connection, kept))
        except ServiceUnavailableError:
            return  # this process knows it for a while; the answer itself is not held up

    async def remove(self, kept: Kept) -> None:
        self._recent.pop(kept.id, None)
        if self._database is not None:
            await self._database.run(lambda connection: responses.remove(connection, kept.id))

    async def resume(self, call: Call, caller: Caller) -> str:
        """What came before `previous_response_id` becomes part of the request; or the id of the deployment that
        remembers it, "" where there is nothing to remember, or only the provider may know."""
        name = text_of(call.envelope, PREVIOUS) if PREVIOUS in call.envelope else None
        if not name:
            return ""
        try:
            kept = await self.find(name, caller)
        except NotFoundError:
            return ""  # made without us, perhaps: the provider knows, or says so
        if kept.input is None:
            return kept.deployment
        del call.envelope[PREVIOUS]
        output = (kept.document or {}).get("output") or []
        call.envelope["input"] = Raw(msgspec.json.encode([*kept.input, *output, *items(call)]))
        return ""

    def keeper(self, call: Call, booking: Booking, answer: Answer) -> Callable[[bytes], None] | None:
        """What is to be told the bytes of an answer so that it is kept; None where it is not to be."""
        if bytes(call.envelope.get("store", b"")) == _FALSE:
            return None
        kept = Kept(
            id="",
            created=self._clock(),
            key=booking.caller.key,
            team_id=booking.caller.team_id,
            model=call.model,
            deployment=answer.deployment.id,
        )
        if answer.prepared.path is TRANSLATE:
            kept.input = items(call)
            return lambda data: self._whole(kept, call, data)
        return lambda data: self._noted(kept, data)

    def _noted(self, kept: Kept, data: bytes) -> None:
        if not kept.id and (found := _ID.search(data, 0, 65_536)) is not None:
            kept.id = found[1].decode("utf-8", "replace")
            self.keep(kept)

    def _whole(self, kept: Kept, call: Call, data: bytes) -> None:
        """The document, or the event that has it: our own writers write each whole."""
        if not kept.id and (document := _document(data)) is not None:
            kept.id = str(document["id"])
            kept.document = echoed(document, call)
            self.keep(kept)


def _may(caller: Caller, kept: Kept) -> bool:
    return (
        caller.admin
        or caller.key == kept.key
        or (caller.team_id is not None and caller.team_id == kept.team_id)
    )


def items(call: Call) -> list[Any]:
    """The input as a list. Raises BadRequestError for what is none."""
    try:
        given = msgspec.json.decode(call.envelope.get("input", b"[]"))
    except (msgspec.DecodeError, ValueError, RecursionError):
        given = None
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    if not isinstance(given, list):
        raise BadRequestError("'input' must be a string or a list of items", param="input")
    return given


def echoed(document: dict[str, Any], call: Call) -> dict[str, Any]:
    """With what OpenAI's answers repeat of their request."""
    for name in _ECHOED:
        if bytes(call.envelope.get(name, b"null")) != b"null":
            document[name] = msgspec.json.decode(call.envelope[name])
    return {**document, "store": True}


def _document(data: bytes) -> dict[str, Any] | None:
    if data[:1] == b"{":
        whole: dict[str, Any] = msgspec.json.decode(data)
        return whole if whole.get("object") == "response" else None
    if not any(end in data for end in _ENDS):
        return None
    for line in data.split(b"\n"):
        if line.startswith(b"data: ") and any(end in line for end in _ENDS):
            event = msgspec.json.decode(line[6:])
            if isinstance(event, dict) and isinstance(event.get("response"), dict):
                return dict(event["response"])
    return None
