"""Speech and transcription: OpenAI's formats towards callers, and the upstreams' own as two tables by name.

`SPEECH[name]` and `TRANSCRIPTIONS[name]` have the shapes of `shape.py`; a row of a provider names them in
`dialects`. Every answer is sent for as `wire/outgoing.py` says.
"""

from typing import Final

from headgate.wire.audio.shape import SpeechDialect, TranscriptionDialect
from headgate.wire.audio.speech_bytes import BYTES
from headgate.wire.audio.speech_coded import CODED
from headgate.wire.audio.transcription_forms import FORMS
from headgate.wire.audio.transcription_jobs import JOB, SHORT
from headgate.wire.audio.transcription_listen import LISTEN

_SPEECH: tuple[SpeechDialect, ...] = (*BYTES, *CODED)
_TRANSCRIPTIONS: tuple[TranscriptionDialect, ...] = (*FORMS, LISTEN, JOB, SHORT)

SPEECH: Final = {dialect.name: dialect for dialect in _SPEECH}
TRANSCRIPTIONS: Final = {dialect.name: dialect for dialect in _TRANSCRIPTIONS}
