"""Transcripts from one form into another: words to cues, cues to SRT and WebVTT and back. Pure functions.

https://www.w3.org/TR/webvtt1/; SRT has no specification, players agree on this much. Knows no provider.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from headgate.errors import UnsupportedParamsError
from headgate.wire.ir_audio import Segment, TranscriptionReply, Word

CUE: Final = 84
"""Characters of a cue made of words: two lines of 42, as subtitles are set."""
PAUSE: Final = 0.8
"""Seconds of silence that end a cue."""
_ENDS: Final = (".", "?", "!", "\u3002", "\uff1f", "\uff01")

_TIMES: Final = re.compile(
    r"(?:(\d{1,6}):)?(\d\d):(\d\d)[.,](\d{1,3})[ \t]{0,9}-->[ \t]{0,9}(?:(\d{1,6}):)?(\d\d):(\d\d)[.,](\d{1,3})"
)


def cues(reply: TranscriptionReply) -> list[Segment]:
    """The segments; made of the words where there are none; the whole text as one where only its length is known.

    Raises UnsupportedParamsError where nothing says when anything was spoken.
    """
    if reply.segments:
        return reply.segments
    if reply.words:
        return grouped(reply.words)
    if not reply.text:
        return []
    if reply.duration is None:
        raise UnsupportedParamsError(
            "response_format: the model gives no times, so there are no captions to make; ask for json or text",
            param="response_format",
        )
    return [Segment(id=0, text=reply.text.strip(), start=0.0, end=reply.duration)]


def grouped(words: list[Word]) -> list[Segment]:
    """Cues of words: a new one after a sentence, a pause, another speaker, or where it would be too long."""
    runs: list[list[Word]] = [[words[0]]] if words else []
    length = len(words[0].word) if words else 0
    for before, word in pairwise(words):
        length += len(word.word) + 1
        if (
            length > CUE
            or word.speaker != before.speaker
            or word.start - before.end >= PAUSE
            or before.word.rstrip().endswith(_ENDS)
        ):
            runs.append([])
            length = len(word.word)
        runs[-1].append(word)
    return [_segment(run, at) for at, run in enumerate(runs)]


def by_speaker(reply: TranscriptionReply) -> list[Segment]:
    """Segments that name their speaker. Words are put together as long as the same one speaks; who is not told
    apart is "A"."""
    if reply.segments and any(segment.speaker for segment in reply.segments):
        return reply.segments
    spoken = [_segment([word], 0) for word in reply.words or []]
    if not any(segment.speaker for segment in spoken):
        spoken = cues(reply)
    turns: list[list[Segment]] = []
    for segment in spoken:
        if not turns or turns[-1][-1].speaker != segment.speaker or segment.speaker is None:
            turns.append([])
        turns[-1].append(segment)
    return [
        Segment(
            id=f"seg_{at:03}",
            text=" ".join(one.text.strip() for one in turn),
            start=turn[0].start,
            end=turn[-1].end,
            speaker=turn[0].speaker or "A",
        )
        for at, turn in enumerate(turns, 1)
    ]


def _segment(run: list[Word], at: int) -> Segment:
    return Segment(
        id=at,
        text=" ".join(word.word.strip() for word in run),
        start=run[0].start,
        end=max(word.end for word in run),
        speaker=run[0].speaker,
    )


def speaker(label: object) -> str | None:
    """Speakers that are counted from 0 get letters, as OpenAI has them: A, B, …"""
    if isinstance(label, int) and not isinstance(label, bool):
        return chr(ord("A") + label) if 0 <= label < 26 else str(label)
    return label if isinstance(label, str) and label else None


# --- SRT and WebVTT --------------------------------------------------------------------------------------


def srt(segments: Iterable[Segment]) -> str:
    return "".join(
        f"{at}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_lines(cue.text)}\n\n"
        for at, cue in enumerate(segments, 1)
    )


def vtt(segments: Iterable[Segment]) -> str:
    return "WEBVTT\n\n" + "".join(
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_escaped(_lines(cue.text))}\n\n"
        for cue in segments
    )


def _clock(seconds: float, point: str) -> str:
    millis = max(0, round(seconds * 1000))
    hours, rest = divmod(millis, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _lines(text: str) -> str:
    """An empty line would end the cue, an arrow would begin one."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip()).replace("-->", "->")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def read(text: str) -> list[Segment]:
    """The cues of an SRT or WebVTT text. What is no cue (a header, a note, a number) is passed over."""
    found: list[Segment] = []
    unescape = text.lstrip("\ufeff").startswith("WEBVTT")
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")):
        match = _TIMES.search(block)
        if match is None:
            continue
        said = block[match.end() :].partition("\n")[2].strip()
        if unescape:
            said = said.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        found.append(Segment(id=len(found), text=said, start=_time(match, 1), end=_time(match, 5)))
    return found


def _time(match: "re.Match[str]", at: int) -> float:
    hours, minutes, seconds, part = (match[at + offset] or "0" for offset in range(4))
    return ((int(hours) * 60 + int(minutes)) * 60_000 + int(seconds) * 1000 + int(part.ljust(3, "0"))) / 1000
