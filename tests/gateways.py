"""Gateways as processes of their own, started by the command line: what dies, restarts and shares is a process."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

KEY = "sk-test-gateway-process-51c9"
CONFIG = {
    "model_list": [
        {
            "model_name": "m",
            "litellm_params": {
                "model": "mock/echo",
                "input_cost_per_token": 0,
                "output_cost_per_token": 0.001,
            },
        }
    ],
    "general_settings": {"master_key": KEY},
}
"""A model whose answers cost a tenth of a cent per word."""


class Process:
    """`start` waits until it answers. `log` is what it wrote."""

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any] = CONFIG,
        env: Mapping[str, str] | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config = folder / "config.yaml"
        self.config.write_text(yaml.safe_dump(dict(config)))
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **(env or {})}
        self.options = options
        self.port = _free_port()
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> "Process":
        command = [str(Path(sys.executable).parent / "headgate"), "serve", "--config", str(self.config)]
        command += ["--port", str(self.port), "--data-dir", str(self.folder / "data"), *self.options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)
        until = time.monotonic() + 30
        while time.monotonic() < until and self._process.poll() is None:
            try:
                if self.ask("/health/readiness")[0] == 200:
                    return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"the gateway did not start: {self.log}")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        return process.wait(timeout=30)

    def hang_up(self) -> None:
        os.kill(self.pid, signal.SIGHUP)

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not true():
            assert time.monotonic() < end, self.log
            time.sleep(0.02)

    def ask(
        self, path: str, body: Any = None, key: str = KEY, headers: Mapping[str, str] = {}
    ) -> tuple[int, Any]:
        """One request: status and JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            data = None if body is None else json.dumps(body)
            own = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            connection.request("GET" if data is None else "POST", path, data, {**own, **headers})
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content[:1] in b'{["' else content
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
