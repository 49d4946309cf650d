"""A run as tables on a terminal. rich is imported only when one is printed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from optgen.tools.timing import TIMINGS
from optgen_bench import machine
from optgen_bench.records import Case, Measurement, Ratio, Report
from optgen_bench.report import compile_time, duration, heading, size

PEER_WINS = "◀ peer wins"
SAME = "≈"
NOTE = (
    "1.60× is 1.60 times as fast as the peer of the row · ≈ the interquartile ranges overlap · "
    "± half of that range"
)
BUSY = 0.1  # share of the cores' time beyond which figures are doubted
WIDE = 140  # columns, where the output is no terminal and would be cut at 80


def show(report: Report, console: Any) -> None:
    """Prints a table for each case to a `rich.console.Console`."""
    with wide(console):
        title = f"{machine.title(report.machine)} · {report.date}"
        console.print(title, style="bold", markup=False, highlight=False)
        if (report.machine.busy or 0) > BUSY:
            console.print(
                f"Other programs took {report.machine.busy:.0%} of the cores' time: the figures "
                "say little. Run again when the machine is quiet.",
                style="red",
                highlight=False,
            )
        for case in report.cases:
            console.print()
            console.print(heading(case), style="bold", markup=False, highlight=False)
            console.print(_table(case))
            for line, style in _notes(case):
                console.print(line, style=style, markup=False, highlight=False)
        console.print(NOTE, style="dim", markup=False, highlight=False)
        about = TIMINGS[report.timing].about
        console.print(f"The times: {about}", style="dim", markup=False, highlight=False)


def verdict(ratio: Ratio) -> str:
    """Returns a ratio as its cell shows it; a peer's win is always named, however small."""
    parts = [f"{ratio.value:.2f}×"]
    parts += [SAME] * ratio.within_spread
    parts += [PEER_WINS] * ratio.peer_wins
    return " ".join(parts)


def _table(case: Case) -> Any:
    from rich.table import Table

    ours = [m.name for m in case.measurements if m.ours]
    verdicts = {(r.ours, r.peer): verdict(r) for r in case.ratios}
    losses = {r.peer for r in case.ratios if r.peer_wins}
    compared = [name for name in ours if any(name == r.ours for r in case.ratios)]
    table = Table()
    table.add_column("", no_wrap=True)
    for column in ("step", "±", "GB/s", "of roof", "launches", "compile", "peak"):
        table.add_column(column, justify="right")
    for name in compared:
        table.add_column(f"{name} is")
    for measurement in case.measurements:
        style = "bold" if measurement.ours else "yellow" if measurement.name in losses else None
        ratios = [verdicts.get((name, measurement.name), "") for name in compared]
        table.add_row(*_cells(measurement), *ratios, style=style)
    if case.roof is not None and case.roof_seconds is not None:
        table.add_section()
        table.add_row(*_roof_cells(case), style="dim")
    return table


def _cells(measurement: Measurement) -> list[str]:
    rate, share = measurement.bytes_per_second, measurement.roof_share
    return [
        measurement.name,
        duration(measurement.time.median),
        f"{measurement.time.relative:.0%}",
        "" if rate is None else f"{rate / 1e9:.1f}",
        "" if share is None else f"{share:.2f}",
        "" if measurement.launches is None else str(measurement.launches),
        compile_time(measurement.costs),
        size(measurement.costs.peak_bytes),
    ]


def _roof_cells(case: Case) -> list[str]:
    """The time of the case's bytes at the bandwidth that was measured."""
    assert case.roof is not None
    assert case.roof_seconds is not None
    return [
        "roof",
        duration(case.roof_seconds),
        f"{case.roof.time.relative:.0%}",
        f"{case.roof.bytes_per_second / 1e9:.1f}",
        "1.00",
    ]


def _notes(case: Case) -> Iterator[tuple[str, str]]:
    if case.roof is not None:
        mix = f"{case.roof.reads} streams read, {case.roof.writes} of them written in place"
        yield f"  the roof: {mix}, by {case.roof.method}", "dim"
    if case.copy is not None:
        rate = case.copy.bytes_per_second
        yield f"  a {case.copy.method} copy reads and writes {rate / 1e9:,.0f} GB/s", "dim"
    for name, reason in case.absent.items():
        yield f"  {name} did not take part: {reason}", "dim"
    for failure in case.failures:
        yield f"  FAILED: {failure}", "red"


@contextlib.contextmanager
def wide(console: Any) -> Iterator[None]:
    """Widens a console that is no terminal, where rich would wrap the tables at 80 columns."""
    width = console.width
    if not console.is_terminal:
        console.width = max(width, WIDE)
    try:
        yield
    finally:
        console.width = width
