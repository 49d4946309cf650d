"""`optgen bench RULE --compile`: samples in processes of their own, with caches that fill."""

import json

import pytest
from click.testing import CliRunner

from optgen.errors import UsageError
from optgen.tools import chips
from optgen_bench import compiling, fresh
from optgen_bench.command import command

SECONDS = {"optax": 4.0, "auto": 1.0, "auto-update": 2.0, "xla": 8.0}


@pytest.fixture
def children(monkeypatch):
    """Stands in for processes: each side takes its own time, thrice with empty caches."""
    asked = []

    def compiling_once(side, rule, tree, chip, environment):
        cold = environment["OPTGEN_CACHE_DIR"] not in {x[-1] for x in asked}
        asked.append((side, rule, tree, chip, environment["OPTGEN_CACHE_DIR"]))
        phases = dict.fromkeys(fresh.COMPILE_PHASES, SECONDS[side] / 4 * (3 if cold else 1))
        return phases | {"peak_bytes": 1000}

    monkeypatch.setattr(fresh, "compiling", compiling_once)
    return asked


def call(*arguments):
    return CliRunner().invoke(command, ["adamw", "--compile", "--seconds", "0", *arguments])


def test_sides_take_turns_and_the_first_sample_is_apart(children, tmp_path):
    path = tmp_path / "run.json"
    result = call("--tree", "small", "--against", "update", "--json", str(path))
    assert result.exit_code == 0, result.output
    assert [x[0] for x in children] == 2 * ["auto", "auto-update", "optax"]
    assert len({x[-1] for x in children}) == 3
    document = json.loads(path.read_text())
    assert document["schema"] == "optgen-compile/1"
    (case,) = document["cases"]
    assert (case["rule"], case["tree"], case["leaves"]) == ("adamw", "small", 10)
    sides = {x["name"]: (x["total"]["median"], x["first"]) for x in case["sides"]}
    assert sides == {"optgen": (1.0, 3.0), "optgen-update": (2.0, 6.0), "optax": (4.0, 12.0)}
    assert "4.00×" in result.stdout
    assert "2.00×" in result.stdout


def test_a_slower_side_is_said_to_be(children):
    result = call("--tree", "small", "--target", "xla", "--against", "optax")
    assert "0.50× ◀ peer wins" in result.stdout


def test_trees_are_those_of_the_claim_where_none_is_named(children):
    assert call("--against", "optax").exit_code == 0
    assert list(dict.fromkeys(x[2] for x in children)) == list(compiling.TREES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dtype", "bf16"), "--dtype is not for --compile"),
        (("--plot", "run.png"), "--plot is not for --compile"),
        (("--machine", "h20"), "unknown chip 'h20'"),
        (("--tree", "gpt9"), "'gpt9' is neither a tree nor a shape"),
    ],
)
def test_bad_usage(arguments, message, children):
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert children == []


def test_a_machine_is_for_compiling():
    result = CliRunner().invoke(command, ["adamw", "--machine", "h200"])
    assert result.exit_code == 2
    assert "--machine is for --compile" in result.stderr


@pytest.mark.parametrize("side", ["xla", "cpu-update", "optax"])
def test_an_executable_is_made_and_every_phase_is_timed(side):
    found = fresh.compile_once(side, "adamw", "small", "")
    assert list(found) == [*fresh.COMPILE_PHASES, "peak_bytes"]
    assert min(found.values()) > 0
    assert found["peak_bytes"] >= 4 * 10 * 64 * 64 * 4  # gradients, parameters and two moments


@pytest.mark.parametrize("chip", ["h200", "v5e"])
def test_an_executable_for_a_chip(chip):
    if reason := chips.unavailable(chip):
        pytest.skip(reason)
    found = fresh.compile_once("optax", "adamw", "small", chip)
    assert min(found.values()) > 0
    assert found["peak_bytes"] >= 4 * 10 * 64 * 64 * 4


def test_the_kernels_of_a_chip_are_its_targets():
    assert compiling._sides(["optax"], ["auto"], "h200") == {
        "optgen-triton": "triton",
        "optax": "optax",
    }
    assert compiling._sides([], ["xla"], "") == {"optgen-xla": "xla"}
    with pytest.raises(UsageError, match="unknown peer 'keras'"):
        compiling._sides(["keras"], ["xla"], "")
