"""A run in words: what is common to all its forms, and the table in Markdown for the README."""

from __future__ import annotations

from collections.abc import Iterator

from optgen.tools.timing import TIMINGS, Costs
from optgen_bench import machine
from optgen_bench.records import Case, Ratio, Report


def heading(case: Case) -> str:
    """Returns what the figures of a case are about."""
    planned, floor = case.planned_bytes_per_parameter, case.floor_bytes_per_parameter
    counted = "" if floor is None else f" · floor {floor:.1f} bytes/param"
    counted += "" if planned is None else f", plan {planned:.1f}"
    leaves = f"{case.leaves} leaves" if case.leaves != 1 else "1 leaf"
    work = f"{case.work} · {case.dtype} · {leaves}, {case.parameters:,} params"
    return f"{case.case} · {work}{counted}"


def markdown(report: Report) -> str:
    """Returns one table of all the cases, as GitHub renders it."""
    peers = list(dict.fromkeys(r.peer for case in report.cases for r in case.ratios))
    lines = [
        f"{machine.title(report.machine)}, {report.date[:10]}. A ratio is the peer's time over "
        "optgen's: above 1, optgen is faster; in **bold**, the peer is. The times: "
        f"{TIMINGS[report.timing].about}.",
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
    """Returns the time to trace, lower and compile; nothing for an eager contestant."""
    if costs.trace is None or costs.lower is None or costs.compile is None:
        return ""
    return duration(costs.trace + costs.lower + costs.compile)


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
