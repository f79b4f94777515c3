"""The command line: `headgate serve | check | chat | models | providers | explain | spend | db | import-litellm |
version`. Heavy parts are imported by the command that needs them."""

import os
import sys
from pathlib import Path
from typing import Any

import click

import headgate

_CONFIG = click.Path(dir_okay=False, path_type=Path)
_GROUPS = "team key user organization customer tag model upstream_model provider day".split()


@click.group(
    name="headgate", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(headgate.__version__, "--version", "-V", message="headgate %(version)s")
def main() -> None:
    """One gateway in front of every LLM provider.

    \b
    Start at once, without a file or a key:
        headgate serve
    Serve a LiteLLM config.yaml:
        headgate check config.yaml && headgate serve --config config.yaml
    Talk to a model in the terminal:
        headgate chat mock/echo
    """


@main.command()
@click.option(
    "--config",
    "-c",
    type=_CONFIG,
    help="A LiteLLM config.yaml. Without one, every provider whose key is in the environment is served.",
)
@click.option("--host", help="Address to listen on. [default: 127.0.0.1; 0.0.0.0 with a good master key]")
@click.option("--port", "-p", type=int, help="Port to listen on; 0 for any free one. [default: 4000]")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the gateway's own data. [default: the user's data folder]",
)
@click.option("--workers", "--num_workers", type=int, help="Processes that share the port. [default: 1]")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="One line per call on standard output. [default: text]",
)
def serve(**given: Any) -> None:
    """Start the gateway.

    Without a master key (LITELLM_MASTER_KEY or general_settings.master_key) it listens on this machine only.
    """
    from headgate.cli.serve import serve as start

    sys.exit(start(given, os.environ))


@main.command()
@click.argument("config", type=_CONFIG)
def check(config: Path) -> None:
    """Say all that is wrong with a config.yaml.

    Every problem is named with file, line and the nearest known key. Nothing is started.

    Exit status 1 when the gateway would not start with it.
    """
    from headgate.server.config.load import check as find
    from headgate.server.config.report import render

    problems = find(config, os.environ)
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    more = f", {warnings} warning{'s' * (warnings > 1)}" if warnings else ""
    if problems:
        click.echo(render(problems) + "\n", err=True)
    if errors:
        click.echo(f"{config}: {errors} error{'s' * (errors > 1)}{more}", err=True)
        sys.exit(1)
    click.echo(f"{config}: good{more}")


@main.command()
@click.argument("model", default="mock/echo")
@click.option("--message", "-m", help="Ask this one thing and leave, instead of a conversation.")
@click.option("--system", "-s", help="A system message to begin with.")
@click.option("--api-base", help="Address of a gateway or provider, for example http://localhost:4000/v1.")
@click.option("--api-key", help="Key for it. Better in the environment.")
def chat(
    model: str, message: str | None, system: str | None, api_base: str | None, api_key: str | None
) -> None:
    """Talk to MODEL in the terminal, streamed.

    MODEL is written as provider/model; what is piped in is one message.

    \b
        headgate chat openai/gpt-4o
        headgate chat anthropic/claude-sonnet-4-5 -m "Hello"
        headgate chat mock/echo < question.txt
        headgate chat openai/my-model --api-base http://localhost:4000/v1
    """
    from headgate.cli.chat import converse

    sys.exit(converse(model, message, system, api_base=api_base, api_key=api_key))


@main.command()
@click.argument("pattern", default="")
@click.option(
    "--limit", type=click.IntRange(min=0), default=40, show_default=True, help="Rows to print; 0 for all."
)
def models(pattern: str, limit: int) -> None:
    """List known models with their prices and limits.

    With PATTERN, those that have it in their name. Prices are US dollars for a million tokens.

    \b
        headgate models claude
    """
    from headgate.cli.models import show

    sys.exit(show(pattern, limit))


@main.command()
@click.argument("name", default="")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def providers(name: str, as_json: bool) -> None:
    """List the providers; with NAME all that is known of one.

    \b
        headgate providers groq
    """
    from headgate.cli.providers import show

    sys.exit(show(name, as_json))


_DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the gateway's own data. [default: as headgate serve finds it]",
)
_OF_CONFIG = click.option("--config", "-c", type=_CONFIG, help="The gateway's config.yaml, for its database.")


@main.command()
@click.option(
    "--by",
    type=click.Choice(_GROUPS),
    metavar="WHAT",
    default="team",
    show_default=True,
    help=f"What to add up by: {', '.join(_GROUPS)}.",
)
@click.option(
    "--since", default="30d", show_default=True, help="From when on: 24h, 7d, 1mo ago, or a date, 2026-11-01."
)
@click.option("--until", help="The last day, 2026-11-30, or how long ago. [default: today]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="How to print it.",
)
@click.option("--limit", type=click.IntRange(min=0), default=40, show_default=True, help="Rows; 0 for all.")
@_DATA_DIR
@_OF_CONFIG
def spend(**given: Any) -> None:
    """Say where the money went.

    Days are UTC. What was spent in the last second may not be counted yet.

    \b
        headgate spend --by team --since 30d
        headgate spend --by model --since 7d --format csv
    """
    from headgate.cli.spend import show

    sys.exit(show(given, os.environ))


@main.command()
@click.option("--model", "-m", required=True, help="The model that is asked for.")
@click.option("--key", help="A virtual key: whether it may, and where it may go.")
@click.option("--tags", default="", help="Tags of the call, by comma.")
@click.option("--region", default="", help="Where the call must stay: eu, us, or a region's name.")
@click.option("--stream", is_flag=True, help="As a stream: its latencies are others.")
@click.option("--json", is_flag=True, help="As JSON.")
@_DATA_DIR
@_OF_CONFIG
def explain(**given: Any) -> None:
    """Say where a call would go and why, without making it.

    Exit status 1 where it would be refused. What a running gateway knows of its deployments: GET /router/state.

    \b
        headgate explain --config config.yaml --model gpt-4o
    """
    from headgate.cli.explain import show

    sys.exit(show(given, os.environ))


@main.group()
def db() -> None:
    """Look after the database."""


@db.command(name="upgrade")
@_DATA_DIR
@_OF_CONFIG
def db_upgrade(**given: Any) -> None:
    """Bring the database to the newest schema."""
    from headgate.cli import db as work

    sys.exit(work.run(work.upgrade, given, os.environ, make=True))


@db.command(name="check")
@_DATA_DIR
@_OF_CONFIG
def db_check(**given: Any) -> None:
    """Say which database it is, and how it is.

    Exit status 1 when it can't be used as it is.
    """
    from headgate.cli import db as work

    sys.exit(work.run(work.check, given, os.environ, make=False))


@db.command(name="backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_DATA_DIR
@_OF_CONFIG
def db_backup(file: Path, **given: Any) -> None:
    """Copy the database to FILE, also while it is used."""
    from headgate.cli import db as work

    sys.exit(work.run(lambda database: work.backup(database, file), given, os.environ, make=False))


@main.command(name="import-litellm")
@click.argument("url", envvar="LITELLM_DATABASE_URL")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the gateway's own data. [default: as headgate serve finds it]",
)
@click.option("--database-url", help="The gateway's PostgreSQL. [default: as headgate serve finds it]")
@click.option("--config", "-c", type=_CONFIG, help="The gateway's config.yaml: its database, its master key.")
@click.option(
    "--since", help="Calls of this time only, such as 90d; older days as sums. [default: all calls]"
)
@click.option("--dry-run", is_flag=True, help="Say what would be brought, and write nothing.")
def import_litellm(**given: Any) -> None:
    """Bring keys, teams and spend from LiteLLM's database.

    URL is LiteLLM's DATABASE_URL, here also LITELLM_DATABASE_URL; it is only read. It may
    be done again: changes are brought, nothing twice, and what was changed here later
    stays. LITELLM_SALT_KEY, else the master key, opens what is encrypted.

    \b
        headgate import-litellm postgresql://user@host/litellm --dry-run
        headgate import-litellm "$DATABASE_URL" --data-dir ./data
    """
    from headgate.cli.import_litellm import bring

    sys.exit(bring(given, os.environ))


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"headgate {headgate.__version__}")
