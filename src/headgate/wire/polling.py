"""Jobs that are accepted now and answered later, as pure state machines: given the last answer, what is next.

A `Job` is made of a rule and the address of the request that began it. Each answer, that request's first, is
handed to `Job.step`, which says to ask again (and when), that the answer is complete, or why there will be none.
No job asks for ever: waits grow, their sum is limited, and an unknown state ends it. Credentials go only where
the request went or where the rule allows. The API references stand at the rules. Knows no socket, clock or engine.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urljoin, urlsplit

import msgspec
from msgspec import Struct

from headgate.errors import (
    APIResponseValidationError,
    BadRequestError,
    ContentPolicyViolationError,
    HeadgateError,
    InternalServerError,
    Timeout,
)
from headgate.wire import failures


class Ask(Struct, frozen=True, kw_only=True):
    """Send this, with the first request's credential, `after` seconds from now. `body` is JSON, or empty."""

    url: str
    after: float
    method: str = "GET"
    headers: dict[str, str] = {}
    body: bytes = b""


class Done(Struct, frozen=True, kw_only=True):
    """`body` is what the dialect reads, `content_type` its type."""

    body: bytes
    content_type: str | None = None


class Failed(Struct, frozen=True, kw_only=True):
    error: HeadgateError


Step: TypeAlias = Ask | Done | Failed


class Rule(Struct, frozen=True, kw_only=True):
    """How one kind of job is followed.

    state     the key of the answer that names its state, "" where only the status tells (202: still running)
    waiting, done, refused, failed   the states; `refused` is for what the content was
    links     keys, "a.b" for inner ones, that hold the address to ask next, most wanted first
    path      the address where no key holds it, "{id}" filled from one of `ids`, "{job}" from the request's own;
              else it is on that one's host, under the same base
    posts     the key under which the id is posted there; "" for a GET
    result    key that holds the address of the result, or a path with "{id}", where the state's answer has none
    cancel    method, and key or path of the address, by which a job is ended early; "" where there is no way
    hosts     ends of host names, beside the job's own, that an answer may send us to
    words     keys that hold the words of a failure, and `blame` what such a failure is
    headers   what each question carries beside the credential
    codes     key of a failure's code, and `refusals` what such codes begin with where the content was refused
    phrases   words, in lower case, of failures for what the content was
    first, growth, most   seconds of the first wait, the factor, the longest
    limit     seconds of waiting after which the job is given up
    """

    state: str = "status"
    waiting: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    links: tuple[str, ...] = ()
    path: str = ""
    ids: tuple[str, ...] = ("id",)
    posts: str = ""
    result: str = ""
    cancel: tuple[str, str] = ("", "")
    hosts: tuple[str, ...] = ()
    words: tuple[str, ...] = ("error", "failure", "detail")
    codes: str = ""
    refusals: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    blame: type[HeadgateError] = InternalServerError
    headers: dict[str, str] = {}
    first: float = 0.5
    growth: float = 1.4
    most: float = 5.0
    limit: float = 600.0


def _set(*names: str) -> frozenset[str]:
    return frozenset(names)


RULES: Final[dict[str, Rule]] = {
    # https://docs.bfl.ai/quick_start/generating_images
    "bfl": Rule(
        waiting=_set("Pending", "Reasoning", "Queued", "Processing"),
        done=_set("Ready"),
        refused=_set("Request Moderated", "Content Moderated"),
        failed=_set("Error", "Failed", "Task not found"),
        links=("polling_url",),
        path="/v1/get_result?id={id}",
        hosts=("bfl.ai", "bfl.ml"),
        words=("details", "error", "detail"),
        limit=300.0,
    ),
    # https://docs.fireworks.ai/api-reference/get-generated-image-from-flux-kontex
    "fireworks_results": Rule(
        waiting=_set("Pending", "Queued", "Processing"),
        done=_set("Ready"),
        refused=_set("Request Moderated", "Content Moderated"),
        failed=_set("Error", "Failed", "Task not found"),
        path="{job}/get_result",
        ids=("request_id", "id"),
        posts="id",
        words=("details", "error", "detail"),
        limit=300.0,
    ),
    # https://docs.fal.ai/model-endpoints/queue
    "fal_queue": Rule(
        waiting=_set("IN_QUEUE", "IN_PROGRESS"),
        done=_set("COMPLETED"),
        failed=_set("FAILED", "CANCELLED"),
        links=("status_url",),
        ids=("request_id",),
        result="response_url",
        cancel=("PUT", "cancel_url"),
        hosts=("fal.run",),
    ),
    # https://replicate.com/docs/topics/predictions/lifecycle
    "predictions": Rule(
        waiting=_set("starting", "processing", "queued"),
        done=_set("succeeded", "successful"),
        failed=_set("failed", "canceled", "aborted"),
        links=("urls.get",),
        cancel=("POST", "urls.cancel"),
        path="/v1/predictions/{id}",
        hosts=("replicate.com",),
        phrases=("nsfw content", "flagged as sensitive"),
    ),
    # https://docs.dev.runwayml.com/api/#tag/Task-management, which asks for 5 seconds between questions
    "runway_tasks": Rule(
        waiting=_set("PENDING", "THROTTLED", "RUNNING"),
        done=_set("SUCCEEDED"),
        failed=_set("FAILED", "CANCELLED"),
        path="/v1/tasks/{id}",
        cancel=("DELETE", "/v1/tasks/{id}"),
        codes="failureCode",
        refusals=("SAFETY", "INPUT_PREPROCESSING.SAFETY"),
        first=5.0,
        growth=1.2,
        most=10.0,
    ),
    # https://platform.stability.ai/docs/api-reference#tag/Results, which asks for 10 seconds between questions
    "stability_results": Rule(
        state="",
        path="/v2beta/results/{id}",
        headers={"accept": "application/json"},
        first=10.0,
        growth=1.0,
        most=10.0,
    ),
    # https://developer.topazlabs.com
    "topaz_jobs": Rule(
        waiting=_set("Pending", "Processing"),
        done=_set("Completed"),
        failed=_set("Failed", "Cancelled"),
        path="/image/v1/status/{id}",
        ids=("process_id",),
        result="/image/v1/download/{id}",
        cancel=("DELETE", "/image/v1/cancel/{id}"),
        first=1.0,
    ),
    # https://www.assemblyai.com/docs/api-reference/transcripts/get
    "transcripts": Rule(
        waiting=_set("queued", "processing"),
        done=_set("completed"),
        failed=_set("error"),
        path="/v2/transcript/{id}",
        hosts=("assemblyai.com",),
        blame=BadRequestError,
        first=1.0,
        most=3.0,
        limit=1800.0,
    ),
}

