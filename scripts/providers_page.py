"""Writes docs/providers.md from the rows.

python scripts/providers_page.py
"""

from pathlib import Path

from headgate.providers.overview import operations, sorted_rows, tested

TARGET = Path(__file__).parent.parent / "docs/providers.md"
HEAD = """# Providers

A model is named `provider/model`, for example `groq/llama-3.3-70b-versatile`. `headgate providers` prints this list,
`headgate providers NAME` all that is known of one: addresses, variables, and which parameters are renamed, refused or
left out. The page is written by `scripts/providers_page.py`.

*Recorded traffic*: exchanges with the provider itself are replayed by the tests. *Documented shape*: built from its
documentation, and no more than that. *Untried*: address, variables and deviations are as LiteLLM has them, and nobody
has tried them here; reports are welcome. A provider that is not in the list can be added in
[`custom_providers`](configuration.md#custom_providers).

| provider | name | operations | key | address | tested |
| --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    rows = []
    for row in sorted_rows():
        names = ", ".join(f"`{name}`" for name in (row.id, *row.aliases))
        key = " or ".join(f"`{name}`" for name in row.api_key_env) or "—"
        variables = " or ".join(f"`{name}`" for name in row.base_url_env)
        address = variables or ("`api_base`" if row.base_url is None else "—")
        rows.append(
            f"| {names} | {row.name} | {', '.join(operations(row))} | {key} | {address} | {tested(row)} |"
        )
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    TARGET.write_text(page())
