"""The results as a table: for the terminal, for docs/performance.md, as JSON. It measures nothing."""

import datetime
import json
import os
import platform
from pathlib import Path

from bench.figures import FIGURES

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_VERDICT = {True: "pass", False: "MISS", None: ""}
_COLUMNS = ("figure", "value", "unit", "bar", "", "LiteLLM 1.106.2")


def machine() -> str:
    """CPU, cores, memory, kernel, Python: what a figure is worth nothing without."""
    cpu = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{cpu}, {cores} cores, {memory:.0f} GB, Linux {platform.release()}, {python}"


def number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def rows(values: dict[str, float]) -> list[tuple[str, ...]]:
    """One row for each figure that has a value, in the order of FIGURES."""
    return [
        (
            figure.title,
            number(values[name]),
            figure.unit,
            "" if figure.bar is None else f"≤ {figure.bar:g}",
            _VERDICT[figure.met(values[name])],
            figure.litellm,
        )
        for name, figure in FIGURES.items()
        if name in values
    ]


def missed(values: dict[str, float]) -> list[str]:
    return [name for name, value in values.items() if FIGURES[name].met(value) is False]


def as_text(values: dict[str, float]) -> str:
    table = [_COLUMNS, *rows(values)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_COLUMNS))]
    lines = [
        "  ".join(cell.rjust(width) if column == 1 else cell.ljust(width) for column, (cell, width) in pairs)
        for pairs in (list(enumerate(zip(row, widths, strict=True))) for row in table)
    ]
    return "\n".join(line.rstrip() for line in lines)


def as_markdown(values: dict[str, float]) -> str:
    lines = [
        f"Measured on {datetime.datetime.now(datetime.UTC):%Y-%m-%d} on: {machine()}.",
        "",
        "| " + " | ".join(_COLUMNS) + " |",
        "|---|--:|---|---|---|---|",
        *("| " + " | ".join(row) + " |" for row in rows(values)),
    ]
    return "\n".join(lines)


def write_docs(path: Path, values: dict[str, float]) -> None:
    """Replace what stands between the markers in `path`. Raises ValueError when it has none."""
    text = path.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path}: {BEGIN} and {END} expected")
    path.write_text(f"{before}{BEGIN}\n{as_markdown(values)}\n{END}{after}")


def write_json(path: Path, values: dict[str, float]) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    report = {"machine": machine(), "at": now, "figures": values, "missed": missed(values)}
    path.write_text(json.dumps(report, indent=2) + "\n")
