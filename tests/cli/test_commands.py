"""The commands other than `show`: results, statuses, JSON."""

import json
import sys

import pytest

from optgen.runtime.execution.targets import TARGETS
from optgen.tools.rules import Choice
from optgen.zoo import ATOMS, STOCK


def test_list_names_the_stock_rules(optgen):
    result = optgen("list")
    assert result.exit_code == 0
    listed = {line.split()[0] for line in result.stdout.splitlines() if line[:1].strip()}
    assert set(STOCK) <= listed
    assert "clip_by_global_norm" in optgen("list", "--atoms").stdout


def test_list_as_json_has_every_hyperparameter(optgen):
    found = {rule["name"]: rule for rule in json.loads(optgen("list", "--atoms", "--json").stdout)}
    assert set(found) == {*STOCK, *ATOMS}
    b1 = {"name": "b1", "kind": "scalar", "required": False, "default": 0.9}
    assert b1 in found["adamw"]["hyperparameters"]
    assert found["adamw"]["hyperparameters"][0]["required"]


def test_explain_tells_bytes_and_floor(optgen):
    result = optgen("explain", "adamw", "--machine", "h200", "--shape", "4096x4096")
    assert result.exit_code == 0
    assert "28.00 bytes for each parameter" in result.stdout
    assert "NVIDIA H200" in result.stdout
    found = json.loads(optgen("explain", "adamw", "--machine", "v5e", "--json").stdout)
    assert found["rule"] == "adamw"
    assert found["bytes_per_parameter"] == 28.0
    assert found["machine"]["name"] == "v5e"


def test_explain_takes_a_rule_of_ones_own(optgen, rules):
    result = optgen("explain", f"{rules}:mine", "--machine", "h200", "--set", "storage=bf16")
    assert result.exit_code == 0
    assert "16.00 bytes" in result.stdout


def test_verify_holds_for_a_stock_rule(optgen):
    result = optgen("verify", "lion", "--steps", "2", "--dtype", "float32")
    assert result.exit_code == 0
    assert "holds" in result.stdout
    assert "of optax" in result.stdout
    assert "weight_decay=0.1" in result.stderr


def test_verify_holds_for_a_rule_of_ones_own_as_json(optgen, rules):
    options = ("--steps", "2", "--shape", "7", "--shape", "scalar", "--dtype", "bf16", "--json")
    result = optgen("verify", f"{rules}:mine", *options)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["ok"]
    assert {row["group"] for row in found["rows"]} == {"bfloat16"}


def test_verify_leaves_out_what_cannot_serve_and_says_why(optgen, monkeypatch):
    from optgen.tools import doctor

    monkeypatch.setattr(doctor, "available", lambda: {"xla": "", "cpu": "there is no compiler"})
    result = optgen("verify", "sgd", "--steps", "1", "--shape", "3", "--dtype", "f32", "--json")
    assert result.exit_code == 0
    assert {row["target"] for row in json.loads(result.stdout)["rows"]} == {"xla"}
    assert "cpu is not verified: there is no compiler" in result.stderr


def test_verify_fails_where_optax_is_another_rule(optgen, monkeypatch):
    import optax

    monkeypatch.setattr(Choice, "reference", lambda self: optax.lion(2e-3, weight_decay=0.1))
    options = ("--steps", "2", "--dtype", "float32", "--set", "learning_rate=1e-3")
    result = optgen("verify", "lion", *options)
    assert result.exit_code == 1
    assert "lion does not hold" in result.stderr
    assert "disagree" in result.stderr


def test_generate_writes_a_package_that_works(optgen, rules, tmp_path, monkeypatch):
    import jax.numpy as jnp

    out = tmp_path / "packages"
    options = ("-o", out, "--set", "clip=1.0", "--shape", "3", "--dtype", "bf16")
    result = optgen("generate", f"{rules}:mine", *options)
    assert result.exit_code == 0, result.stderr
    assert {out / "mine" / "__init__.py", out / "mine" / "xla.py"} <= set(
        map(type(out), result.stdout.split())
    )
    monkeypatch.syspath_prepend(out)
    import mine

    tx = mine.mine(0.5, clip=1.0)
    params = jnp.ones(3, jnp.bfloat16)
    params, _ = tx.step(params, tx.init(params), grads=params)
    assert params.tolist() == [0.5] * 3
    del sys.modules["mine"]


def test_generate_all_and_check(optgen, tmp_path):
    out = tmp_path / "kernels"
    assert optgen("generate", "--all", "-o", out).exit_code == 0
    assert optgen("generate", "--all", "--check", "-o", out).exit_code == 0
    (out / "adamw" / "xla.py").write_text("changed\n")
    result = optgen("generate", "--all", "--check", "-o", out)
    assert result.exit_code == 1
    assert "adamw/xla.py differs" in result.stderr
    assert f"optgen generate --all -o {out}" in result.stderr


def test_doctor_says_what_works(optgen):
    result = optgen("doctor")
    assert result.exit_code == 0
    assert "works: a step of sgd is right" in result.stdout
    assert "OPTGEN_PRINT_AFTER" in result.stdout
    found = json.loads(optgen("doctor", "--json").stdout)
    assert found["ok"]
    works = {target["name"]: target["works"] for target in found["targets"]}
    assert works["xla"]
    assert set(works) == set(TARGETS)


def test_doctor_fails_where_no_target_works(optgen, monkeypatch):
    from optgen.tools import doctor

    def broken(target):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(doctor, "_step_is_right", broken)
    result = optgen("doctor")
    assert result.exit_code == 1
    assert "RuntimeError: no compiler" in result.stdout


@pytest.mark.parametrize("command", ["show", "explain"])
def test_sixty_four_bits_are_turned_on_for_work_that_has_them(optgen, command):
    import jax

    before = jax.config.read("jax_enable_x64")
    try:
        result = optgen(command, "adamw", "--dtype", "float64", "--shape", "8")
        assert result.exit_code == 0, result.stderr
    finally:
        jax.config.update("jax_enable_x64", before)
