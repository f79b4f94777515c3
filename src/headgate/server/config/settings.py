"""How the server starts: from the command line, else `HEADGATE_*`, else LiteLLM's variables, else defaults.

Reads mappings only; the process's environment is handed in by whoever starts.
"""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any, Final, Literal

from msgspec import Struct

from headgate.server.config.kinds import KINDS
from headgate.server.config.load import ENVIRONMENT
from headgate.server.config.nearest import nearest
from headgate.server.config.report import ConfigError, Place, Problem, Report, shown

COMMAND_LINE: Final = "command line"
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
MAX_WORKERS: Final = 512


class StartSettings(Struct, frozen=True, kw_only=True):
    """`host` and `log_format` None leave it to the configuration: `master.default_host`, `json_logs`.

    `sources` says where each value that is no default came from, such as "PORT" or "--port". `warnings` name
    variables of LiteLLM's that are set and have no effect.
    """

    host: str | None = None
    port: int = 4000
    workers: int = 1
    config: Path | None = None
    data_dir: Path
    log_format: Literal["text", "json"] | None = None
    log_level: str = "info"
    root_path: str = ""
    keepalive_timeout: float = 75.0
    ssl_keyfile: Path | None = None
    ssl_certfile: Path | None = None
    sources: dict[str, str] = {}
    warnings: tuple[Problem, ...] = ()


class _Setting(Struct, frozen=True):
    """`variables` in the order in which they are asked. `read` raises ValueError."""

    field: str
    variables: tuple[str, ...]
    expected: str
    read: Callable[[Any], Any]
    choices: tuple[str, ...] = ()


def start_settings(
    args: Mapping[str, Any], env: Mapping[str, str], *, platform: str = "linux"
) -> StartSettings:
    """`args` by field name, None for what was not given; `platform` as `sys.platform` says it.

    Raises ConfigError with every value that is wrong.
    """
    report = Report()
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        given, file, source = _given(setting, args, env)
        if given is None:
            continue
        value = _read(setting, given, Place(file), source, report)
        if value is not None:
            values[setting.field] = value
            sources[setting.field] = source
    if "data_dir" not in values and (folder := default_data_dir(env, platform)) is not None:
        values["data_dir"] = folder
    elif "data_dir" not in values:
        expected = "a folder to keep data in: this user has no home, so give --data-dir"
        report.error(Place(ENVIRONMENT), "HEADGATE_DATA_DIR", "", expected=expected)
    if ("ssl_keyfile" in values) != ("ssl_certfile" in values):
        missing = "ssl_certfile" if "ssl_keyfile" in values else "ssl_keyfile"
        source = next(iter(sources[name] for name in ("ssl_keyfile", "ssl_certfile") if name in sources))
        report.error(Place(ENVIRONMENT), source, f"{missing} is missing: a key and a certificate go together")
    if report.failed:
        raise ConfigError(report.problems)
    return StartSettings(**values, sources=sources, warnings=_unused(env))


def default_data_dir(env: Mapping[str, str], platform: str) -> Path | None:
    """The user's data folder by the platform's conventions; None where there is no home.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    home = env.get("USERPROFILE" if platform == "win32" else "HOME", "")
    if platform == "win32":
        base = env.get("LOCALAPPDATA", "") or (home and str(Path(home) / "AppData" / "Local"))
    elif platform == "darwin":
        base = home and str(Path(home) / "Library" / "Application Support")
    else:
        base = env.get("XDG_DATA_HOME", "")
        if not base.startswith("/"):  # relative ones are to be ignored
            base = home and str(Path(home) / ".local" / "share")
    return Path(base) / "headgate" if base else None


def _given(setting: _Setting, args: Mapping[str, Any], env: Mapping[str, str]) -> tuple[Any, str, str]:
    if args.get(setting.field) is not None:
        return args[setting.field], COMMAND_LINE, f"--{setting.field.replace('_', '-')}"
    name = next((name for name in setting.variables if env.get(name, "").strip()), "")
    return (env[name].strip(), ENVIRONMENT, name) if name else (None, "", "")


def _read(setting: _Setting, given: Any, place: Place, source: str, report: Report) -> Any:
    try:
        return setting.read(given)
    except (ValueError, OverflowError):
        near = nearest(str(given), setting.choices) if setting.choices else None
        report.error(place, source, "", expected=setting.expected, found=shown(given, source), near=near)
        return None


def _port(value: Any) -> int:
    return _between(value, 0, 65535)


def _workers(value: Any) -> int:
    return _between(value, 1, MAX_WORKERS)


def _between(value: Any, low: int, high: int) -> int:
    number = int(KINDS["whole"].read(value, None))
    if not low <= number <= high:
        raise ValueError
    return number


def _host(value: Any) -> str:
    text = str(value).strip()
    if not text or "/" in text or any(char.isspace() for char in text):
        raise ValueError
    return text.removeprefix("[").removesuffix("]")


def _path(value: Any) -> Path:
    text = str(value) if isinstance(value, PurePath) else value
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError from None


def _level(value: Any) -> str:
    level = (
        str(value).lower().replace("warn", "warning") if str(value).lower() == "warn" else str(value).lower()
    )
    if level not in LEVELS:
        raise ValueError
    return level


def _format(value: Any) -> str:
    """`json` or `text`, or LiteLLM's flag JSON_LOGS."""
    text = str(value).lower()
    return text if text in ("text", "json") else ("text", "json")[KINDS["flag"].read(value, None)]


