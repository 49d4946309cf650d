import dataclasses
import io
import json

import optax
import pytest
from rich.console import Console

from optgen.errors import UsageError
from optgen.tools.timing import spread
from optgen_bench import bench, costs, fresh, records, roof, storage, suite


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(autouse=True)
def quick_roof(monkeypatch):
    monkeypatch.setattr(roof, "_TRIAL_SECONDS", 0.0)


def test_bench_prints_writes_and_returns_zero(sgd_case, console, tmp_path):
    pytest.importorskip("matplotlib")
    paths = {kind: str(tmp_path / f"run.{kind}") for kind in ("json", "png", "md")}
    status = bench(
        [sgd_case()],
        ["optax", "update"],
        ["small", "32x8"],
        ["float32", "bf16"],
        seconds=0.01,
        json_path=paths["json"],
        plot_path=paths["png"],
        markdown_path=paths["md"],
        console=console,
    )
    assert status == 0
    report = storage.from_json((tmp_path / "run.json").read_text())
    assert [(c.work, c.dtype) for c in report.cases] == [
        ("small", "float32"),
        ("small", "bfloat16"),
        ("32x8", "float32"),
        ("32x8", "bfloat16"),
    ]
    for case in report.cases:
        assert {m.name for m in case.measurements} == {
            "optgen",
            "optax",
            "optgen-update",
        }
        assert case.floor_bytes_per_parameter == (20.0 if case.dtype == "float32" else 10.0)
        assert case.roof.bytes_per_second > 0
        assert len(case.ratios) == 2
    text = console.file.getvalue()
    assert text.count("optgen is") == 4
    assert text.count("optgen-update is") == 4
    assert (tmp_path / "run.md").read_text().count("| sgd") == 8
    assert (tmp_path / "run.png").stat().st_size > 1000


def test_parameters_unlike_optaxs_fail_the_run(sgd_case, console):
    status = bench(
        [sgd_case(ours=0.1, theirs=0.2)], ["optax"], "small", seconds=0.01, console=console
    )
    assert status == 1
    assert "FAILED: optgen differs from optax" in console.file.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rules": []}, "no rule to benchmark. Give some of sgd, adam"),
        ({"rules": ["adamz"]}, "unknown rule 'adamz'"),
        ({"tree": "4096x"}, "'4096x' is neither a tree nor a shape"),
        ({"dtype": "int8"}, "unknown dtype 'int8'"),
        ({"dtype": "float64"}, "float64 needs JAX's 64-bit mode. Set JAX_ENABLE_X64=1"),
        ({"against": ["keras"]}, "unknown peer 'keras'"),
        ({"seconds": 0}, "seconds must be positive, not 0"),
        ({"seconds": float("nan")}, "seconds must be positive"),
        ({"json_path": "/nowhere/run.json"}, "cannot write '/nowhere/run.json'"),
        ({"plot_path": "run.xyz"}, "unknown format 'xyz'"),
    ],
)
def test_bad_usage_is_reported_before_anything_runs(sgd_case, monkeypatch, arguments, message):
    monkeypatch.setattr(suite, "run", lambda *args, **kwargs: pytest.fail("something ran"))
    given = {"rules": [sgd_case()], "against": ["optax"], "tree": "small"} | arguments
    with pytest.raises(UsageError, match=message):
        bench(**given)


def cost_report(optgen=0.2, optax=0.4, importing=0.1, sympy=False):
    lowering = {
        name: costs.Lowering(9.0, 0.0, 0.1 * s, 0.4 * s, 0.5 * s, spread([s, s]))
        for name, s in (("optgen", optgen), ("optax", optax))
    }
    host = records.Machine("A CPU", 8, 8, None, "Linux", "3.11", "cpu", "cpu", None, {}, {})
    return costs.CostReport(host, "adamw", "gpt2-small", lowering, spread([importing]), sympy)


@pytest.mark.parametrize(
    ("change", "held"),
    [({}, True), ({"optgen": 0.5}, False), ({"importing": 0.2}, False), ({"sympy": True}, False)],
)
def test_the_claims_about_costs(change, held):
    assert cost_report(**change).held is held


def test_costs_are_printed_and_written(monkeypatch, console, tmp_path):
    monkeypatch.setattr(costs, "_measure", lambda *args: cost_report(optgen=0.5, sympy=True))
    path = tmp_path / "costs.json"
    assert costs.compare(json_path=str(path), console=console) == 1
    text = console.file.getvalue()
    assert "optgen lowers 0.80× as fast as optax ◀ peer wins" in text
    assert "SymPy: it should not" in text
    document = json.loads(path.read_text())
    assert document["schema"] == "optgen-costs/1"
    assert document["lowering"]["optgen"]["total"]["median"] == 0.5
    assert set(document) == {f.name for f in dataclasses.fields(costs.CostReport)}


def test_children_take_turns_and_medians_are_taken(monkeypatch):
    asked = []

    def child(*arguments):
        asked.append(arguments[-3] if arguments[0] == "-m" else "import")
        nth = len(asked)
        if arguments[0] == "-c":
            return {"seconds": float(nth), "sympy": False}
        return {"load": 100.0, "build": float(nth), "init": 0.0, "trace": 1.0, "lower": 1.0}

    monkeypatch.setattr(fresh, "run", child)
    found = costs._measure("adamw", "small", 3)
    assert asked == ["optgen", "optax", "import"] * 3
    assert found.lowering["optgen"].build == 4.0
    assert found.lowering["optax"].total.median == 7.0
    assert found.import_seconds.median == 6.0


def test_lowering_once_times_every_phase():
    found = fresh.lower_once("optax", "adamw", "small")
    assert list(found) == ["load", "build", "init", "trace", "lower"]
    assert min(found.values()) >= 0


def test_a_child_that_fails_shows_its_own_message():
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        fresh.run("-c", "1 / 0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tree": "gpt9"}, "'gpt9' is neither a tree nor a shape"),
        ({"rule": "adamz"}, "unknown rule 'adamz'"),
        ({"repeats": 0}, "repeats must be 1 or more, not 0"),
    ],
)
def test_bad_usage_of_costs(arguments, message):
    with pytest.raises(UsageError, match=message):
        costs.compare(**arguments)


def test_optax_itself_is_untouched():
    assert not hasattr(optax.GradientTransformationExtraArgs, "step")
