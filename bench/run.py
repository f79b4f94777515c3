"""The command: reads the options, runs the scenarios, prints the table."""

import argparse
import shutil
import tempfile
from pathlib import Path

from bench import procs, report
from bench.load import LoadError
from bench.scenarios import SCENARIOS, Bench
from bench.subjects import DEFAULT_COMMAND, ROOT, Nginx

DOCS = ROOT / "docs" / "performance.md"
FILES_NEEDED = 3_000  # for 1,000 streams: two sockets each, and what else is open
QUICK = {"calls": 4_000, "rounds": 1, "seconds": 3.0}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure what the gateway costs.")
    parser.add_argument("--quick", action="store_true", help="fewer calls, shorter streams: about a minute")
    parser.add_argument("--full", action="store_true", help="also measure the installed size (uses pip)")
    parser.add_argument("--only", action="append", choices=list(SCENARIOS), help="this scenario; repeatable")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a bar is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--update-docs", action="store_true", help=f"rewrite the table in {DOCS.name}")
    parser.add_argument("--command", default=DEFAULT_COMMAND, help="another gateway, by its command line")
    return parser.parse_args()


def _bench(options: argparse.Namespace, folder: Path) -> Bench:
    bench = Bench(folder, full=options.full, command=options.command, **(QUICK if options.quick else {}))
    if len(procs.CORES) < 2:
        print("Only one core: gateway, upstream and load share it, so delays and rates say little.")
    if procs.raise_file_limit() < FILES_NEEDED:
        bench.streams = 100
        print("Few open files allowed (ulimit -n): 100 paced streams instead of 1,000.")
    if not Nginx.installed():
        bench.nginx_wanted = False
        print("nginx is not installed: no comparison with it (apt-get install nginx-light).")
    if shutil.which("wrk") is None:
        bench.wrk_wanted = False
        print("wrk is not installed: no rates (apt-get install wrk).")
    return bench


def main() -> int:
    options = _options()
    values: dict[str, float] = {}
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        bench = _bench(options, Path(folder))
        try:
            for name in options.only or SCENARIOS:
                print(f"{name} …", flush=True)
                try:
                    values.update(SCENARIOS[name](bench))
                except (LoadError, RuntimeError, OSError) as error:
                    failed.append(name)
                    print(f"{name} failed: {error}", flush=True)
        finally:
            bench.close()
    print(f"\n{report.machine()}\n\n{report.as_text(values)}")
    return _conclude(options, values, failed)


def _conclude(options: argparse.Namespace, values: dict[str, float], failed: list[str]) -> int:
    if options.json:
        report.write_json(options.json, values)
    if options.update_docs:
        report.write_docs(DOCS, values)
    missed = report.missed(values)
    if missed:
        print(f"\nBars missed: {', '.join(missed)}")
    if failed:
        print(f"\nScenarios that failed: {', '.join(failed)}")
        return 1
    return 1 if missed and options.strict else 0
