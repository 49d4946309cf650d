"""A run as a picture: time of a step for each case, against the roof.

matplotlib is imported only here, and only when a picture is asked for.
"""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

from optgen.errors import UsageError
from optgen_bench import machine
from optgen_bench.records import Case, Measurement, Report
from optgen_bench.report import duration
from optgen_bench.storage import write_atomically

# Okabe and Ito's colours, which the colour-blind tell apart.
OURS = ("#0072B2", "#56B4E9")
PEERS = {
    "optax": "#E69F00",
    "torch-fused": "#009E73",
    "torch-foreach": "#B8D8CC",
}
OTHER = "#999999"
ROOF = "#D55E00"
_BAR = 0.8  # of the distance between two bars
_GAP = 0.9  # bars between two cases
_ROW, _PANEL, _HEAD, _FOOT = 0.24, 0.75, 0.95, 0.45  # inches


def check_format(path: str) -> str:
    """Returns the format that the path's ending names, `png` where it has none.

    Raises:
      UsageError: where matplotlib is missing or cannot write this format.
    """
    kind = Path(path).suffix.lstrip(".") or "png"
    if kind not in _figure_class()().canvas.get_supported_filetypes():
        raise UsageError(f"cannot plot to {path!r}: unknown format {kind!r}. Use .png or .svg.")
    return kind


def save(report: Report, path: str) -> None:
    """Draws the report and writes it in the format of the path's ending.

    Raises:
      UsageError: where matplotlib is missing, the format unknown or the path not writable.
    """
    kind = check_format(path)
    buffer = io.BytesIO()
    draw(report).savefig(buffer, format=kind, dpi=150)
    write_atomically(path, buffer.getvalue())


def draw(report: Report) -> Any:
    """Returns the `matplotlib.figure.Figure`: a panel for each tree and dtype."""
    panels = _panels(report)
    rows = [sum(len(case.measurements) + _GAP for case in cases) for cases in panels.values()]
    height = _HEAD + _FOOT + sum(_ROW * row + _PANEL for row in rows)
    figure = _figure_class()(figsize=(9, height), layout="constrained")
    body = (0.01, _FOOT / height, 0.98, 1 - (_HEAD + _FOOT) / height)
    figure.get_layout_engine().set(rect=body)
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[r + 1 for r in rows])
    colours = _colours(report)
    for axis, (title, cases) in zip(axes[:, 0], panels.items(), strict=True):
        _panel(axis, title, cases, colours)
    _head(figure, report, height)
    return figure


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            "--plot needs matplotlib, which is not installed. "
            "Install it with: pip install 'optgen[bench]'"
        ) from error
    return Figure


def _head(figure: Any, report: Report, height: float) -> None:
    """Writes title, machine, legend and caption in the margins, placed in inches."""
    x, grey = 0.02, "0.35"
    title = "Time of one optimizer step: shorter is better"
    figure.text(x, 1 - 0.3 / height, title, fontsize=13, fontweight="bold")
    subtitle = f"{machine.title(report.machine)} · {report.date[:10]}"
    figure.text(x, 1 - 0.53 / height, subtitle, fontsize=9, color=grey)
    caption = (
        "Bars are medians with their quartiles, all measured in turns in one run. The roof is the "
        "time in which this memory moves the bytes\nthat a step must read and write, measured by "
        "streaming the same mix of reads and writes in the same run: no step can be much shorter."
    )
    figure.text(x, 0.12 / height, caption, fontsize=7.5, color=grey)
    _legend(figure, report, (x, 1 - 0.62 / height))


def _panels(report: Report) -> dict[str, list[Case]]:
    panels: dict[str, list[Case]] = {}
    for case in report.cases:
        title = f"{case.work} · {case.dtype} · {case.parameters:,} parameters"
        panels.setdefault(title, []).append(case)
    return panels


def _panel(axis: Any, title: str, cases: list[Case], colours: dict[str, str]) -> None:
    unit, scale = _unit(cases)
    longest = max(m.time.upper for case in cases for m in case.measurements) * scale
    ticks, top = [], 0.0
    for case in cases:
        for index, measurement in enumerate(case.measurements):
            colour = colours[measurement.name]
            _bar(axis, top + index, measurement, scale, longest, colour)
        bottom = top + len(case.measurements) - 1
        ticks.append((top + bottom) / 2)
        if case.roof_seconds is not None:
            axis.plot([case.roof_seconds * scale] * 2, [top - 0.5, bottom + 0.5], color=ROOF, lw=2)
        top = bottom + 1 + _GAP
    axis.set_yticks(ticks, [case.case for case in cases], fontweight="bold")
    axis.set_ylim(top - _GAP, -0.8)
    axis.set_xlim(0, longest * 1.25)
    axis.set_xlabel(f"{unit} for each step", fontsize=8)
    axis.set_title(title, loc="left", fontsize=10)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.grid(axis="x", color="0.9")
    axis.set_axisbelow(True)


def _bar(
    axis: Any, y: float, measurement: Measurement, scale: float, longest: float, colour: str
) -> None:
    time = measurement.time
    errors = [[(time.median - time.lower) * scale], [(time.upper - time.median) * scale]]
    axis.barh(y, time.median * scale, _BAR, color=colour)
    axis.errorbar(time.median * scale, y, xerr=errors, color="0.2", lw=1, capsize=2)
    share = measurement.roof_share
    label = duration(time.median) + ("" if share is None else f" · {share:.0%} of roof")
    weight = "bold" if measurement.ours else "normal"
    x = time.upper * scale + 0.008 * longest
    axis.text(x, y, label, va="center", fontsize=8, fontweight=weight)


def _colours(report: Report) -> dict[str, str]:
    """Returns a colour for each contestant, in the order of the bars; ours in shades of blue."""
    measured = {m.name: m for case in report.cases for m in case.measurements}
    shades = itertools.cycle(OURS)
    return {
        name: next(shades) if measurement.ours else PEERS.get(name, OTHER)
        for name, measurement in measured.items()
    }


def _unit(cases: list[Case]) -> tuple[str, float]:
    longest = max(m.time.median for case in cases for m in case.measurements)
    return ("milliseconds", 1e3) if longest >= 1e-3 else ("microseconds", 1e6)


def _legend(figure: Any, report: Report, corner: tuple[float, float]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(color=colour, label=name) for name, colour in _colours(report).items()
    ]
    if any(case.roof for case in report.cases):
        handles.append(Line2D([], [], color=ROOF, lw=2, label="memory bandwidth roof"))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=corner,
        borderaxespad=0,
        borderpad=0,
        ncols=len(handles),
        frameon=False,
        fontsize=9,
    )
