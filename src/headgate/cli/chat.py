"""`headgate chat`: a conversation in the terminal, or one question from a pipe, streamed through the SDK."""

import sys
from typing import Any

import click

from headgate import completion, get_llm_provider
from headgate.errors import HeadgateError


def converse(model: str, message: str | None, system: str | None, **connection: Any) -> int:
    """The exit status: 1 when a single question failed, or when there can be no conversation at all."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    if message is None and not sys.stdin.isatty():
        message = sys.stdin.buffer.read().decode("utf-8", "replace").strip()
        if not message:
            click.echo("Nothing to ask: the input is empty.", err=True)
            return 1
    if message is not None:
        answer = _ask(model, [*messages, {"role": "user", "content": message}], connection)
        return 1 if answer is None else 0
    try:
        get_llm_provider(model, api_base=connection.get("api_base"))
    except HeadgateError as error:
        click.secho(error.message, fg="red", err=True)
        return 1
    click.echo(f"Talking to {model}. An empty line or Ctrl-D ends it.")
    while True:
        try:
            line = click.prompt(
                click.style("you", bold=True), prompt_suffix="> ", default="", show_default=False
            )
        except (click.Abort, EOFError):
            click.echo()
            return 0
        if not line.strip():
            return 0
        messages.append({"role": "user", "content": line})
        answer = _ask(model, messages, connection)
        if answer is None:
            messages.pop()  # what failed was not said
        else:
            messages.append({"role": "assistant", "content": answer})


def _ask(model: str, messages: list[dict[str, Any]], connection: dict[str, Any]) -> str | None:
    """Prints the answer as it comes and returns it, None after an error."""
    pieces: list[str] = []
    try:
        with completion(model, messages, stream=True, **connection) as chunks:
            for chunk in chunks:
                for choice in chunk.choices or ():
                    if choice.delta.reasoning_content:
                        click.secho(choice.delta.reasoning_content, dim=True, nl=False)
                    if choice.delta.content:
                        pieces.append(choice.delta.content)
                        click.echo(choice.delta.content, nl=False)
    except HeadgateError as error:
        click.secho(("\n" if pieces else "") + error.message, fg="red", err=True)
        return None
    except KeyboardInterrupt:
        click.secho(" (stopped)", dim=True, nl=False)
    click.echo()
    return "".join(pieces)
