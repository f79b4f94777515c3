"""`headgate serve` as a process: what it says, how it ends, several workers, and starts that can't be."""

import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from servers import KEY, Upstream

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and workers are POSIX's")

HEADGATE = Path(sys.executable).with_name("headgate")
CHANGED = "import headgate.server.{0} as m; m.{1}; from headgate.cli.main import main; main()"
"""The same command with a constant changed."""
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for the names of sockets, wherever pytest keeps its folders."""
    with tempfile.TemporaryDirectory(prefix="hg-", dir="/tmp") as name:
        yield Path(name).resolve()


class Served:
    """A gateway's process. `said` is what it wrote before it was ready."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.port = 0
        self.said = ""

    @contextmanager
    def asking(self, path: str, body: Any = None) -> Iterator[http.client.HTTPResponse]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
            data = None if body is None else json.dumps(body)
            connection.request("GET" if data is None else "POST", path, data, headers)
            with connection.getresponse() as answer:
                yield answer

    def request(self, path: str, body: Any = None) -> str:
        with self.asking(path, body) as answer:
            text = answer.read().decode()
            assert answer.status == 200, text
            return text

    def ended(self) -> tuple[int, str, str]:
        """The exit status and the rest of what it wrote."""
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err

    def listens(self) -> bool:
        with suppress(ConnectionError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
            return True
        return False


def until(true: Callable[[], Any]) -> Any:
    """What `true` gives, as soon as it is something; at most 20 seconds."""
    end, wait = time.monotonic() + 20, threading.Event()
    while not (found := true()):
        assert time.monotonic() < end
        wait.wait(0.02)
    return found


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Nothing of the user's: no keys of providers, no data folder."""
    names = {"HOME": str(folder), "HEADGATE_DATA_DIR": str(folder / "data"), "LITELLM_MASTER_KEY": KEY}
    return {"PATH": os.environ["PATH"], **names, **more}


@contextmanager
def served(folder: Path, *words: str, change: str = "", **env: str) -> Iterator[Served]:
    module, _, rest = change.partition(".")
    begin = [sys.executable, "-c", CHANGED.format(module, rest)] if change else [str(HEADGATE)]
    process = subprocess.Popen(
        [*begin, "serve", "--host", "127.0.0.1", "--port", "0", *words],
        env=environment(folder, **env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    gateway = Served(process)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            gateway.said += line
            if "print(" in line:
                break
        gateway.port = int(gateway.said.split("http://localhost:")[1].split("\n")[0])
        until(lambda: process.poll() is not None or gateway.listens())
        assert process.poll() is None, process.communicate()
        yield gateway
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def chat(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}


def configured(folder: Path, upstream: Upstream) -> str:
    file = folder / "config.yaml"
    entry = {"model": "openai/gpt-4o", "api_base": upstream.base, "api_key": "sk-upstream"}
    file.write_text(yaml.safe_dump({"model_list": [{"model_name": "gpt", "litellm_params": entry}]}))
    return str(file)


def test_the_command_that_it_prints_works(folder: Path) -> None:
    with served(folder) as gateway:
        printed = re.search(r"^    (curl .*?)\n\n", gateway.said, re.MULTILINE | re.DOTALL)
        assert printed is not None, gateway.said
        words = shlex.split(printed[1].replace("\\\n", " ").replace("$LITELLM_MASTER_KEY", KEY))
        address, body = words[1], words[words.index("-d") + 1]
        assert address == f"http://localhost:{gateway.port}/v1/chat/completions"
        assert f"Authorization: Bearer {KEY}" in words
        answer = json.loads(gateway.request("/v1/chat/completions", json.loads(body)))
        assert answer["choices"][0]["message"]["content"] == "Hello, Headgate!"
        assert f"http://localhost:{gateway.port}/v1" in gateway.said.split("OpenAI(")[1]
        assert KEY not in gateway.said
        gateway.process.send_signal(signal.SIGINT)
        status, out, err = gateway.ended()
        assert (status, err) == (0, "")
        assert "mock/echo" in out  # the call's line in the log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stream_that_runs_is_finished_before_the_end(
    folder: Path, upstream: Upstream, workers: str
) -> None:
    rest = threading.Event()

    def script(body: bytes) -> Iterator[bytes]:
        yield STREAM + EVENT
        assert rest.wait(20)
        yield EVENT * 3 + DONE

    upstream.script = script  # type: ignore[assignment]
    with served(folder, "--workers", workers, CONFIG_FILE_PATH=configured(folder, upstream)) as gateway:
        with gateway.asking("/v1/chat/completions", chat("gpt", stream=True)) as answer:
            first = answer.readline()
            gateway.process.send_signal(signal.SIGTERM)
            until(lambda: not gateway.listens())
            assert gateway.process.poll() is None
            rest.set()
            assert first + answer.read() == EVENT * 4 + DONE
        status, _, err = gateway.ended()
        assert (status, err) == (0, "")


@pytest.mark.parametrize(
    ("change", "signals"),
    [("run.DRAIN_SECONDS = 0.2", [signal.SIGTERM]), ("", [signal.SIGTERM, signal.SIGINT])],
    ids=["bound", "impatience"],
)
def test_a_stream_that_does_not_end_does_not_hold_the_process(
    folder: Path, upstream: Upstream, change: str, signals: list[int]
) -> None:
    upstream.script = lambda _: [STREAM + EVENT, b""]
    with served(folder, change=change, CONFIG_FILE_PATH=configured(folder, upstream)) as gateway:
        with gateway.asking("/v1/chat/completions", chat("gpt", stream=True)) as answer:
            answer.readline()
            for number in signals:
                gateway.process.send_signal(number)
                until(lambda: not gateway.listens())
            assert gateway.ended()[0] == 0
        assert upstream.closed.wait(5)


def children(gateway: Served) -> set[int]:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split() for line in listed.splitlines())
    return {int(pid) for pid, parent in rows if int(parent) == gateway.process.pid}


def gone(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


def calls(gateway: Served) -> float:
    """The sum over all workers, whoever answers; 0 while one of them does not."""
    text = gateway.request("/metrics")
    rows = re.findall(r"^headgate_calls_total\{.*\} (\S+)$", text, re.MULTILINE)
    return sum(map(float, rows))


def test_workers_share_a_port_and_are_replaced_when_they_die(folder: Path) -> None:
    change = "workers.QUICK = 0.0"
    with served(folder, "--workers", "2", "--data-dir", str(folder / "own"), change=change) as gateway:
        sockets = folder / "own" / "run" / str(gateway.process.pid)
        until(lambda: len(list(sockets.glob("*.sock"))) == 2)
        before = children(gateway)
        assert {int(path.stem) for path in sockets.glob("*.sock")} == before
        assert len(before) == 2
        for _ in range(20):
            gateway.request("/v1/chat/completions", chat("mock/echo"))
        assert [calls(gateway) for _ in range(8)] == [20.0] * 8
        lost = min(before)
        os.kill(lost, signal.SIGKILL)
        until(lambda: len(children(gateway)) == 2 and lost not in children(gateway))
        (new,) = children(gateway) - before
        until(lambda: (sockets / f"{new}.sock").exists())
        for _ in range(20):
            gateway.request("/v1/chat/completions", chat("mock/echo"))
        both = children(gateway)
        gateway.process.send_signal(signal.SIGTERM)
        status, _, err = gateway.ended()
        assert (status, err) == (0, f"headgate: worker {lost} ended; starting another\n")
        assert all(map(gone, both))
        assert not sockets.exists()
        assert not (folder / "data").exists()


def started(folder: Path, *words: str, code: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    begin = [sys.executable, "-c", code] if code else [str(HEADGATE), "serve", "--host", "127.0.0.1"]
    return subprocess.run(
        [*begin, *words],
        env=environment(folder, **env),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "env", "status", "says"),
    [
        (["--host", "0.0.0.0"], {"LITELLM_MASTER_KEY": "sk-1234"}, 2, "secrets.token_urlsafe"),
        ([], {"CONFIG_FILE_PATH": "bad.yaml"}, 2, "bad.yaml:4:12: error: model_list[0].litellm_params.rpm"),
        (["--port", "0"], {"HEADGATE_DATA_DIR": "/dev/null/x"}, 1, "/dev/null/x"),
        (["--port", "0", "--workers", "2", "--data-dir", "/dev/null/x"], {}, 1, "/dev/null/x"),
        (["--port", "0", "--workers", "2", "--data-dir", "/tmp/" + "x" * 99], {}, 2, "--data-dir"),
    ],
    ids=["weak key", "file", "data folder", "data folder of workers", "long data folder"],
)
def test_a_start_that_cannot_be_says_why(
    folder: Path, words: list[str], env: dict[str, str], status: int, says: str
) -> None:
    (folder / "bad.yaml").write_text(
        "model_list:\n  - model_name: gpt\n    litellm_params:\n      rpm: ten\n      model: openai/gpt-4o\n"
    )
    env = {name: str(folder / value) if value.endswith(".yaml") else value for name, value in env.items()}
    result = started(folder, *words, **env)
    assert result.returncode == status, result
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert KEY not in result.stderr


def test_workers_that_die_at_once_end_the_whole(folder: Path) -> None:
    """The second of two fails at its start; the first would wait for ever."""
    code = f"""
import os, signal, sys
from headgate.server.workers import run_workers

def work(failure):
    made = os.open(folder + str(len(failure)), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(made, b"x")
    if os.fstat(made).st_size == 2:
        exec(failure)
    signal.pause()

folder = {str(folder)!r} + "/"
for failure in ("exit(3)", "1 / 0", "os.kill(os.getpid(), 9)", "raise OSError('no room')"):
    print(run_workers(2, lambda: work(failure)), flush=True)
"""
    result = started(folder, code=code)
    assert (result.returncode, result.stdout.split()) == (0, ["3", "1", "1", "1"]), result
    assert "ZeroDivisionError" in result.stderr
    assert result.stderr.endswith("headgate: a worker can't start: no room\n")


def test_workers_do_not_share_the_port_of_another_group(folder: Path) -> None:
    """The kernel would let them, and half of the calls would go to the other gateway."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = started(folder, "--workers", "2", "--port", str(port))
    assert (result.returncode, result.stdout) == (1, "")
    assert (
        f"can't listen on 127.0.0.1:{port}: Address already in use; --port chooses another" in result.stderr
    )
