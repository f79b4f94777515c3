"""Where the gateway's time goes: one kind of load, the gateway under cProfile. `python -m bench.profiling`.

cProfile makes Python calls dearer than they are and leaves C calls as they are: read the order, not the sum.
"""

import argparse
import pstats
import signal
import sys
import tempfile
from pathlib import Path

from bench import wire
from bench.load import check_stream, check_whole
from bench.scenarios import Bench, measure_calls, new_key, watch_streams
from bench.subjects import DEFAULT_COMMAND

KINDS = ("chat", "keyed", "large", "burst", "claude", "claude_burst", "paced", "claude_paced")


def _load(bench: Bench, kind: str, calls: int) -> None:
    model = "claude-bench" if kind.startswith("claude") else "gpt-bench"
    if kind.endswith("paced"):
        watch_streams(bench, bench.gateway.stream_port, f"{model}-paced", lambda: 0)
        return
    streamed = kind.endswith("burst")
    body = wire.chat_body(model, stream=streamed, prompt_size=100_000 if kind == "large" else 0)
    check = check_stream(wire.BURST_CHUNKS) if streamed else check_whole()
    key = new_key(bench.gateway) if kind == "keyed" else wire.KEY
    measure_calls(bench.gateway.port, body, check, calls, 64, lambda: 0, key)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.profiling", description=__doc__)
    parser.add_argument("kind", choices=KINDS, nargs="?", default="chat")
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--lines", type=int, default=40)
    parser.add_argument("--sort", default="tottime")
    parser.add_argument("--command", default=DEFAULT_COMMAND)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="headgate-profile-") as folder:
        found = Path(folder) / "profile"
        command = f"{sys.executable} -m cProfile -o {found} {options.command}"
        bench = Bench(Path(folder), seconds=5.0, nginx_wanted=False, command=command)
        try:
            _load(bench, options.kind, options.calls)
            bench.gateway.process.stop(signal.SIGINT)  # ends by an exception, so that cProfile can write
        finally:
            bench.close()
        pstats.Stats(str(found)).strip_dirs().sort_stats(options.sort).print_stats(options.lines)


if __name__ == "__main__":
    main()
