"""Jobs that are polled: recorded answers, documented lives of jobs, and any answer at all."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate import errors
from headgate.wire.polling import RULES, Ask, Done, Failed, Job, Step
from recorded import exchange

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

BEGUN = {
    "bfl": ("https://api.bfl.ai/v1/flux-dev", {"id": "x"}),
    "fal_queue": ("https://queue.fal.run/a/b", {"status": "IN_QUEUE", "request_id": "x",
                  "status_url": "https://queue.fal.run/a/requests/x/status"}),
    "fireworks_results": ("https://api.fireworks.ai/inference/v1/workflows/m", {"request_id": "x"}),
    "predictions": ("https://api.replicate.com/v1/models/a/b/predictions", {"id": "x", "status": "starting"}),
    "runway_tasks": ("https://api.dev.runwayml.com/v1/text_to_image", {"id": "x"}),
    "stability_results": ("https://api.stability.ai/v2beta/stable-image/upscale/creative", {"id": "x"}),
    "topaz_jobs": ("https://api.topazlabs.com/image/v1/enhance/async", {"process_id": "x", "eta": 3}),
    "transcripts": ("https://api.assemblyai.com/v2/transcript", {"id": "x", "status": "queued"}),
}  # fmt: skip
ASKED = {
    "bfl": "https://api.bfl.ai/v1/get_result?id=x",
    "fal_queue": "https://queue.fal.run/a/requests/x/status",
    "fireworks_results": "https://api.fireworks.ai/inference/v1/workflows/m/get_result",
    "predictions": "https://api.replicate.com/v1/predictions/x",
    "runway_tasks": "https://api.dev.runwayml.com/v1/tasks/x",
    "stability_results": "https://api.stability.ai/v2beta/results/x",
    "topaz_jobs": "https://api.topazlabs.com/image/v1/status/x",
    "transcripts": "https://api.assemblyai.com/v2/transcript/x",
}
WAITING = {"stability_results": (202, {"id": "x", "status": "in-progress"})}


def told(job: Job, document: Any, status: int = 200, **headers: str) -> Step:
    return job.step(status, headers, json.dumps(document).encode())


def begun(name: str, url: str = "") -> Job:
    home, first = BEGUN[name]
    job = Job(RULES[name], url or home)
    assert isinstance(told(job, first), Ask)
    return job


def waiting(name: str) -> tuple[int, Any]:
    state = min(RULES[name].waiting, default="")
    return WAITING.get(name, (200, {RULES[name].state: state}))


def error_of(step: Step) -> errors.HeadgateError:
    assert isinstance(step, Failed)
    return step.error


def test_every_rule_is_tried() -> None:
    assert BEGUN.keys() == ASKED.keys() == RULES.keys()


@pytest.mark.parametrize("name", RULES)
def test_an_accepted_job_is_asked_for(name: str) -> None:
    home, first = BEGUN[name]
    step = told(Job(RULES[name], home), first)
    assert isinstance(step, Ask)
    assert (step.url, step.after) == (ASKED[name], RULES[name].first)
    posted = (
        {"method": "POST", "body": b'{"id":"x"}'} if RULES[name].posts else {"method": "GET", "body": b""}
    )
    assert {"method": step.method, "body": step.body} == posted


@pytest.mark.parametrize("name", [name for name in RULES if RULES[name].path])
def test_a_base_of_ones_own_is_kept(name: str) -> None:
    home, first = BEGUN[name]
    url = home.replace("https://", "http://proxy.test:8080/under/").replace(home.split("/")[2] + "/", "")
    step = told(Job(RULES[name], url), first)
    assert isinstance(step, Ask)
    assert step.url == "http://proxy.test:8080/under/" + ASKED[name].split("/", 3)[3]


@pytest.mark.parametrize("name", RULES)
def test_waits_grow_and_a_job_that_never_ends_is_given_up(name: str) -> None:
    job, waits = begun(name), [RULES[name].first]
    status, document = waiting(name)
    while isinstance(step := told(job, document, status), Ask):
        waits.append(step.after)
    assert isinstance(step, Failed)
    assert isinstance(step.error, errors.Timeout)
    assert waits == sorted(waits)
    assert max(waits) <= RULES[name].most
    assert sum(waits) <= RULES[name].limit < sum(waits) + RULES[name].most


@pytest.mark.parametrize("name", [name for name in RULES if RULES[name].state])
def test_a_state_that_is_not_known_ends_it_with_words(name: str) -> None:
    error = error_of(told(begun(name), {RULES[name].state: "napping"}))
    assert isinstance(error, errors.APIResponseValidationError)
    assert "'napping'" in error.message
    assert min(RULES[name].waiting) in error.message


@pytest.mark.parametrize("name", [name for name in RULES if RULES[name].failed])
def test_a_job_that_failed_says_why(name: str) -> None:
    rule = RULES[name]
    for state in rule.failed:
        error = error_of(told(begun(name), {rule.state: state, rule.words[0]: "the reason"}))
        assert type(error) is rule.blame
        assert state in error.message
        assert "the reason" in error.message


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("bfl", {"status": "Request Moderated", "details": {"Moderation Reasons": ["Safety Filter"]}}),
        ("bfl", {"status": "Content Moderated"}),
        ("runway_tasks", {"status": "FAILED", "failure": "no", "failureCode": "SAFETY.INPUT.TEXT"}),
        (
            "predictions",
            {
                "status": "failed",
                "error": "NSFW content detected. Try running it again, or try a different prompt.",
            },
        ),
    ],
)
def test_refused_content_documented(name: str, document: Any) -> None:
    error = error_of(told(begun(name), document))
    assert isinstance(error, errors.ContentPolicyViolationError)


@pytest.mark.parametrize("name", RULES)
def test_an_answer_that_is_no_json_is_the_result(name: str) -> None:
    step = begun(name).step(200, {"content-type": "image/png"}, b"\x89PNG")
    assert step == Done(body=b"\x89PNG", content_type="image/png")


def test_the_life_of_a_queued_job_of_fal_documented() -> None:
    job = begun("fal_queue")
    assert isinstance(told(job, {"status": "IN_PROGRESS", "logs": None}, 202), Ask)
    done = {"status": "COMPLETED", "response_url": "https://queue.fal.run/a/requests/x"}
    assert told(job, done) == Ask(url=done["response_url"], after=0.0)
    assert isinstance(told(job, {"images": [], "status": "IN_QUEUE"}), Done)


def test_a_queued_job_of_fal_that_ends_with_an_error_documented() -> None:
    error = error_of(told(begun("fal_queue"), {"status": "COMPLETED", "error": "the worker died"}))
    assert "the worker died" in error.message


def test_a_direct_answer_of_fal_is_the_result_recorded() -> None:
    record = exchange("fal.images.9622bb4b72")
    job = Job(RULES["fal_queue"], record["request"]["url"])
    assert isinstance(told(job, record["response"]["body"]), Done)


def test_the_life_of_a_job_of_topaz_documented() -> None:
    job = begun("topaz_jobs")
    assert isinstance(told(job, {"process_id": "x", "status": "Processing", "progress": 3}), Ask)
    step = told(job, {"process_id": "x", "status": "Completed"})
    assert step == Ask(url="https://api.topazlabs.com/image/v1/download/x", after=0.0)
    assert isinstance(told(job, {"download_url": "https://h/a.png"}), Done)


def test_the_life_of_a_transcript_documented() -> None:
    job = begun("transcripts")
    assert isinstance(told(job, {"id": "x", "status": "processing"}), Ask)
    assert isinstance(told(job, {"id": "x", "status": "completed", "text": "hi"}), Done)


def test_black_forest_labs_recorded() -> None:
    first, second = (exchange(f"black-forest-labs.images.{name}") for name in ("7ff6a0c0d6", "7d963577ae"))
    job = Job(RULES["bfl"], first["request"]["url"])
    step = told(job, first["response"]["body"])
    assert isinstance(step, Ask)
    assert step.url == first["response"]["body"]["polling_url"]
    again = told(job, second["response"]["body"])
    assert isinstance(again, Ask)
    assert again.url == step.url
    assert isinstance(told(job, {"status": "Ready", "result": {"sample": "https://h/a"}}), Done)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("0fba960f11", Ask),
        ("33ec59615c", Ask),
        ("a36a4e2b81", Ask),
        ("55c9129034", Ask),
        ("efa0f6c111", Done),
        ("dccb72506b", Failed),
        ("3757cc3e0e", Failed),
    ],
)
def test_predictions_recorded(name: str, kind: type[Any]) -> None:
    record = exchange(f"replicate.predictions.{name}")
    body = record["response"]["body"]
    step = told(Job(RULES["predictions"], "https://api.replicate.com/v1/predictions"), body)
    assert isinstance(step, kind)
    if isinstance(step, Ask):
        assert step.url == body["urls"]["get"]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.test/v1",
        "https://evilbfl.ai/v1",
        "https://api.bfl.ai.evil.test/",
        "http://api.bfl.ai/v1/get_result",
        "https://api.bfl.ai:8443/",
        "https://user@api.bfl.ai/",
        "file:///etc/passwd",
        "//evil.test/a",
        "http://169.254.169.254/",
        "https://[::1",
    ],
)
def test_the_credential_goes_nowhere_else(link: str) -> None:
    error = error_of(told(Job(RULES["bfl"], "https://api.bfl.ai/v1/m"), {"id": "x", "polling_url": link}))
    assert isinstance(error, errors.APIResponseValidationError)
    assert "user" not in error.message


@pytest.mark.parametrize(
    ("home", "link"),
    [
        ("https://api.bfl.ai/v1/m", "https://api.eu4.bfl.ai/v1/get_result?id=x"),
        ("http://127.0.0.1:8080/v1/m", "http://127.0.0.1:8080/v1/get_result?id=x"),
        ("https://api.bfl.ai/v1/m", "/v1/get_result?id=x"),
    ],
)
def test_where_it_may_go(home: str, link: str) -> None:
    assert isinstance(told(Job(RULES["bfl"], home), {"id": "x", "polling_url": link}), Ask)


def test_failures_that_pass_are_asked_again_and_not_for_ever() -> None:
    job = begun("predictions")
    steps = [job.step(503, {}, b"busy") for _ in range(5)]
    assert [type(step) for step in steps] == [Ask] * 4 + [Failed]
    assert isinstance(error_of(steps[-1]), errors.ServiceUnavailableError)
    job = begun("predictions")
    for _ in range(6):
        assert isinstance(job.step(429, {}, b""), Ask)
        assert isinstance(told(job, {"status": "processing"}), Ask)


@pytest.mark.parametrize(("status", "kind"), [(401, errors.AuthenticationError), (404, errors.NotFoundError)])
def test_failures_that_stay_end_it(status: int, kind: type[Any]) -> None:
    assert isinstance(error_of(begun("bfl").step(status, {}, b'{"detail": "no"}')), kind)


def test_the_first_answer_s_failure_is_its_own() -> None:
    job = Job(RULES["bfl"], "https://api.bfl.ai/v1/m")
    assert isinstance(error_of(job.step(503, {}, b"")), errors.ServiceUnavailableError)


@pytest.mark.parametrize(
    ("said", "after"), [("3", 3.0), ("0", 0.7), ("9999", 60.0), ("soon", 0.7), ("-1", 0.7)]
)
def test_a_wait_that_the_upstream_asks_for(said: str, after: float) -> None:
    step = told(begun("bfl"), {"status": "Pending"}, **{"retry-after": said})
    assert isinstance(step, Ask)
    assert step.after == pytest.approx(after)


@pytest.mark.parametrize("document", [{"status": "starting"}, {"status": "starting", "id": None}])
def test_an_acceptance_without_an_id_ends_it(document: Any) -> None:
    error = error_of(told(Job(RULES["predictions"], "https://api.replicate.com/v1/predictions"), document))
    assert "no id" in error.message


def test_an_id_can_not_leave_its_place_in_the_address() -> None:
    step = told(Job(RULES["runway_tasks"], "https://h/v1/text_to_image"), {"id": "../../x?a=b"})
    assert isinstance(step, Ask)
    assert step.url == "https://h/v1/tasks/..%2F..%2Fx%3Fa%3Db"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    "id request_id process_id status polling_url urls status_url response_url error detail".split()
)
STATES = sorted(
    set().union(*(rule.waiting | rule.done | rule.failed | rule.refused for rule in RULES.values()))
)
ANSWERS = st.tuples(
    st.sampled_from([200, 201, 202, 302, 400, 404, 429, 500, 503]),
    st.dictionaries(KEYS, JSON | st.sampled_from(STATES), max_size=5) | JSON,
)


@pytest.mark.parametrize("name", RULES)
@RELAXED
@given(answers=st.lists(ANSWERS, max_size=6))
def test_any_answers_lead_to_a_step(name: str, answers: list[tuple[int, Any]]) -> None:
    job = Job(RULES[name], BEGUN[name][0])
    for status, document in answers:
        step = told(job, document, status)
        assert isinstance(step, Ask | Done | Failed)
        if isinstance(step, Ask):
            assert step.url.startswith("https://")


@pytest.mark.parametrize(
    ("name", "method", "url"),
    [
        ("runway_tasks", "DELETE", "https://api.dev.runwayml.com/v1/tasks/x"),
        ("topaz_jobs", "DELETE", "https://api.topazlabs.com/image/v1/cancel/x"),
    ],
)
def test_a_job_that_nobody_waits_for_is_ended_documented(name: str, method: str, url: str) -> None:
    step = begun(name).cancel()
    assert step == Ask(url=url, after=0.0, method=method)


def test_predictions_are_ended_at_the_address_that_they_name_recorded() -> None:
    body = exchange("replicate.predictions.0fba960f11")["response"]["body"]
    job = Job(RULES["predictions"], "https://api.replicate.com/v1/predictions")
    assert job.cancel() is None
    told(job, body)
    assert job.cancel() == Ask(url=body["urls"]["cancel"], after=0.0, method="POST")
    told(job, {**body, "urls": {**body["urls"], "cancel": "https://evil.test/"}})
    assert job.cancel() is None


@pytest.mark.parametrize("name", ["bfl", "transcripts", "fal_queue"])
def test_what_can_not_be_ended_is_left_alone(name: str) -> None:
    assert begun(name).cancel() is None
