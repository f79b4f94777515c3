"""Errors in Ollama's form: `{"error": "words"}`, also as a line of a stream.

https://docs.ollama.com/api/errors. What an upstream's words mean is the same for all: `wire/failures.py`.
"""

import msgspec

from headgate.errors import HeadgateError


def write_error(error: HeadgateError) -> bytes:
    return msgspec.json.encode({"error": error.message})


def write_stream_error(error: HeadgateError) -> bytes:
    return write_error(error) + b"\n"
