"""A run as text: the table for a terminal, and the table in Markdown for the README."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from optgen_bench import machine
from optgen_bench.records import Case, Costs, Measurement, Ratio, Report

PEER_WINS = "peer wins"

COLUMNS = ("", "time of a step", "quartiles", "GB/s", "of roof", "launches", "compile", "peak")


def heading(case: Case) -> str:
    """Returns what the rows of a case are about."""
    planned, floor = case.planned_bytes_per_parameter, case.floor_bytes_per_parameter
    counted = "" if floor is None else f" · floor {floor:.1f} bytes/param"
    counted += "" if planned is None else f", plan {planned:.1f}"
    leaves = f"{case.leaves} leaves" if case.leaves != 1 else "1 leaf"
    work = f"{case.work} · {case.dtype} · {leaves}, {case.parameters:,} params"
    return f"{case.case} · {work}{counted}"


def cells(measurement: Measurement) -> list[str]:
    """Returns a contestant's row, in the order of `COLUMNS`."""
    time, rate, share = measurement.time, measurement.bytes_per_second, measurement.roof_share
    return [
        measurement.name,
        duration(time.median),
        f"{duration(time.lower)} – {duration(time.upper)}",
        "" if rate is None else f"{rate / 1e9:.1f}",
        "" if share is None else f"{share:.2f}",
        "" if measurement.launches is None else str(measurement.launches),
        compile_time(measurement.costs),
        size(measurement.costs.peak_bytes),
    ]


def roof_cells(case: Case) -> list[str]:
    """Returns the roof's row: what the case's bytes would take at the measured bandwidth."""
    roof, seconds = case.roof, case.roof_seconds
    if roof is None or seconds is None:
        return []
    scale = seconds / roof.time.median
    spread = f"{duration(scale * roof.time.lower)} – {duration(scale * roof.time.upper)}"
    name = f"roof ({roof.method}, {roof.reads} read, {roof.writes} written)"
    return [
        name,
        duration(seconds),
        spread,
        f"{roof.bytes_per_second / 1e9:.1f}",
        "1.00",
        *[""] * 3,
    ]


def verdict(ratio: Ratio) -> str:
    """Returns a ratio in words; a peer's win is always named, however small."""
    text = f"{ratio.ours} is {ratio.value:.2f}× {ratio.peer}"
    if ratio.peer_wins:
        text += f": {PEER_WINS}"
    return text + (" (within the spread)" if ratio.within_spread else "")


def show(report: Report, console: Any) -> None:
    """Prints a table for each case to a `rich.console.Console`."""
    console.print(f"[bold]{machine.title(report.machine)}[/] · {report.date}")
    for case in report.cases:
        console.print()
        console.print(_table(case))
        for line, style in _notes(case):
            console.print(line, style=style)


def markdown(report: Report) -> str:
    """Returns one table of all the cases, as GitHub renders it."""
    peers = list(dict.fromkeys(r.peer for case in report.cases for r in case.ratios))
    lines = [
        f"{machine.title(report.machine)}, {report.date[:10]}. A ratio is the peer's time over "
        "optgen's: above 1, optgen is faster; in **bold**, the peer is.",
        "",
        _line(["rule", "work", "optgen", "share of roof", *(f"vs {p}" for p in peers)]),
        _line(["---", "---", *["---:"] * (2 + len(peers))]),
    ]
    for case in report.cases:
        lines += [_line(row) for row in _markdown_rows(case, peers)]
    return "\n".join(lines) + "\n"


def duration(seconds: float) -> str:
    """Returns seconds with three digits and a unit that suits them."""
    factor, unit = next(
        ((f, u) for f, u in ((1, "s"), (1e3, "ms")) if seconds * f >= 1), (1e6, "µs")
    )
    value = seconds * factor
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"


def size(count: int | None) -> str:
    """Returns bytes in MB or GB; nothing where unknown."""
    if count is None:
        return ""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def compile_time(costs: Costs) -> str:
    """Returns trace + lower + compile; nothing for an eager contestant."""
    if costs.trace is None or costs.lower is None or costs.compile is None:
        return ""
    return " + ".join(duration(s) for s in (costs.trace, costs.lower, costs.compile))


def _table(case: Case) -> Any:
    from rich.table import Table

    table = Table(title=heading(case), title_justify="left", title_style="bold")
    for index, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    losers = {r.peer for r in case.ratios if r.peer_wins}
    for measurement in case.measurements:
        mark = f" ◀ {PEER_WINS}" if measurement.name in losers else ""
        style = "bold" if measurement.ours else "yellow" if mark else None
        row = cells(measurement)
        table.add_row(row[0] + mark, *row[1:], style=style)
    if roof := roof_cells(case):
        table.add_section()
        table.add_row(*roof, style="dim")
    return table


def _notes(case: Case) -> Iterator[tuple[str, str | None]]:
    for ratio in case.ratios:
        yield "  " + verdict(ratio), "yellow" if ratio.peer_wins else "green"
    for name, reason in case.absent.items():
        yield f"  {name} did not take part: {reason}", "dim"
    for failure in case.failures:
        yield f"  FAILED: {failure}", "red"


def _markdown_rows(case: Case, peers: list[str]) -> Iterator[list[str]]:
    for ours in (m for m in case.measurements if m.ours):
        against = {r.peer: r for r in case.ratios if r.ours == ours.name}
        share = "" if ours.roof_share is None else f"{ours.roof_share:.2f}"
        rule = case.case if ours.name == "optgen" else f"{case.case} ({ours.name})"
        work = f"{case.work}, {case.dtype}"
        ratios = [_markdown_ratio(against.get(peer)) for peer in peers]
        yield [rule, work, duration(ours.time.median), share, *ratios]


def _markdown_ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    return f"**{ratio.value:.2f}**" if ratio.peer_wins else f"{ratio.value:.2f}"


def _line(row: list[str]) -> str:
    return "| " + " | ".join(row) + " |"
