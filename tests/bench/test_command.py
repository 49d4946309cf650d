"""The command of the benchmark: `optgen bench`, and `python -m optgen_bench`."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner

from optgen.cli.app import REGISTERED
from optgen_bench.command import command

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture
def call():
    """Calls the command with arguments."""

    def call(*arguments):
        return CliRunner().invoke(command, list(map(str, arguments)), prog_name="optgen bench")

    return call


def test_the_project_registers_the_command():
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    ((name, value),) = project["entry-points"][REGISTERED].items()
    assert EntryPoint(name, value, REGISTERED).load() is command
    assert name == command.name


@pytest.mark.slow
def test_the_module_is_the_command():
    module = [sys.executable, "-m", "optgen_bench"]
    result = subprocess.run([*module, "adamww"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert "unknown rule 'adamww'" in result.stderr
    result = subprocess.run([*module, "-h"], capture_output=True, text=True)
    assert result.stdout.startswith("Usage: python -m optgen_bench [OPTIONS] RULE...")


def test_bench_measures_and_writes_json(call, tmp_path):
    file = tmp_path / "run.json"
    options = ("--against", "optax", "--shape", "64", "--seconds", "0.05", "--json", file)
    result = call("sgd", *options)
    assert result.exit_code == 0, result.output
    assert "optax" in result.stdout
    assert json.loads(file.read_text())["cases"][0]["case"] == "sgd"


def test_bench_takes_a_rule_of_ones_own(call, rules):
    options = ("--against", "", "--shape", "64", "--seconds", "0.05", "--set", "nesterov=true")
    result = call(f"{rules}:mine", *options)
    assert result.exit_code == 0, result.output
    assert "mine" in result.stdout


BAD_USAGE = [
    ((), ("Missing argument", "RULE")),
    (("adamww",), ("unknown rule 'adamww'", "adamw")),
    (("adamw", "--set", "b1=0.5"), ("--set does not change adamw",)),
    (("adamw", "--against", "keras"), ("unknown peer 'keras'", "optax")),
    (("adamw", "--tree", "gpt5"), ("'gpt5' is neither",)),
    (("adamw", "--json", "no/such/directory/run.json"), ("no/such/directory",)),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_USAGE, ids=lambda value: " ".join(value))
def test_bad_usage_is_told_with_the_remedy(call, arguments, words):
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert not [word for word in words if word not in result.stderr], result.stderr
    assert "Traceback" not in result.stderr
