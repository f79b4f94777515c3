"""Client secrets: what they are good for, for how long, and at whose expense."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import AuthenticationError, BadRequestError
from headgate.server.client_secrets import ClientSecret, ClientSecrets
from servers import KEY, RunningGateway, running
from sockets import ADMIN, COST, CREATE, Provider, closed, config, key_of, open_, refusal, rows, take
from tokens import KEYS, config_of, jwks, serving, token


@pytest.fixture(name="provider")
def fixture_provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture(name="gateway")
def fixture_gateway(provider: Provider, tmp_path: Any) -> Iterator[RunningGateway]:
    with running(config(provider.base + "/v1"), tmp_path) as served:
        yield served


def ask(
    gateway: RunningGateway, body: Any, key: str = KEY, path: str = "/v1/realtime/client_secrets"
) -> tuple[int, dict[str, Any]]:
    status, _, told = gateway.request(path, body, {"authorization": f"Bearer {key}"})
    return status, json.loads(told)


def secret_of(gateway: RunningGateway, key: str = KEY, **session: Any) -> str:
    status, told = ask(gateway, {"session": {"type": "realtime", **session}}, key)
    assert status == 200, told
    return str(told["value"])


def browser(gateway: RunningGateway, secret: str, path: str = "/v1/realtime?model=voice") -> Any:
    """As a page connects: what it has to say stands in subprotocols."""
    return open_(gateway, path, key="", subprotocols=["realtime", f"openai-insecure-api-key.{secret}"])


# making one


def test_a_client_secret_says_what_its_session_will_be(gateway: RunningGateway) -> None:
    body = {
        "expires_after": {"anchor": "created_at", "seconds": 60},
        "session": {"type": "realtime", "model": "voice", "instructions": "Be brief"},
    }
    status, told = ask(gateway, body)
    assert status == 200
    assert told["value"].startswith("ek_")
    assert told["session"]["object"] == "realtime.session"
    assert (told["session"]["type"], told["session"]["model"]) == ("realtime", "voice")
    assert told["session"]["instructions"] == "Be brief"
    assert KEY not in json.dumps(told)
    _, other = ask(gateway, {})
    assert 530 <= other["expires_at"] - told["expires_at"] <= 560


@pytest.mark.parametrize("root", ["/v1/realtime", "/realtime", "/openai/v1/realtime", "/openai/realtime"])
def test_the_paths(gateway: RunningGateway, provider: Provider, root: str) -> None:
    status, told = ask(gateway, {}, path=f"{root}/client_secrets")
    assert (status, told["value"][:3]) == (200, "ek_")
    status, told = ask(gateway, {"model": "voice", "voice": "alloy"}, path=f"{root}/sessions")
    assert (status, told["voice"], told["client_secret"]["value"][:3]) == (200, "alloy", "ek_")
    assert provider.requests == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"expires_after": {"seconds": 5}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": 7_201}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": True}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "later"}}, "expires_after"),
        ({"expires_after": 60}, "expires_after"),
        ({"session": 5}, "session"),
        ({"session": {"model": 5}}, "session.model"),
        ({"session": {"type": "transcription"}}, "session.type"),
        ({"session": {"instructions": "x" * 20_000}}, "session"),
        ({"expires_in": 60}, "expires_in"),
    ],
)
def test_what_is_wrong_is_named(gateway: RunningGateway, body: Any, param: str) -> None:
    status, told = ask(gateway, body)
    assert (status, told["error"]["param"]) == (400, param)


def test_it_is_not_made_for_what_the_key_may_not_use(gateway: RunningGateway) -> None:
    key = key_of(gateway, models=["live"])
    assert ask(gateway, {"session": {"model": "voice"}}, key)[0] == 403
    assert ask(gateway, {"session": {"model": "nobody"}})[0] == 404
    assert ask(gateway, {}, "sk-wrong")[0] == 401


def test_a_providers_own_is_not_passed_through(gateway: RunningGateway, provider: Provider) -> None:
    for path in ("/openai/v1/realtime/transcription_sessions", "/azure/openai/realtimeapi/sessions"):
        status, told = ask(gateway, {}, path=path)
        assert (status, "/v1/realtime/client_secrets" in told["error"]["message"]) == (403, True)
    assert provider.requests == []


async def test_the_openai_sdk_makes_one_and_connects_with_it(
    gateway: RunningGateway, provider: Provider
) -> None:
    base = f"http://127.0.0.1:{gateway.port}/v1"
    async with openai.AsyncOpenAI(api_key=KEY, base_url=base) as client:
        made = await client.realtime.client_secrets.create(
            session={"type": "realtime", "model": "voice", "instructions": "Be brief"},
            expires_after={"anchor": "created_at", "seconds": 120},
        )
    async with openai.AsyncOpenAI(api_key=made.value, base_url=base) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
        async with client.realtime.connect(model="voice") as connection:
            assert (await connection.recv()).type == "session.created"
            updated = await connection.recv()
            assert updated.type == "session.updated"
    told = json.loads(provider.frames[0])
    assert told == {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief"}}


# using one


def test_what_it_does_is_the_keys(gateway: RunningGateway, provider: Provider) -> None:
    key = key_of(gateway, key_alias="shop", max_budget=0.1)
    with browser(gateway, secret_of(gateway, key)) as client:
        assert client.subprotocol == "realtime"
        client.send(json.dumps({"type": "response.create", "response": {"max_output_tokens": 200}}))
        take(client, "response.done")
        (row,) = rows(gateway, 1)
    assert row["spend"] == pytest.approx(COST)
    info = json.loads(gateway.request(f"/key/info?key={key}", None, ADMIN, "GET")[2])["info"]
    assert row["api_key"] == hashlib.sha256(key.encode()).hexdigest()
    assert info["spend"] == pytest.approx(COST)


def test_a_budget_holds_behind_it(gateway: RunningGateway, provider: Provider) -> None:
    key = key_of(gateway, max_budget=0.02)
    with browser(gateway, secret_of(gateway, key)) as client:
        client.send(CREATE)
        events, code, _ = closed(client)
    assert (events[-1]["error"]["code"], code) == ("budget_exceeded", 1008)


def test_a_model_in_it_is_the_only_one(gateway: RunningGateway, provider: Provider) -> None:
    secret = secret_of(gateway, model="voice")
    with browser(gateway, secret, "/v1/realtime") as client:
        take(client, "session.created")
    assert provider.requests[0].path == "/v1/realtime?model=gpt-realtime"
    status, error = refusal(gateway, "/v1/realtime?model=live", secret)
    assert (status, "'voice'" in error["message"]) == (403, True)


def test_the_betas_words_go_to_the_beta(gateway: RunningGateway, provider: Provider) -> None:
    _, told = ask(gateway, {"voice": "alloy", "modalities": ["text"]}, path="/v1/realtime/sessions")
    secret = told["client_secret"]["value"]
    with open_(gateway, key=secret, headers={"OpenAI-Beta": "realtime=v1"}) as client:
        take(client, "session.updated")
    session = json.loads(provider.frames[0])["session"]
    assert session == {"voice": "alloy", "modalities": ["text"]}


def test_it_sets_up_googles_models_too(gateway: RunningGateway, provider: Provider) -> None:
    provider.talk = lambda connection: [provider.frames.append(frame) for frame in connection] and None
    with browser(gateway, secret_of(gateway, instructions="Be brief"), "/v1/realtime?model=live") as client:
        assert take(client, "session.updated")["session"]["instructions"] == "Be brief"
        client.send(CREATE)
        client.send('{"type": "odd"}')
        take(client, "error")
    assert provider.ended.wait(5)
    assert json.loads(provider.frames[0])["setup"]["systemInstruction"] == {"parts": [{"text": "Be brief"}]}


def test_it_is_for_realtime_alone(gateway: RunningGateway) -> None:
    secret = secret_of(gateway)
    assert ask(gateway, {"model": "voice"}, secret, "/v1/chat/completions")[0] == 401
    assert ask(gateway, {}, secret)[0] == 401
    assert ask(gateway, {}, secret, "/key/generate")[0] == 401
    google = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    assert refusal(gateway, google, secret)[0] == 403


@pytest.mark.parametrize("change", ["block", "delete"])
def test_it_is_worth_nothing_without_its_key(
    gateway: RunningGateway, provider: Provider, change: str
) -> None:
    key = key_of(gateway)
    secret = secret_of(gateway, key)
    with browser(gateway, secret) as client:
        take(client, "session.created")
        body = {"key": key} if change == "block" else {"keys": [key]}
        assert gateway.request(f"/key/{change}", body, ADMIN)[0] == 200
        assert closed(client)[1] == 1008
    assert refusal(gateway, key=secret)[0] == 401


def test_one_that_was_changed_is_refused(gateway: RunningGateway) -> None:
    secret = secret_of(gateway)
    for text in ("ek_", "ek_x", secret[:-4], secret[:20] + "AAAA" + secret[24:], secret + "€"):
        assert refusal(gateway, key=text.encode().decode("latin-1"))[0] == 401
    assert secret not in json.dumps(refusal(gateway, key=secret[:-4]))


def test_behind_it_may_be_a_token_of_somebody_else(tmp_path: Any, provider: Provider) -> None:
    with serving(jwks(KEYS)) as ids:
        fields = {
            **config_of(ids.base, {}, {"master_key": KEY}),
            "model_list": config(provider.base + "/v1")["model_list"],
        }
        with running(fields, tmp_path) as gateway:
            secret = secret_of(gateway, token(sub="bert"))
            assert gateway.gateway.callers is not None
            gateway.gateway.callers.forget_all()  # as in a process that has never seen it
            with browser(gateway, secret) as client:
                client.send(CREATE)
                take(client, "response.done")
                (row,) = rows(gateway, 1)
    assert row["spend"] == pytest.approx(COST)


# the text itself

ONE = ClientSecret(token="a" * 64, expires=1_000.0, model="voice", session={"voice": "alloy"})


async def test_every_process_with_the_salt_reads_it() -> None:
    text = await ClientSecrets({"HEADGATE_SALT_KEY": "salt"}, "master").make(ONE)
    assert await ClientSecrets({"HEADGATE_SALT_KEY": "new, salt"}, "other").read(text, 999.0) == ONE
    assert text.replace("-", "").replace("_", "").isalnum()
    with pytest.raises(AuthenticationError, match="expired"):
        await ClientSecrets({"HEADGATE_SALT_KEY": "salt"}, None).read(text, 1_000.0)
    for other in (ClientSecrets({}, "salt-2"), ClientSecrets({}, None)):
        with pytest.raises(AuthenticationError, match="not valid"):
            await other.read(text, 999.0)


async def test_without_a_salt_none_is_made() -> None:
    with pytest.raises(BadRequestError, match="HEADGATE_SALT_KEY"):
        await ClientSecrets({}, None).make(ONE)


SECRETS = ClientSecrets({}, "sk-master")


@given(st.text(max_size=40))
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(AuthenticationError):
        asyncio.run(SECRETS.read("ek_" + text, 0.0))
