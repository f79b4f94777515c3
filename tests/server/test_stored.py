"""Models and credentials of the database beside those of the file."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from headgate.errors import BadRequestError
from headgate.server import background, stored
from headgate.server.app import build
from headgate.server.background import Background
from headgate.server.config.load import load
from headgate.server.config.schema import Config, ModelEntry
from headgate.server.gateway import Gateway
from headgate.server.snapshot import Snapshot
from headgate.server.stored import Stored
from headgate.store import changes, tables
from headgate.store.crypto import Vault

VAULT = Vault(["new", "old"])
CONFIG = """
model_list:
  - {model_name: m, litellm_params: {model: mock/echo}}
  - {model_name: waiting, litellm_params: {model: openai/x, litellm_credential_name: c}}
general_settings: {store_model_in_db: true}
"""


def _credential(name: str, vault: Vault = VAULT, **values: Any) -> dict[str, Any]:
    return {"credential_name": name, "credential_values": vault.seal(values)}


def _model(name: str, vault: Vault = VAULT, **params: Any) -> dict[str, Any]:
    sealed = vault.seal({"model": "openai/x", **params})
    return {
        "model_id": name,
        "model_name": name,
        "litellm_params": sealed,
        "model_info": None,
        "blocked": False,
    }


def _file(*names: str, **credentials: dict[str, Any]) -> Config:
    models = tuple(
        ModelEntry(name=f"file-{name}", params={"model": "openai/x", "litellm_credential_name": name})
        for name in names
    )
    return Config(models=models, credentials=credentials)


def _joined(config: Config, found: Stored, **env: str) -> tuple[dict[str, dict[str, Any]], stored.LeftOut]:
    left_out: stored.LeftOut = {}
    whole = stored.joined(config, found, VAULT, env, left_out)
    return {entry.name: entry.params for entry in whole.models}, left_out


def test_rows_get_the_values_of_the_credential_that_they_name() -> None:
    kept = Stored((_model("m", litellm_credential_name="c"),), (_credential("c", api_key="os.environ/KEY"),))
    models, left_out = _joined(_file("c"), kept, KEY="sk-1")
    assert {name: params["api_key"] for name, params in models.items()} == {"file-c": "sk-1", "m": "sk-1"}
    assert left_out == {}


def test_what_a_row_says_itself_goes_over_its_credential() -> None:
    row = _model("m", litellm_credential_name="c", api_key="own-key")
    models, _ = _joined(_file(), Stored((row,), (_credential("c", api_key="k-1", api_base="https://x.io"),)))
    assert (models["m"]["api_key"], models["m"]["api_base"]) == ("own-key", "https://x.io")


def test_a_credential_of_the_file_goes_over_one_of_the_database() -> None:
    row = _model("m", litellm_credential_name="c")
    kept = Stored((row,), (_credential("c", api_key="of the database"),))
    models, _ = _joined(_file(c={"api_key": "of the file"}), kept)
    assert models["m"]["api_key"] == "of the file"


def test_every_salt_that_is_known_opens() -> None:
    kept = Stored((), (_credential("c", Vault(["old"]), api_key="k-1"),))
    assert _joined(_file("c"), kept)[0]["file-c"]["api_key"] == "k-1"


def test_what_can_not_be_used_is_left_out_and_the_rest_goes_on() -> None:
    credentials = (
        _credential("c", Vault(["lost"]), api_key="k-1"),
        _credential("wrong", api_base=5),
        _credential("good", api_key="k-1"),
        _credential("who", custom_llm_provider="no-such-provider"),
    )
    rows = (
        _model("m", litellm_credential_name="c"),
        _model("n", litellm_credential_name="good"),
        _model("o", Vault(["lost"])),
        {**_model("p", litellm_credential_name="nowhere"), "blocked": True},
    )
    models, left_out = _joined(_file("c", "nowhere", "good", "who"), Stored(rows, credentials))
    assert set(models) == {"n", "file-good"}
    assert set(left_out) == {
        "the credential 'c'",
        "the credential 'wrong'",
        "the model 'file-c' of the file",
        "the model 'file-nowhere' of the file",
        "the model 'file-who' of the file",
        "the model m of the database",
        "the model o of the database",
    }
    assert "another salt" in left_out["the credential 'c'"]


@pytest.mark.parametrize(
    "text", ["\x7f", "a\u2028  b", "\x85", "\uffff", "\U0001f600", "\0", "#: - {[&*!|>'\"%@`"]
)
def test_a_value_is_what_was_given(text: str) -> None:
    kept = Stored((), (_credential("c", organization=text, api_key="k-1"),))
    assert _joined(_file("c"), kept)[0]["file-c"]["organization"] == text


def test_who_names_a_credential_is_known() -> None:
    rows = (
        _model("m", litellm_credential_name="c"),
        _model("n", litellm_credential_name="d"),
        {**_model("o", litellm_credential_name="c"), "blocked": True},
        _model("p", Vault(["lost"]), litellm_credential_name="c"),
    )
    assert stored.users(Stored(rows), _file("c", "d"), VAULT, "c") == ["file-c", "m (m)", "o (o)"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path / "config.yaml"


def _replica(config: Path, folder: Path) -> Gateway:
    env = {"DATABASE_URL": f"sqlite:///{folder.parent / 'shared.db'}", "HEADGATE_SALT_KEY": "new"}
    folder.mkdir(exist_ok=True)
    return build(load(str(config), env), env, folder)


def test_without_a_database_rows_that_wait_are_left_out(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = build(load(str(config), {}), {})
    assert set(gateway.snapshot.groups) == {"m"}
    assert "'waiting' of the file is left out: there is no credential 'c'" in caplog.text


def _write(gateway: Gateway, **values: Any) -> None:
    assert gateway.database is not None
    assert gateway.reloader is not None
    made = {"created_at": 0.0, "created_by": "", "updated_at": 0.0, "updated_by": ""}
    row = {"credential_name": "c", "credential_values": gateway.reloader.vault.seal(values), **made}

    def work(connection: Any) -> None:
        connection.execute(tables.credentials.delete())
        connection.execute(tables.credentials.insert().values(row))
        changes.note(connection, "credential", "c")

    gateway.database.write(work)


def _close(gateway: Gateway) -> None:
    assert gateway.ledger is not None
    gateway.ledger.close()
    assert gateway.database is not None
    gateway.database.close()


async def test_another_replica_hears_of_a_credential(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "HEAR_SECONDS", 0.01)
    here, there = _replica(config, tmp_path / "here"), _replica(config, tmp_path / "there")
    assert set(there.snapshot.groups) == {"m"}
    swapped, swap = asyncio.Event(), there.swap

    def swapping(snapshot: Snapshot) -> None:
        swap(snapshot)
        swapped.set()

    assert there.reloader is not None
    there.reloader.swap = swapping
    works = Background(there)
    works.start()
    await asyncio.to_thread(_write, here, api_key="sk-heard")
    async with asyncio.timeout(20):
        await swapped.wait()
    assert there.snapshot.lookup("waiting").deployments[0].params["api_key"] == "sk-heard"
    await works.close()
    begun = _replica(config, tmp_path / "begun later")
    assert begun.snapshot.lookup("waiting").deployments[0].params["api_key"] == "sk-heard"
    _close(begun)
    _close(here)


def test_a_rehearsal_names_who_would_be_lost(config: Path, tmp_path: Path) -> None:
    gateway = _replica(config, tmp_path / "here")
    reloader = gateway.reloader
    assert reloader is not None
    _write(gateway, api_key="sk-1")
    reloader.rehearse(_credential("c", reloader.vault, api_key="sk-2"))
    with pytest.raises(BadRequestError, match="'waiting' of the file could not be served with this"):
        reloader.rehearse(_credential("c", reloader.vault, custom_llm_provider="nobody"))
    _close(gateway)
