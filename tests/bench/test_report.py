import dataclasses
import io
import subprocess
import sys

import pytest

from optgen.errors import UsageError
from optgen_bench import plot, report, table


@pytest.fixture
def shown():
    def show(found, width=80, terminal=False):
        from rich.console import Console

        console = Console(file=io.StringIO(), width=width, force_terminal=terminal)
        table.show(found, console)
        assert console.width == width
        return console.file.getvalue()

    return show


def rows_of(text):
    lines = [line for line in text.splitlines() if line.startswith("│")]
    return {line.split()[1]: line for line in lines}


def test_a_winning_peer_is_marked_in_its_row(make_report, shown):
    rows = rows_of(shown(make_report({"optgen": 0.010, "optax": 0.020, "torch-fused": 0.008})))
    assert "0.80× ◀ peer wins" in rows["torch-fused"]
    assert "2.00×" in rows["optax"]
    assert "peer wins" not in rows["optax"] + rows["optgen"]


def test_a_win_by_a_hair_is_still_a_win(make_report, shown):
    rows = rows_of(shown(make_report({"optgen": 0.0100, "optax": 0.00999})))
    assert "1.00× ≈ ◀ peer wins" in rows["optax"]


def test_every_target_has_its_column_of_ratios(make_report, shown):
    text = shown(make_report({"optgen-cpu": 0.010, "optgen-xla": 0.030, "optax": 0.020}))
    assert "optgen-cpu is" in text
    assert "optgen-xla is" in text
    row = rows_of(text)["optax"]
    assert row.index("2.00×") < row.index("0.67× ◀ peer wins")


def test_the_table_has_every_figure_also_where_there_is_no_terminal(make_report, shown):
    text = shown(make_report({"optgen": 0.010, "optax": 0.020}))
    assert "1000x1000 · float32 · 1 leaf, 1,000,000 params · floor 28.0 bytes/param" in text
    assert "plan 28.0" in text
    rows = rows_of(text)
    for figure in ("10.0 ms", "0%", "2.8", "0.70", "900 ms", "100.0 MB"):
        assert figure in rows["optgen"]
    assert "│        1 │" in rows["optgen"]
    for figure in ("7.00 ms", "4.0", "1.00"):
        assert figure in rows["roof"]
    assert "the roof: 4 streams read, 3 of them written in place, by c" in text


def test_a_narrow_terminal_still_shows_the_verdict(make_report, shown):
    text = shown(make_report(), width=90, terminal=True)
    assert "wins" in text


def test_brackets_in_a_reason_survive(make_report, shown):
    found = make_report()
    found.cases[0].absent["torch-fused"] = "pip install 'optgen[bench]' adds it"
    assert "torch-fused did not take part: pip install 'optgen[bench]' adds it" in shown(found)


def test_failures_are_shown(make_report, shown):
    found = make_report()
    found.cases[0].failures.append("optgen differs from optax after one step")
    assert "FAILED: optgen differs from optax after one step" in shown(found)


@pytest.mark.parametrize(("busy", "warned"), [(None, False), (0.05, False), (0.6, True)])
def test_a_busy_machine_is_said_to_be(make_report, shown, busy, warned):
    found = make_report()
    quiet = dataclasses.replace(found, machine=dataclasses.replace(found.machine, busy=busy))
    assert ("Other programs took 60% of the cores' time" in shown(quiet)) is warned


def test_markdown_is_one_table_with_losses_in_bold(make_report):
    lines = report.markdown(make_report()).splitlines()
    assert lines[2] == "| rule | work | optgen | share of roof | vs optax | vs torch-fused |"
    assert lines[3] == "| --- | --- | ---: | ---: | ---: | ---: |"
    assert lines[4] == "| adamw | 1000x1000, float32 | 10.0 ms | 0.70 | 2.00 | **0.80** |"
    assert "2026-01-31" in lines[0]


def test_markdown_leaves_a_blank_where_there_is_no_peer(make_report):
    both, one = make_report(), make_report({"optgen": 0.010, "optax": 0.020})
    both.cases.extend(one.cases)
    assert report.markdown(both).splitlines()[5].endswith("| 2.00 |  |")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2.5, "2.50 s"),
        (0.0123, "12.3 ms"),
        (0.123, "123 ms"),
        (1.5e-3, "1.50 ms"),
        (9.87e-5, "98.7 µs"),
        (2e-9, "0.00 µs"),
    ],
)
def test_duration(seconds, text):
    assert report.duration(seconds) == text


def test_size():
    assert [report.size(n) for n in (None, 2_500_000, 3_200_000_000)] == ["", "2.5 MB", "3.20 GB"]


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_plot_is_written_in_the_format_of_its_ending(make_report, tmp_path, ending):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"run.{ending}"
    plot.save(make_report(), str(path))
    assert path.read_bytes().startswith(b"\x89PNG" if ending == "png" else b"<?xml")


def test_a_plot_shows_every_bar_with_its_time_and_the_roof(make_report):
    pytest.importorskip("matplotlib")
    figure = plot.draw(make_report())
    (axis,) = figure.axes
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([10.0, 20.0, 8.0])
    labels = [text.get_text() for text in axis.texts]
    assert labels[0] == "10.0 ms · 70% of roof"
    roofs = [x for line in axis.lines for x in set(line.get_xdata()) if len(line.get_xdata()) == 2]
    assert pytest.approx(7.0) in roofs
    assert axis.get_title(loc="left") == "1000x1000 · float32 · 1,000,000 parameters"
    everything = " ".join(text.get_text() for text in figure.texts)
    assert "A CPU, 8 threads" in everything
    assert "2026-01-31" in everything
    assert {t.get_text() for t in figure.legends[0].get_texts()} == {
        "optgen",
        "optax",
        "torch-fused",
        "memory bandwidth roof",
    }


def test_an_unknown_picture_format_is_refused(make_report, tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(UsageError, match="unknown format 'xyz'. Use .png or .svg"):
        plot.save(make_report(), str(tmp_path / "run.xyz"))


def test_a_missing_matplotlib_names_the_extra(make_report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pip install 'optgen\[bench\]'"):
        plot.draw(make_report())


def test_rich_matplotlib_and_torch_are_imported_only_when_needed():
    code = (
        "import sys, optgen_bench\n"
        "print([m for m in ('rich', 'matplotlib', 'torch') if m in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stdout == "[]\n", process.stderr
