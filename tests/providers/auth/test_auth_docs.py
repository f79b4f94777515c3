"""The page about credentials names every parameter and variable that is looked for."""

import re
from pathlib import Path

from headgate.providers.auth import azure_ad, google, google_files, oauth, oracle

PAGE = Path(__file__).parents[3] / "docs" / "credentials.md"


def test_every_name_is_on_the_page() -> None:
    named = set(re.findall(r"\w+", PAGE.read_text()))
    wanted = {*google.CREDENTIAL_PARAMS, *google.CREDENTIAL_VARIABLES, *google_files.TYPES}
    wanted |= {*google.PROJECT_PARAMS, *google.PROJECT_VARIABLES}
    wanted |= {name for names in azure_ad.NAMES.values() for name in " ".join(names).split()}
    wanted |= {name for names in oracle.NAMES.values() for name in names}
    wanted |= {*oracle.FILE, *oracle.PROFILE}
    facts = [fact for row in oauth.EXCHANGES.values() for fact in row.facts.values()]
    facts += [given.fact for row in oauth.EXCHANGES.values() for given in row.given]
    wanted |= {name for fact in facts for name in f"{fact.params} {fact.variables}".split()}
    assert wanted - named == set()


def test_every_provider_is_on_the_page() -> None:
    rows = re.findall(r"^\| ([^|`]+?) \|", PAGE.read_text().partition("## Token exchanges")[2], re.MULTILINE)
    assert [row.name for row in oauth.EXCHANGES.values()] == [
        row for row in rows if row not in ("provider", "---")
    ]