_FAULTS: Final = 5
"""Failing answers in a row, of kinds that pass, after which a job is given up."""
_PASSING: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_DECODE: Final = msgspec.json.Decoder().decode


class Job:
    """One job on its way. `url` is where its request was sent; `step` takes the answers one after the other."""

    def __init__(self, rule: Rule, url: str) -> None:
        self._rule = rule
        self._home = url
        self._id = ""
        self._url = ""
        self._wait = rule.first
        self._waited = 0.0
        self._faults = 0
        self._fetching = False
        self._ending = ""

    def step(self, status: int, headers: Mapping[str, str], body: bytes) -> Step:
        """What is next. Header names are lower case. Never raises; total over any answer."""
        try:
            return self._step(status, headers, body)
        except HeadgateError as error:
            return Failed(error=error)

    def cancel(self) -> Ask | None:
        """What ends the job where nobody waits for it any more; None where that can't be or isn't needed."""
        method, place = self._rule.cancel
        if not method or not self._url or self._fetching:
            return None
        try:
            url = self._made(place) if place.startswith("/") else self._ending and self._allowed(self._ending)
        except HeadgateError:
            return None  # what the answer named is no place to send a credential to: the job is left alone
        return Ask(url=url, after=0.0, method=method, headers=self._rule.headers) if url else None

    def _step(self, status: int, headers: Mapping[str, str], body: bytes) -> Step:
        if not 200 <= status < 300:
            return self._fault(status, headers, body)
        self._faults = 0
        whole = Done(body=body, content_type=headers.get("content-type"))
        document = _object(body)
        if document is None or self._fetching:
            return whole if status != 202 else self._again(headers)
        state = document.get(self._rule.state)
        self._id = next(
            (str(value) for key in self._rule.ids if isinstance(value := document.get(key), str | int)),
            self._id,
        )
        if not isinstance(state, str):
            return self._unstated(status, headers, document, whole)
        if state in self._rule.waiting:
            return self._follow(headers, document)
        if state in self._rule.done:
            return self._result(document) or whole
        raise self._end(state, document)

    def _unstated(
        self, status: int, headers: Mapping[str, str], document: dict[str, Any], whole: Done
    ) -> Step:
        """An answer that names no state: an acceptance is an id and where to ask, anything more a result."""
        rule = self._rule
        accepted = any(_at(document, key) for key in rule.links) or (
            document.keys() & set(rule.ids) and document.keys() <= _ACCEPTANCE
        )
        if status == 202 or accepted:
            return self._follow(headers, document)
        return whole

    def _follow(self, headers: Mapping[str, str], document: dict[str, Any]) -> Ask:
        if isinstance(ending := _at(document, self._rule.cancel[1]), str):
            self._ending = ending
        link = next((link for key in self._rule.links if isinstance(link := _at(document, key), str)), None)
        if link:
            self._url = self._allowed(link)
        elif not self._url:
            self._url = self._made(self._rule.path)
        return self._again(headers)

    def _result(self, document: dict[str, Any]) -> Ask | None:
        """The question for the result, None where the answer at hand is it."""
        rule = self._rule
        failure = document.get("error")
        if rule.result and failure:
            raise failures.read_document(document)
        if not rule.result:
            return None
        if rule.result.startswith("/"):
            self._url = self._made(rule.result)
        else:
            link = document.get(rule.result)
            if not isinstance(link, str):
                raise APIResponseValidationError(
                    f"the job is done, but {rule.result} names no address of its result"
                )
            self._url = self._allowed(link)
        self._fetching = True
        return self._ask(0.0)

    def _again(self, headers: Mapping[str, str]) -> Ask:
        """The next question. Raises Timeout where the waits have reached the limit."""
        rule = self._rule
        after = min(max(self._wait, _seconds(headers)), _LONGEST)
        if self._waited + after > rule.limit:
            raise Timeout(
                f"the job was still running after {self._waited:.0f} seconds of waiting; its id is {self._id!r}"
            )
        self._waited += after
        self._wait = min(self._wait * rule.growth, rule.most)
        if not self._url:
            raise APIResponseValidationError(
                "the job was accepted, but the answer names no id and no address"
            )
        return self._ask(after)

    def _ask(self, after: float) -> Ask:
        rule = self._rule
        if not rule.posts:
            return Ask(url=self._url, after=after, headers=rule.headers)
        headers = {**rule.headers, "content-type": "application/json"}
        body = msgspec.json.encode({rule.posts: self._id})
        return Ask(url=self._url, after=after, method="POST", headers=headers, body=body)

    def _fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Step:
        """Failures of the first request are its own; those of a question may pass."""
        self._faults += 1
        error = failures.read_error(status, headers, body)
        if not self._url or status not in _PASSING or self._faults >= _FAULTS:
            raise error
        return self._again(headers)

    def _end(self, state: str, document: dict[str, Any]) -> HeadgateError:
        rule = self._rule
        said = next((words for key in rule.words if (words := _said(document.get(key)))), "")
        code = document.get(rule.codes) if rule.codes else None
        reason = f": {said}" if said else ""
        if state not in rule.refused | rule.failed:
            return self._unknown(state, document)
        refused = (
            state in rule.refused
            or (isinstance(code, str) and code.startswith(rule.refusals))
            or any(phrase in said.lower() for phrase in rule.phrases)
            or isinstance(failures.classify(400, {}, said), ContentPolicyViolationError)
        )
        kind = ContentPolicyViolationError if refused else rule.blame
        verb = "the content was refused:" if refused else "the job ended as"
        return kind(f"{verb} {state}{reason}", code=_word(code), body=document)

    def _unknown(self, state: str, document: dict[str, Any]) -> HeadgateError:
        rule = self._rule
        known = ", ".join(sorted(rule.waiting | rule.done | rule.refused | rule.failed))
        return APIResponseValidationError(
            f"the job is in a state that is not known, {state[:80]!r}; expected one of {known}", body=document
        )

    def _made(self, path: str) -> str:
        """The address made of the job's id, on the host of its request and under the same base."""
        if not self._id or not path:
            raise APIResponseValidationError(
                "the job was accepted, but the answer names no id and no address"
            )
        if path.startswith("{job}"):
            return self._home.partition("?")[0].rstrip("/") + path.removeprefix("{job}")
        parts = urlsplit(self._home)
        head = path.split("/")[1]
        before, found, _ = parts.path.partition(f"/{head}/")
        base = before if found else ""
        return f"{parts.scheme}://{parts.netloc}{base}{path.replace('{id}', quote(self._id, safe=''))}"

    def _allowed(self, link: str) -> str:
        """The address, where the credential may go there. Raises APIResponseValidationError."""
        try:
            url = urljoin(self._home, link)
            there, home = urlsplit(url), urlsplit(self._home)
            same = (there.scheme, there.hostname, there.port) == (home.scheme, home.hostname, home.port)
        except ValueError:
            raise APIResponseValidationError("the answer names no address that can be read") from None
        host = there.hostname or ""
        known = any(host == end or host.endswith(f".{end}") for end in self._rule.hosts)
        plain = there.username is None and there.password is None
        if plain and (same or (there.scheme == "https" and known and there.port in (None, 443))):
            return url
        raise APIResponseValidationError(
            f"the answer sends us to {there.scheme}://{host}, where the credential must not go: expected the "
            f"request's own host{''.join(f' or one of {end}' for end in self._rule.hosts)} by https"
        )


_ACCEPTANCE: Final = frozenset(
    {
        "id",
        "request_id",
        "process_id",
        "eta",
        "cost",
        "input_mp",
        "output_mp",
        "polling_url",
        "queue_position",
    }
)
"""Keys of answers that only accept a job."""
_LONGEST: Final = 60.0
"""Seconds beyond which no upstream's retry-after is followed."""


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document = _DECODE(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _at(document: Any, key: str) -> Any:
    for part in key.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _said(value: Any) -> str:
    """The words of a failure: text, or what an object or a list says."""
    return "" if value in (None, "", [], {}) else failures.words_of(value).message


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _seconds(headers: Mapping[str, str]) -> float:
    found = re.fullmatch(r"\d{1,4}(\.\d+)?", headers.get("retry-after", ""))
    return float(found[0]) if found else 0.0
