"""Oracle Cloud's signatures: what is signed, who signs, and what is said where something is lacking."""

import base64
import hashlib
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from desk import NOW, around
from headgate.errors import AuthenticationError
from headgate.ports import Ask, Signing, Told
from headgate.providers.auth import build, oracle

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
WHO = {"oci_tenancy": "ocid1.tenancy.t", "oci_user": "ocid1.user.u", "oci_fingerprint": "20:3b:97"}
ID = "ocid1.tenancy.t/ocid1.user.u/20:3b:97"
CONFIG = "/home/me/.oci/config"
PROFILES = """[DEFAULT]
user=ocid1.user.u
fingerprint=20:3b:97
tenancy=ocid1.tenancy.t
region=us-chicago-1
key_file=~/.oci/key.pem

[SESSION]
region=eu-frankfurt-1
key_file=/s/key.pem
security_token_file=/s/token
"""
FILES = {CONFIG: PROFILES, "/home/me/.oci/key.pem": PEM, "/s/key.pem": PEM, "/s/token": "session-shh\n"}
URL = "https://inference.generativeai.us-chicago-1.oci.oraclecloud.com/20231130/actions/chat?a=b"
POST = Signing(method="POST", url=URL, headers=(("content-type", "application/json"),), body=b'{"a":1}')
GET = Signing(method="GET", url=URL, headers=(), body=b"")


async def nobody(ask: Ask) -> Told:
    raise AssertionError(f"asked {ask.url}")


async def lines(place: Any, request: Signing = POST) -> dict[str, str]:
    credential = build("oracle", place)
    assert credential is not None
    await credential.renew(nobody, NOW)
    return dict(credential.sign(request, NOW))


def words(line: str) -> dict[str, str]:
    assert line.startswith("Signature ")
    return dict(re.findall(r'(\w+)="([^"]*)"', line))


async def test_a_documented_signature() -> None:
    found = await lines(around({**WHO, "oci_key": PEM}))
    assert found["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    digest = base64.b64encode(hashlib.sha256(POST.body).digest()).decode()
    assert found["x-content-sha256"] == digest
    said = words(found["authorization"])
    assert (said["version"], said["algorithm"], said["keyId"]) == ("1", "rsa-sha256", ID)
    values = {
        "date": found["date"],
        "(request-target)": "post /20231130/actions/chat?a=b",
        "host": "inference.generativeai.us-chicago-1.oci.oraclecloud.com",
        "content-length": "7",
        "content-type": "application/json",
        "x-content-sha256": digest,
    }
    assert said["headers"].split() == list(values)
    text = "\n".join(f"{name}: {value}" for name, value in values.items())
    KEY.public_key().verify(base64.b64decode(said["signature"]), text.encode(), PKCS1v15(), SHA256())


async def test_without_a_body_less_is_signed() -> None:
    found = await lines(around({**WHO, "oci_key": PEM}), GET)
    assert found.keys() == {"date", "authorization"}
    assert words(found["authorization"])["headers"] == "date (request-target) host"


@pytest.mark.parametrize(
    ("params", "env", "key_id"),
    [
        ({}, {}, ID),
        ({**WHO, "oci_key_file": "/s/key.pem"}, {}, ID),
        ({}, {"OCI_USER": "other"}, "ocid1.tenancy.t/other/20:3b:97"),
        ({"oci_profile": "SESSION"}, {}, "ST$session-shh"),
        ({}, {"OCI_CONFIG_PROFILE": "SESSION"}, "ST$session-shh"),
        ({"oci_profile": "SESSION", **WHO, "oci_key": PEM}, {}, ID),
    ],
)
async def test_who_signs(params: Any, env: Any, key_id: str) -> None:
    found = await lines(around(params, env, FILES))
    assert words(found["authorization"])["keyId"] == key_id


@pytest.mark.parametrize(
    ("params", "env", "region"),
    [
        ({}, {}, "us-chicago-1"),
        ({"oci_region": "uk-london-1"}, {"OCI_REGION": "x"}, "uk-london-1"),
        ({}, {"OCI_REGION": "uk-london-1"}, "uk-london-1"),
        ({"oci_profile": "SESSION"}, {}, "eu-frankfurt-1"),
    ],
)
def test_the_region(params: Any, env: Any, region: str) -> None:
    assert oracle.region(around(params, env, FILES)) == region


@pytest.mark.parametrize(
    ("params", "files", "message"),
    [
        ({}, {}, "oci_tenancy or OCI_TENANCY, .*oci_key_file or OCI_KEY_FILE; or a profile in ~/.oci/config"),
        (WHO, {}, "set oci_key_file or OCI_KEY_FILE"),
        ({**WHO, "oci_key_file": "/no"}, {}, "/no can't be read"),
        ({**WHO, "oci_key": "shh"}, {}, "private key in PEM"),
        ({"oci_profile": "odd"}, FILES, "no profile 'odd'"),
        ({"oci_config_file": "/c"}, {"/c": "shh\n"}, "/c, can't be read: MissingSectionHeaderError"),
        ({"oci_config_file": "/c"}, {}, "/c can't be read"),
    ],
)
async def test_what_is_lacking_is_named(params: Any, files: Any, message: str) -> None:
    with pytest.raises(AuthenticationError, match=message) as caught:
        await lines(around(params, {}, files))
    assert "shh" not in caught.value.message


async def test_a_key_that_was_changed_is_read_again() -> None:
    credential = build("oracle", around({"oci_profile": "SESSION"}, {}, FILES))
    assert credential is not None
    await credential.renew(nobody, NOW)
    assert "session-shh" in credential.secrets
    told = Told(status=401, headers={}, body=b'{"code":"NotAuthenticated"}')
    assert not credential.refused(told, [], NOW + 1)
    assert credential.refused(told, [], NOW + 60)
    assert not credential.ready(NOW + 60)
    assert not credential.refused(Told(status=403, headers={}, body=b""), [], NOW + 60)
