"""`optgen explain --against-xla`."""

import json

import pytest

from optgen.tools import chips


@pytest.mark.parametrize("chip", ["h200", "v5e"])
def test_the_command_prints_json(optgen, chip):
    if reason := chips.unavailable(chip):
        pytest.skip(reason)
    result = optgen(
        "explain", "lion", "--against-xla", "--machine", chip, "--shape", "512x512", "--json"
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["rule"], found["optax"]) == ("lion", "optax.lion")
    assert found["explanation"]["bytes_per_parameter"] == 20
    assert found["sides"][-1]["name"] == "jitted optax.lion"
    assert found["sides"][-1]["launches"] >= 1


def test_a_rule_that_optax_lacks_is_refused(optgen, rules):
    result = optgen("explain", f"{rules}:mine", "--against-xla", "--machine", "h200")
    assert result.exit_code == 2
    assert "optax has no 'mine' to compare with" in result.stderr


def test_a_missing_compiler_is_told(optgen, monkeypatch):
    monkeypatch.setattr("optgen.tools.chips.compiler._installed", lambda module, paths: False)
    result = optgen("explain", "sgd", "--against-xla", "--machine", "h200")
    assert result.exit_code == 2
    assert "pip install" in result.stderr
    assert not result.stdout