def _root_path(value: Any) -> str:
    text = str(value).strip().rstrip("/")
    if text and (not text.startswith("/") or any(char in text for char in "?# ")):
        raise ValueError
    return text


def _seconds(value: Any) -> float:
    return float(KINDS["seconds"].read(value, None))


SETTINGS: Final = (
    _Setting("host", ("HEADGATE_HOST", "HOST"), "a host name or an IP address without port", _host),
    _Setting("port", ("HEADGATE_PORT", "PORT"), "a port from 0 to 65535 (0: any free one)", _port),
    _Setting(
        "workers",
        ("HEADGATE_WORKERS", "HEADGATE_NUM_WORKERS", "NUM_WORKERS"),
        f"a number of processes from 1 to {MAX_WORKERS}",
        _workers,
    ),
    _Setting(
        "config",
        ("HEADGATE_CONFIG", "HEADGATE_CONFIG_FILE_PATH", "CONFIG_FILE_PATH"),
        "the path of a file",
        _path,
    ),
    _Setting("data_dir", ("HEADGATE_DATA_DIR",), "the path of a folder", _path),
    _Setting("log_format", ("HEADGATE_LOG_FORMAT", "JSON_LOGS"), "text or json", _format, ("text", "json")),
    _Setting("log_level", ("HEADGATE_LOG", "LITELLM_LOG"), "one of " + ", ".join(LEVELS), _level, LEVELS),
    _Setting(
        "root_path",
        ("HEADGATE_SERVER_ROOT_PATH", "SERVER_ROOT_PATH"),
        "a path that begins with /, such as /llm",
        _root_path,
    ),
    _Setting(
        "keepalive_timeout",
        ("HEADGATE_KEEPALIVE_TIMEOUT", "KEEPALIVE_TIMEOUT"),
        "a number of seconds above 0",
        _seconds,
    ),
    _Setting("ssl_keyfile", ("HEADGATE_SSL_KEYFILE_PATH", "SSL_KEYFILE_PATH"), "the path of a file", _path),
    _Setting(
        "ssl_certfile", ("HEADGATE_SSL_CERTFILE_PATH", "SSL_CERTFILE_PATH"), "the path of a file", _path
    ),
)

NOT_USED: Final = tuple(
    """DATABASE_HOST DIRECT_URL WORKER_CONFIG LITELLM_CONFIG_BUCKET_NAME
    MAX_REQUESTS_BEFORE_RESTART LIMIT_CONCURRENCY SEPARATE_HEALTH_APP LITELLM_WORKER_STARTUP_HOOKS
    LITELLM_CORS_ORIGINS LITELLM_ENABLE_HSTS DISABLE_ADMIN_ENDPOINTS DISABLE_LLM_API_ENDPOINTS DOCS_URL
    ROOT_REDIRECT_URL PROXY_BASE_URL UI_USERNAME UI_PASSWORD SLACK_WEBHOOK_URL LITELLM_LICENSE""".split()
)
"""Variables that LiteLLM's operators set and that have no effect yet."""


def _unused(env: Mapping[str, str]) -> tuple[Problem, ...]:
    message = "is a LiteLLM variable that Headgate does not use yet: it has no effect"
    return tuple(
        Problem(severity="warning", file=ENVIRONMENT, path=name, message=message)
        for name in NOT_USED
        if env.get(name)
    )
