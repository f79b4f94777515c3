"""The scenarios: what is done to the gateway, and the figures that come of it.

A scenario is a function of the Bench that yields (name in FIGURES, value). The gateway and nginx take turns,
and of several rounds the one with the least CPU counts, for both: whatever else the machine does only adds.
"""

import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import uvloop

from bench import wire
from bench.load import Check, Load, PacedRun, Run, check_stream, check_whole, read_streams
from bench.procs import OTHER_CORE, SUBJECT_CORE, pinned
from bench.subjects import DEFAULT_COMMAND, ROOT, Gateway, Nginx, Servers, Upstream

CONNECTIONS = 64
PACED_ROUNDS = 3  # at most: they take long
MB = 1_000_000
Figures = Iterator[tuple[str, float]]


@dataclass
class Bench:
    """What the scenarios share: settings, and the processes, each started when first needed."""

    folder: Path
    calls: int = 20_000  # per round; what is dearer than a small request makes fewer
    rounds: int = 5
    streams: int = 1_000
    seconds: float = 10.0  # of the window on paced streams
    full: bool = False  # also install the package in a fresh virtual environment
    nginx_wanted: bool = True
    wrk_wanted: bool = True
    command: str = DEFAULT_COMMAND

    @cached_property
    def upstream(self) -> Upstream:
        return Upstream(self.folder)

    @cached_property
    def gateway(self) -> Gateway:
        return Gateway(self.folder, self.upstream, self.command)

    @cached_property
    def nginx(self) -> Nginx | None:
        return Nginx(self.folder, self.upstream) if self.nginx_wanted else None

    @cached_property
    def direct(self) -> PacedRun:
        """The paced streams read straight from the upstream."""
        return watch_streams(self, self.upstream.port, "gpt-bench-paced", lambda: 0)[0]

    @property
    def proxies(self) -> list[tuple[str, Gateway | Nginx]]:
        """(suffix of the figure, process) of each to be measured."""
        both: list[tuple[str, Gateway | Nginx]] = [("cpu", self.gateway)]
        return [*both, ("nginx", self.nginx)] if self.nginx else both

    def close(self) -> None:
        for name in ("gateway", "nginx", "upstream"):
            subject = self.__dict__.get(name)
            if subject is not None:
                subject.process.stop()


def run_calls(port: int, body: bytes, check: Check, calls: int, connections: int = CONNECTIONS) -> Run:
    return measure_calls(port, body, check, calls, connections, lambda: 0)[0]


