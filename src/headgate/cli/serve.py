"""`headgate serve`: reads settings and configuration, says what it is going to do, and runs the gateway."""

import errno
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any

import click
import msgspec

from headgate.errors import HeadgateError
from headgate.server.config import load, master
from headgate.server.config.report import ConfigError, Problem, render
from headgate.server.config.schema import Config
from headgate.server.config.settings import StartSettings, start_settings


def serve(given: Mapping[str, Any], env: Mapping[str, str]) -> int:
    """The exit status: 2 for a configuration that can't be used, 1 for a start that failed."""
    try:
        start = start_settings(given, env, platform=sys.platform)
        config = load.load(start.config, env) if start.config else load.empty(env)
    except ConfigError as error:
        click.echo(render(error.problems), err=True)
        return 2
    key = config.general.master_key
    host = start.host or master.default_host(key)
    permit = config.general.dangerously_permit_weak_or_unset_master_key
    if (refusal := master.refusal(key, host, permit_weak=permit)) is not None:
        click.echo(refusal, err=True)
        return 2
    _say_problems((*config.warnings, *start.warnings))
    from headgate.server import workers
    from headgate.server.run import run

    if start.workers > 1 and (reason := workers.too_long(start.data_dir)) is not None:
        click.echo(reason, err=True)
        return 2
    try:
        start = msgspec.structs.replace(start, port=_free(host, start.port))
        _greet(config, start, host)
        for number in workers.STOP:
            signal.signal(number, workers.told_to_stop)
        return run(config, start, env, host)
    except OSError as error:
        if error.filename is not None:
            click.echo(f"can't start: {error.strerror}: {error.filename}", err=True)
            return 1
        other = "; --port chooses another" if error.errno == errno.EADDRINUSE else ""
        click.echo(f"can't listen on {host}:{start.port}: {error.strerror or error}{other}", err=True)
    except HeadgateError as error:
        click.echo(f"can't start: {error.message}", err=True)
    return 1


def _free(host: str, port: int) -> int:
    """The port, or a free one for 0, before we say that we are there. Raises OSError where it is taken: by another
    gateway's workers too, who would share it with ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        return int(sock.getsockname()[1])


def _say_problems(problems: tuple[Problem, ...]) -> None:
    if problems:
        click.echo(render(problems) + "\n", err=True)


def _greet(config: Config, start: StartSettings, host: str) -> None:
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0") else host  # noqa: S104 -- only compared
    scheme = "https" if start.ssl_certfile else "http"
    base = f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{start.port}{start.root_path}"
    names = list(dict.fromkeys(entry.name for entry in config.models))
    model = next((name for name in names if "*" not in name), "mock/echo")
    key = config.general.master_key
    auth = ' -H "Authorization: Bearer $LITELLM_MASTER_KEY"' if key else ""
    sdk_key = 'os.environ["LITELLM_MASTER_KEY"]' if key else '"none"'
    imports = "import os\n    " if key else ""
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    reach = "" if key else "\nNo master key is set: only this machine can reach it."
    click.echo(
        f"""Headgate at {base}
Models: {", ".join(names[:6])}{more}{reach}

Try it:
    curl {base}/v1/chat/completions{auth} -H "Content-Type: application/json" \\
      -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello, Headgate!"}}]}}'

    {imports}from openai import OpenAI
    client = OpenAI(base_url="{base}/v1", api_key={sdk_key})
    answer = client.chat.completions.create(
        model="{model}", messages=[{{"role": "user", "content": "Hello, Headgate!"}}]
    )
    print(answer.choices[0].message.content)
"""
    )
    sys.stdout.flush()
