"""Jobs with a clock that is told what time it is: what is asked, when, and when it is given up."""

import asyncio
import json
from typing import Any

import pytest

from core.played import call, deployment
from headgate import errors
from headgate.core.call import Call
from headgate.core.jobs import Jobs
from headgate.core.signing import Sending
from headgate.wire.polling import RULES

HOME = "https://api.replicate.com/v1/models/a/m/predictions"
PLACE = "https://api.replicate.com/v1/predictions/x"
URLS = {"get": PLACE, "cancel": f"{PLACE}/cancel"}
WAITING = {"id": "x", "status": "processing", "urls": URLS}
DONE = {**WAITING, "status": "succeeded", "output": ["https://h/a.png"]}


class Answer:
    """See ports.Incoming, as far as it is used."""

    def __init__(self, document: Any, status: int = 200) -> None:
        self.status = status
        self.headers = (("content-type", "application/json"),)
        self.body = json.dumps(document).encode()
        self.aborted = False

    async def read(self, limit: int | None = None) -> bytes:
        return self.body

    def abort(self) -> None:
        self.aborted = True


class Upstream:
    """Its own clock: waits pass at once. An exception among the answers is what the transport raises."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Sending] = []
        self.now = 100.0
        self.jobs = Jobs(self.send, self, self.sleep)

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def send(self, _: Any, sending: Sending, limits: Any) -> Any:
        self.asked.append(sending)
        assert limits.total is not None
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Answer) else Answer(answer)

    async def follow(self, asked: Call | None = None, first: Any = WAITING, rule: str = "predictions") -> Any:
        made = asked or self.call()
        target = deployment("replicate/a/m", api_key="sk-secret")
        begun = Answer(first, 201)
        return await self.jobs.follow(made, target, RULES[rule], HOME, begun, begun.body)  # type: ignore[arg-type]

    def call(self, seconds: float = 0.0) -> Call:
        made = call()
        made.started = self.now
        made.deadline = self.now + seconds if seconds else 0.0
        return made


async def test_a_job_is_asked_after_until_it_is_done() -> None:
    upstream = Upstream(WAITING, WAITING, DONE)
    done = await upstream.follow()
    assert json.loads(done.body) == DONE
    assert [(one.method, one.url) for one in upstream.asked] == [("GET", PLACE)] * 3
    head = upstream.asked[0].head.decode()
    assert head.startswith("GET /v1/predictions/x HTTP/1.1\r\nhost: api.replicate.com\r\n")
    assert "Bearer sk-secret" in head
    assert "content-type" not in head


async def test_an_answer_that_is_there_is_not_asked_for() -> None:
    upstream = Upstream(WAITING)
    await upstream.follow(first=DONE)
    assert upstream.asked == []


@pytest.mark.parametrize(
    "lost", [errors.APIConnectionError("broken"), errors.Timeout("slow"), Answer({"detail": "x"}, 502)]
)
async def test_a_lost_question_is_asked_again(lost: Any) -> None:
    upstream = Upstream(lost, lost, DONE)
    assert json.loads((await upstream.follow()).body) == DONE


async def test_questions_that_are_always_lost_end_it() -> None:
    upstream = Upstream(errors.APIConnectionError("the line is dead"))
    with pytest.raises(errors.ServiceUnavailableError, match="the line is dead"):
        await upstream.follow()
    assert len(upstream.asked) == 5


@pytest.mark.parametrize("seconds", [1.0, 10.0, 100.0])
async def test_the_calls_time_ends_it(seconds: float) -> None:
    upstream = Upstream(WAITING)
    asked = upstream.call(seconds)
    with pytest.raises(errors.Timeout, match="still running") as caught:
        await upstream.follow(asked)
    await upstream.jobs.close()
    assert caught.value.code == "deadline"
    assert upstream.now <= 100.0 + seconds
    assert asked.deadline == upstream.now  # nothing is begun after that
    assert (upstream.asked[-1].method, upstream.asked[-1].url) == ("POST", URLS["cancel"])


async def test_a_call_without_a_deadline_gets_one() -> None:
    upstream = Upstream(WAITING)
    asked = upstream.call()
    with pytest.raises(errors.Timeout):
        await upstream.follow(asked)
    await upstream.jobs.close()
    assert 500 < upstream.now - 100.0 <= 600.0
    assert asked.deadline


@pytest.mark.parametrize("seconds", [0.0, 2_000.0])
async def test_the_limit_of_its_kind_ends_it_too(seconds: float) -> None:
    upstream = Upstream({"id": "x", "status": "Pending"})
    asked = upstream.call(seconds)
    place = "https://api.bfl.ai/v1/get_result?id=x"
    with pytest.raises(errors.Timeout, match="still running"):
        await upstream.follow(asked, first={"id": "x", "polling_url": place}, rule="bfl")
    assert 290 < upstream.now - 100.0 <= 300.0
    assert asked.deadline == upstream.now  # nothing is begun after that


async def test_who_goes_ends_the_job() -> None:
    upstream = Upstream(WAITING)
    task = asyncio.ensure_future(upstream.follow())
    while len(upstream.asked) < 2:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await upstream.jobs.close()
    assert upstream.asked[-1].url == URLS["cancel"]


async def test_an_upstream_that_can_not_be_told_is_left_alone() -> None:
    upstream = Upstream(WAITING, errors.APIConnectionError("gone"))
    with pytest.raises(errors.Timeout):
        await upstream.follow(upstream.call(1.0))
    await upstream.jobs.close()


@pytest.mark.parametrize(
    "place", ["https://api.replicate.com/v1/a b", "https://api.replicate.com/v1/é", "https://evil.test/x"]
)
async def test_an_address_that_is_none_is_not_asked(place: str) -> None:
    upstream = Upstream(DONE)
    with pytest.raises(errors.APIResponseValidationError):
        await upstream.follow(first={**WAITING, "urls": {"get": place}})
    assert upstream.asked == []


async def test_a_job_that_failed_says_why() -> None:
    upstream = Upstream({**WAITING, "status": "failed", "error": "NSFW content detected"})
    with pytest.raises(errors.ContentPolicyViolationError, match="NSFW"):
        await upstream.follow()