def measure_calls(
    port: int,
    body: bytes,
    check: Check,
    calls: int,
    connections: int,
    clock: Callable[[], int],
    key: str = wire.KEY,
) -> tuple[Run, int]:
    """Warm up, make the calls, and say what they added to `clock`."""
    request = wire.chat_request(f"127.0.0.1:{port}", body, key)

    async def work() -> tuple[Run, int]:
        async with Load(port, request, check, connections) as load:
            await load.run(max(connections, calls // 10))
            before = clock()
            run = await load.run(calls)
            return run, clock() - before

    with pinned(OTHER_CORE):
        return uvloop.run(work())


def cpu_per_call(
    bench: Bench, body: bytes, check: Check, calls: int, *, stream: bool = False, nginx: bool = True
) -> dict[str, float]:
    """{"cpu": µs per call of the gateway, "nginx": of nginx}; the best of the rounds."""
    best: dict[str, float] = {}
    for _ in range(bench.rounds):
        for suffix, proxy in bench.proxies if nginx else bench.proxies[:1]:
            port = proxy.stream_port if stream else proxy.port
            _, cpu_ns = measure_calls(port, body, check, calls, CONNECTIONS, proxy.process.cpu_ns)
            best[suffix] = min(best.get(suffix, float("inf")), cpu_ns / calls / 1000)
    return best


def _with_ratio(name: str, found: dict[str, float], per: int = 1, ratio: bool = True) -> Figures:
    for suffix, value in found.items():
        yield f"{name}.{suffix}", value / per
    if ratio and "nginx" in found:
        yield f"{name}.ratio", found["cpu"] / found["nginx"]


def chat(bench: Bench) -> Figures:
    """A small chat request, 64 connections; then one connection, for the latency; then wrk, for the rate."""
    body, check = wire.chat_body("gpt-bench"), check_whole(wire.CHAT_WHOLE)
    yield from _with_ratio("chat", cpu_per_call(bench, body, check, bench.calls))
    calls = bench.calls // 10
    direct = run_calls(bench.upstream.port, body, check, calls, connections=1)
    through = run_calls(bench.gateway.port, body, check, calls, connections=1)
    yield "chat.p50", through.latency(0.5) - direct.latency(0.5)
    yield "chat.p99", through.latency(0.99) - direct.latency(0.99)
    if bench.wrk_wanted:
        for name, proxy in zip(("chat.rate", "chat.nginx_rate"), (p for _, p in bench.proxies), strict=False):
            yield name, wrk_rate(bench, proxy.port, body)


def keyed(bench: Bench) -> Figures:
    """The same request with a virtual key that has a budget, rpm, tpm and parallel limits, in a team with its own;
    every call is written to the ledger and moved to the database while it is measured."""
    yield "keyed.cpu", _with_key(bench, bench.gateway)


def shared(bench: Bench) -> Figures:
    """The same on PostgreSQL and Redis, as one of several replicas would make it. Their own CPU is not counted."""
    folder = bench.folder / "shared"
    folder.mkdir()
    servers = Servers(folder)
    gateway = Gateway(folder, bench.upstream, bench.command, servers.env)
    try:
        yield "shared.cpu", _with_key(bench, gateway)
    finally:
        gateway.process.stop()
        servers.stop()


def _with_key(bench: Bench, gateway: Gateway) -> float:
    """µs per call, the best of the rounds."""
    key = new_key(gateway)
    body, check = wire.chat_body("gpt-bench"), check_whole(wire.CHAT_WHOLE)
    best = float("inf")
    for _ in range(bench.rounds):
        clock = gateway.process.cpu_ns
        _, cpu_ns = measure_calls(gateway.port, body, check, bench.calls, CONNECTIONS, clock, key)
        best = min(best, cpu_ns / bench.calls / 1000)
    return best


def new_key(gateway: Gateway) -> str:
    limits = {"max_budget": 100_000, "rpm_limit": 10**9, "tpm_limit": 10**12, "max_parallel_requests": 10_000}
    team = _manage(gateway.port, "/team/new", {"team_alias": "bench", **limits})
    return _manage(gateway.port, "/key/generate", {"team_id": team["team_id"], **limits})["key"]


def _manage(port: int, path: str, body: dict[str, object]) -> dict[str, str]:
    headers = {"authorization": f"Bearer {wire.KEY}", "content-type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, str] = json.load(answer)
    return found


def large(bench: Bench) -> Figures:
    """A chat request with a prompt of 100 KB."""
    body = wire.chat_body("gpt-bench", prompt_size=100_000)
    found = cpu_per_call(bench, body, check_whole(wire.CHAT_WHOLE), bench.calls // 5)
    yield from _with_ratio("large", found)


def burst(bench: Bench) -> Figures:
    """A stream of 100 chunks that arrive in one write."""
    body = wire.chat_body("gpt-bench", stream=True)
    found = cpu_per_call(bench, body, check_stream(wire.BURST_CHUNKS), bench.calls // 10, stream=True)
    yield from _with_ratio("burst", found, per=wire.BURST_CHUNKS, ratio=False)


def claude(bench: Bench) -> Figures:
    """Chat in, Anthropic Messages upstream: whole, and streamed in a burst."""
    found = cpu_per_call(bench, wire.chat_body("claude-bench"), check_whole(), bench.calls // 2, nginx=False)
    yield "claude.cpu", found["cpu"]
    body, check = wire.chat_body("claude-bench", stream=True), check_stream(wire.BURST_CHUNKS)
    found = cpu_per_call(bench, body, check, bench.calls // 20, stream=True, nginx=False)
    yield "claude_burst.cpu", found["cpu"] / wire.BURST_CHUNKS


def watch_streams(bench: Bench, port: int, model: str, clock: Callable[[], int]) -> tuple[PacedRun, float]:
    """Read paced streams: their delays, and what `clock` counted per chunk, in µs."""
    edges: list[int] = []

    def request(tokens: int) -> bytes:
        return wire.chat_request(f"127.0.0.1:{port}", wire.chat_body(model, stream=True, tokens=tokens))

    with pinned(OTHER_CORE):
        run = uvloop.run(
            read_streams(port, request, bench.streams, bench.seconds, lambda: edges.append(clock()))
        )
    return run, (edges[1] - edges[0]) / len(run.delays) / 1000


def watch_proxies(bench: Bench, model: str, nginx: bool = True) -> tuple[PacedRun, dict[str, float]]:
    """Paced streams through each proxy in turn: the gateway's delays in all rounds, each one's best CPU."""
    delays = PacedRun(bench.streams, 0.0)
    best: dict[str, float] = {}
    for _ in range(min(bench.rounds, PACED_ROUNDS)):
        for suffix, proxy in bench.proxies if nginx else bench.proxies[:1]:
            run, cpu = watch_streams(bench, proxy.stream_port, model, proxy.process.cpu_ns)
            best[suffix] = min(best.get(suffix, float("inf")), cpu)
            if proxy is bench.gateway:
                delays.delays.extend(run.delays)
                delays.seconds += run.seconds
    return delays, best


def paced(bench: Bench) -> Figures:
    """1,000 streams of 20 tokens a second, each token a TCP segment of its own."""
    through, best = watch_proxies(bench, "gpt-bench-paced")
    yield from _with_ratio("paced", best)
    yield "paced.p50", through.delay(0.5) - bench.direct.delay(0.5)
    yield "paced.p99", through.delay(0.99) - bench.direct.delay(0.99)
    yield "paced.direct_p99", bench.direct.delay(0.99)


def claude_paced(bench: Bench) -> Figures:
    """The same streams from Anthropic's events, translated."""
    through, best = watch_proxies(bench, "claude-bench-paced", nginx=False)
    yield "claude_paced.cpu", best["cpu"]
    yield "claude_paced.p99", through.delay(0.99) - bench.direct.delay(0.99)


def sdk(bench: Bench) -> Figures:
    """The SDK against the upstream, in a process of its own on the core of the gateway."""
    kinds = [
        ("sdk.cpu", "async", 4, 1),
        ("sdk.stream", "stream", 20, wire.BURST_CHUNKS),
        ("sdk.sync", "sync", 8, 1),
    ]
    for name, kind, share, per in kinds:
        calls = bench.calls // share
        command = [sys.executable, "-m", "bench.sdk", "--kind", kind]
        command += ["--port", str(bench.upstream.port), "--calls", str(calls)]
        best = min(json.loads(run_pinned(command))["cpu_ns_per_call"] for _ in range(bench.rounds))
        yield name, best / per / 1000


_IMPORT = """
import os, time
def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
bare, began = rss(), time.perf_counter()
{statement}
print(time.perf_counter() - began, bare, rss())
"""


def imports(bench: Bench) -> Figures:
    """The import, and the import of a function, in fresh processes: the quickest of several."""
    statements = {"": "import headgate", "call_": "from headgate import acompletion"}
    for prefix, statement in statements.items():
        command = [sys.executable, "-c", _IMPORT.format(statement=statement)]
        samples = [[float(word) for word in run_pinned(command).split()] for _ in range(bench.rounds + 3)]
        seconds, bare, rss = min(samples)
        yield f"import.{prefix}time", seconds * 1000
        yield f"import.{prefix}memory", rss / MB
        if not prefix:
            yield "import.added", (rss - bare) / MB


def start(bench: Bench) -> Figures:
    """From the start of the process to the first 200 of its readiness, and the memory that it holds then."""
    ready, rss, pss = [], [], []
    for number in range(bench.rounds):
        folder = bench.folder / f"start{number}"
        folder.mkdir()
        gateway = Gateway(folder, bench.upstream, bench.command)
        try:
            ready.append(gateway.ready)
            memory = gateway.process.memory()
            rss.append(memory[0])
            pss.append(memory[1])
        finally:
            gateway.process.stop()
    yield "start.ready", min(ready)
    yield "start.rss", max(rss) / MB
    yield "start.pss", max(pss) / MB


def loaded(bench: Bench) -> Figures:
    """The memory of the gateway that took the load of the scenarios before."""
    if "gateway" in bench.__dict__:
        yield "start.loaded", bench.gateway.process.memory()[0] / MB


def size(bench: Bench) -> Figures:
    """What `pip install .` puts on the disk of a fresh virtual environment. Only in a full run."""
    if not bench.full:
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [str(Path(folder) / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "."]
        subprocess.run(pip, check=True, cwd=ROOT)
        site = next(Path(folder).glob("lib/python*/site-packages"))
        tools = re.compile(r"(pip|setuptools|pkg_resources|_distutils_hack|distutils-precedence)([-.].*)?$")
        files = (
            path
            for entry in site.iterdir()
            if not tools.match(entry.name)
            for path in (entry, *entry.rglob("*"))
        )
        yield "size.installed", sum(path.lstat().st_blocks * 512 for path in files) / MB


def run_pinned(command: list[str]) -> str:
    with pinned(SUBJECT_CORE):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:4])} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def wrk_rate(bench: Bench, port: int, body: bytes) -> float:
    """Requests per second that wrk gets: a check on our own load generator, and cheaper than it."""
    script = bench.folder / "post.lua"
    script.write_text(
        'wrk.method = "POST"\n'
        f"wrk.body = [==[{body.decode()}]==]\n"
        'wrk.headers["content-type"] = "application/json"\n'
        f'wrk.headers["authorization"] = "Bearer {wire.KEY}"\n'
    )
    duration = f"{max(2, round(bench.seconds / 2))}s"
    url = f"http://127.0.0.1:{port}{wire.CHAT}"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{duration}", "-s", str(script), url]
    with pinned(OTHER_CORE):
        text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"wrk saw errors:\n{text}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if found is None:
        raise RuntimeError(f"wrk said something else:\n{text}")
    return float(found[1])


SCENARIOS: dict[str, Callable[[Bench], Figures]] = {
    "start": start,
    "import": imports,
    "sdk": sdk,
    "chat": chat,
    "keyed": keyed,
    "shared": shared,
    "large": large,
    "burst": burst,
    "claude": claude,
    "paced": paced,
    "claude_paced": claude_paced,
    "loaded": loaded,
    "size": size,
}
