"""Models and credentials of LiteLLM come decrypted and are sealed here."""

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bringing import (
    NOW,
    VAULT,
    brought,
    lines,
    reasons,
    row,
)
from headgate.store import litellm
from headgate.store.crypto import Vault
from headgate.store.database import Database
from headgate.store.litellm import secretbox
from litellm_schema import SALT, LiteLLM, fill, seal


def params(here: Database, model: str) -> dict[str, Any]:
    return VAULT.open(row(here, "model", model)["litellm_params"])


def credential(here: Database, name: str) -> dict[str, Any]:
    return VAULT.open(row(here, "credential", name)["credential_values"])


def test_a_models_parameters_are_decrypted_and_sealed_here(there: LiteLLM, here: Database) -> None:
    fill(there)
    brought(there, here)
    found = {"model": "openai/gpt-4o", "api_key": "sk-openai-1", "rpm": 60, "tags": ["eu"]}
    assert params(here, "model-1") == found
    assert "sk-openai-1" not in str(row(here, "model", "model-1"))
    there.run("""UPDATE "LiteLLM_ProxyModelTable" SET litellm_params = '{"model": "openai/gpt-5"}'""")
    assert lines(brought(there, here))["models"] == (1, 0, 0)
    assert params(here, "model-1") == {"model": "openai/gpt-5"}


def test_credentials_are_brought_and_models_go_on_naming_them(there: LiteLLM, here: Database) -> None:
    kept = {"api_key": seal("sk-shared"), "api_base": seal("https://example.com")}
    there.add(
        "CredentialsTable",
        credential_id="1",
        credential_name="shared",
        credential_values=kept,
        credential_info={"description": "all"},
    )
    given = {"model": seal("openai/m"), "litellm_credential_name": seal("shared")}
    there.add("ProxyModelTable", model_id="m", model_name="m", litellm_params=given)
    assert lines(brought(there, here))["credentials"] == (1, 0, 0)
    assert params(here, "m") == {"model": "openai/m", "litellm_credential_name": "shared"}
    values = {"api_key": "sk-shared", "api_base": "https://example.com"}
    assert credential(here, "shared") == values
    assert row(here, "credential", "shared")["credential_info"] == {"description": "all"}
    assert "sk-shared" not in str(row(here, "credential", "shared"))
    assert lines(brought(there, here))["credentials"] == (0, 1, 0)
    kept = {"api_key": seal("sk-newer")}
    there.run(f"""UPDATE "LiteLLM_CredentialsTable" SET credential_values = '{json.dumps(kept)}'""")
    assert lines(brought(there, here))["credentials"] == (1, 0, 0)
    assert credential(here, "shared") == {"api_key": "sk-newer"}


def test_a_credential_that_the_salt_key_does_not_open_is_not_brought(there: LiteLLM, here: Database) -> None:
    values = {"api_key": seal("sk-shared", "another")}
    there.add("CredentialsTable", credential_id="1", credential_name="shared", credential_values=values)
    report = brought(there, here)
    assert lines(report)["credentials"] == (0, 0, 1)
    assert reasons(report, "credentials")[0].startswith("credential_values: can't be decrypted")


def test_models_that_the_salt_key_does_not_open_are_not_brought(there: LiteLLM, here: Database) -> None:
    there.add(
        "ProxyModelTable", model_id="m", model_name="mine", litellm_params={"model": seal("a/b", "another")}
    )
    report = brought(there, here)
    assert lines(report)["models"] == (0, 0, 1)
    assert "LITELLM_SALT_KEY must be that of LiteLLM" in reasons(report, "models")[0]
    assert lines(brought(there, here, salt="another"))["models"] == (1, 0, 0)


def test_models_are_not_brought_where_nothing_seals_them(there: LiteLLM, here: Database) -> None:
    fill(there)
    report = litellm.run(there.url, here, NOW, Vault([]), salt=SALT)
    assert lines(report)["models"] == (0, 0, 1)
    assert "set HEADGATE_SALT_KEY" in reasons(report, "models")[0]


def test_a_model_of_a_team_has_the_name_that_the_team_calls(there: LiteLLM, here: Database) -> None:
    given = {"litellm_params": {"model": "openai/m"}, "model_info": {"team_id": "t"}}
    there.add("ProxyModelTable", model_id="m", model_name="m", **given)
    assert reasons(brought(there, here), "models") == []
    assert row(here, "model", "m")["model_info"] == {"team_id": "t"}
    given["model_info"] = {"team_id": "t", "team_public_model_name": "ours"}
    there.add("ProxyModelTable", model_id="n", model_name="model_name_t_1", **given)
    given["model_info"] = {"team_public_model_name": "ours"}
    there.add("ProxyModelTable", model_id="o", model_name="everybody's", **given)
    assert reasons(brought(there, here), "models") == []
    assert [row(here, "model", name)["model_name"] for name in "mno"] == ["m", "ours", "everybody's"]


NACL_KEY = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
NACL_NONCE = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
NACL_BOX = bytes.fromhex(
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce8"
    "7b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0"
    "e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
)
NACL_PLAIN = bytes.fromhex(
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561"
    "f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c6090"
    "2e52f0a089bc76897040e082f937763848645e0705"
)


def test_secretbox_is_that_of_nacl() -> None:
    """Section 10 of Cryptography in NaCl."""
    assert secretbox.open_box(NACL_NONCE + NACL_BOX, NACL_KEY) == NACL_PLAIN


def test_poly1305_is_that_of_rfc_8439() -> None:
    key = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    tag = secretbox.poly1305(key, b"Cryptographic Forum Research Group")
    assert tag.hex() == "a8061dc1305136c6c22b8baf0c0127a9"


@pytest.mark.parametrize("at", [0, 24, 40, 100])
def test_a_changed_box_does_not_open(at: int) -> None:
    data = bytearray(NACL_NONCE + NACL_BOX)
    data[at] ^= 1
    with pytest.raises(secretbox.SealedError):
        secretbox.open_box(bytes(data), NACL_KEY)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_values_of_newer_versions_open(version: str) -> None:
    keys = {
        "v2": hashlib.sha256(SALT.encode()).digest(),
        "v3": HKDF(hashes.SHA256(), 32, None, b"litellm-at-rest-v3").derive(SALT.encode()),
    }
    data = b"n" * 12 + AESGCM(keys[version]).encrypt(b"n" * 12, b"sk-1", None)
    value = f"{version}:gcm:" + base64.urlsafe_b64encode(data).decode()
    assert secretbox.opened(value, SALT) == "sk-1"
    with pytest.raises(secretbox.SealedError):
        secretbox.opened(value, "another")


@pytest.mark.parametrize("plain", ["openai/gpt-4o", "os.environ/OPENAI_API_KEY", "", "a" * 39])
def test_what_is_not_encrypted_stays_as_it_is(plain: str) -> None:
    assert secretbox.opened(plain, SALT) == plain
