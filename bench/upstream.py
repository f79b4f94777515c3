"""The mock upstream: an LLM provider that answers at once, or 20 tokens a second. `python -m bench.upstream`.

It speaks OpenAI chat and Anthropic Messages, whole and streamed. Without `stream` an answer is whole; with
it, all tokens leave in one write (a burst), or, for a model with "paced" in its name, one write per token. It
does as little as it can for a request, so that the other core has room for the load generator.
"""

import argparse
import asyncio
import gc
import re
import time

import httptools
import uvloop

from bench import wire

TICK = 0.001
PHASES = round(1 / (wire.TOKENS_PER_SECOND * TICK))  # streams are spread over this many ticks
_TOKENS = re.compile(rb'"max(?:_completion)?_tokens" ?: ?(\d+)')
_STREAM = re.compile(rb'"stream" ?: ?true')
_USAGE = re.compile(rb'"include_usage" ?: ?true')

_JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
_LAST = b"0\r\n\r\n"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"

_WHOLE = {
    wire.CHAT.encode(): _JSON_HEAD % (len(wire.CHAT_WHOLE), wire.CHAT_WHOLE),
    wire.MESSAGES.encode(): _JSON_HEAD % (len(wire.MESSAGES_WHOLE), wire.MESSAGES_WHOLE),
}
_STREAMS = {wire.CHAT.encode(): wire.CHAT_STREAM, wire.MESSAGES.encode(): wire.MESSAGES_STREAM}


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _burst(stream: wire.Stream, tokens: int, closing: bytes) -> bytes:
    body = b"".join((stream.opening, *(stream.token(0) for _ in range(tokens)), closing))
    return _SSE_HEAD + _chunk(body) + _LAST


class Paced:
    """A stream in flight: one token per turn, then the closing."""

    __slots__ = ("after", "before", "closing", "left", "transport")

    def __init__(
        self, transport: asyncio.Transport, stream: wire.Stream, tokens: int, closing: bytes
    ) -> None:
        size = len(stream.token(0))
        self.transport = transport
        self.before = b"%x\r\n%b" % (size, stream.before)
        self.after = stream.after + b"\r\n"
        self.left = tokens
        self.closing = _chunk(closing) + _LAST

    def step(self) -> bool:
        """Send the next token; False when that was the last."""
        if self.transport.is_closing():
            return False
        self.left -= 1
        if self.left < 0:
            self.transport.write(self.closing)
            return False
        self.transport.write(b"%b%020d%b" % (self.before, time.monotonic_ns(), self.after))
        return True


class Pacer:
    """One clock for all paced streams: each belongs to one of PHASES slots and is served in its turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: list[list[Paced]] = [[] for _ in range(PHASES)]
        self._next_slot = 0
        self._tick = 0
        self._epoch = loop.time()
        self._turn()

    def add(self, stream: Paced) -> None:
        self._slots[self._next_slot].append(stream)
        self._next_slot = (self._next_slot + 1) % PHASES

    def _turn(self) -> None:
        due = int((self._loop.time() - self._epoch) / TICK)
        while self._tick < due:  # late turns are made up for: the rate holds
            self._tick += 1
            slot = self._tick % PHASES
            if self._slots[slot]:
                self._slots[slot] = [stream for stream in self._slots[slot] if stream.step()]
        self._loop.call_later(TICK, self._turn)


class Upstream(asyncio.Protocol):
    def __init__(self, pacer: Pacer, bursts: dict[tuple[bytes, int, bool], bytes]) -> None:
        self._pacer = pacer
        self._bursts = bursts
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        whole = _WHOLE.get(self._url)
        if whole is None:
            self._transport.write(_NOT_FOUND)
        elif _STREAM.search(self._body) is None:
            self._transport.write(whole)
        else:
            self._stream(_STREAMS[self._url])

    def _stream(self, stream: wire.Stream) -> None:
        asked = _TOKENS.search(self._body)
        tokens = int(asked[1]) if asked else wire.BURST_CHUNKS
        with_usage = _USAGE.search(self._body) is not None
        closing = stream.closing_with_usage if with_usage else stream.closing
        if b"paced" in self._body:
            self._transport.write(_SSE_HEAD + _chunk(stream.opening))
            self._pacer.add(Paced(self._transport, stream, tokens, closing))
            return
        key = (self._url, tokens, with_usage)
        if key not in self._bursts:
            self._bursts[key] = _burst(stream, tokens, closing)
        self._transport.write(self._bursts[key])


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    pacer = Pacer(loop)
    bursts: dict[tuple[bytes, int, bool], bytes] = {}
    server = await loop.create_server(lambda: Upstream(pacer, bursts), "127.0.0.1", port, backlog=4096)
    gc.freeze()
    await server.serve_forever()


def main() -> None:
    options = argparse.ArgumentParser(prog="bench.upstream", description=__doc__)
    options.add_argument("--port", type=int, required=True)
    uvloop.run(serve(options.parse_args().port))


if __name__ == "__main__":
    main()
