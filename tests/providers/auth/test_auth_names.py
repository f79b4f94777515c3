"""What a credential is made of is known as such to who makes requests: it is never sent to a provider."""

import re
from pathlib import Path

from headgate.core.params import CREDENTIALS
from headgate.providers.auth import aws, azure_ad, exchanges, google, oauth, taken


def test_every_parameter_of_google_and_azure() -> None:
    assert {*google.CREDENTIAL_PARAMS, *google.PROJECT_PARAMS} <= CREDENTIALS
    assert {param for param, _ in azure_ad.NAMES.values()} <= CREDENTIALS


def test_every_parameter_of_aws() -> None:
    named = set(re.findall(r'"(aws_\w+)"', Path(aws.__file__).read_text()))
    assert named
    assert named <= CREDENTIALS


def test_an_exchange_takes_what_it_looks_for() -> None:
    assert taken("oauth:watsonx") == {"api_key", "apikey", "iam_url", "token", "zen_api_key"}
    assert all(taken(f"oauth:{name}") for name in oauth.EXCHANGES)
    assert taken("google") == taken("aws:bedrock") == taken("azure_ad") == taken("") == frozenset()


def test_which_schemes_are_asked_before_a_key() -> None:
    assert exchanges("oauth:watsonx")
    assert not any(exchanges(scheme) for scheme in ("", "google", "azure_ad", "aws:bedrock"))
