"""`optgen show`: every form, of stock rules and of a user's."""

import json
import re

import pytest

from optgen.emit.emitters import EMITTERS
from optgen.ir.text import parse
from optgen.runtime.execution.targets import PORTABLE, TARGETS
from optgen.schedule.text import parse_all, text_all


def test_math_is_a_program_that_can_be_read_back(optgen):
    result = optgen("show", "adamw")
    assert result.exit_code == 0
    assert parse(result.stdout).name == "adamw"
    assert "learning_rate=0.001" in result.stderr


def test_raw_math_is_the_program_before_any_pass(optgen):
    raw, passed = (optgen("show", "adafactor", *options).stdout for options in (["--raw"], []))
    assert len(parse(raw).outputs) == len(parse(passed).outputs)
    assert len(raw) > len(passed)


def test_print_after_shows_the_pass_that_was_named(optgen):
    result = optgen("show", "adamw", "--print-after", "fold", "--print-after", "hoist")
    heads = [line for line in result.stdout.splitlines() if line.startswith("#")]
    assert heads[0] == "# after fold"
    assert set(heads) == {"# after fold", "# after hoist"}


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("plan", ("sweep leaf_step phase 0 flat reads g updates p, mu, nu", "buffer mu : float32")),
        ("latex", (r"\begin{aligned}", r"\beta_1", r"\theta_t &= \theta_{t-1}")),
        ("jnp", ('"""AdamW', "import jax.numpy as jnp", "def leaf(", "MODULE = Module(")),
        ("stablehlo", ("module @jit_step", "stablehlo.sqrt", "tf.aliasing_output")),
    ],
)
def test_the_other_forms(optgen, form, words):
    result = optgen("show", "adamw", "--ir", form, "--machine", "h200", "--shape", "8x8")
    assert result.exit_code == 0
    assert not [word for word in words if word not in result.stdout]


@pytest.mark.parametrize(("rule", "modes"), [("lion", {"step"}), ("adafactor", {"step", "update"})])
def test_a_plan_can_be_read_back(optgen, rule, modes):
    shown = optgen("show", rule, "--ir", "plan", "--machine", "h200", "--tree", "resnet50")
    schedules = parse_all(shown.stdout)
    assert {s.sequence.mode for s in schedules} == modes
    assert text_all(schedules) == shown.stdout.rstrip("\n")


FORMS = {PORTABLE: "jnp", **{e.target: e.form for e in EMITTERS.values()}}


@pytest.mark.parametrize("target", TARGETS)
def test_the_source_of_every_target_of_this_version_is_shown(optgen, target):
    result = optgen("show", "lion", "--ir", FORMS[target], "--shape", "8x8")
    assert result.exit_code == 0
    assert "scale_by_lion = " in result.stdout


def test_what_is_not_a_terminal_gets_plain_text(optgen):
    result = optgen("show", "adamw", "--ir", "jnp")
    assert "\x1b" not in result.output
    compile(result.stdout, "emitted", "exec")


def test_json_holds_the_text_and_what_it_is_of(optgen):
    result = optgen("show", "lion", "--ir", "latex", "--set", "b1=0.8", "--json")
    found = json.loads(result.stdout)
    assert (found["rule"], found["ir"]) == ("lion", "latex")
    assert found["settings"] == {"learning_rate": 1e-3, "b1": 0.8}
    assert found["text"].startswith(r"\begin{aligned}")


def test_settings_decide_what_is_shown(optgen):
    plain, momentum = (
        optgen("show", "sgd", "--ir", "jnp", *options).stdout
        for options in ([], ["--set", "momentum=0.9"])
    )
    assert "trace" not in plain
    assert "trace'" in momentum


def test_shapes_trees_and_dtypes_decide_what_is_shown(optgen):
    matrix = optgen("show", "adafactor", "--shape", "256x512").stdout
    vector = optgen("show", "adafactor", "--shape", "512").stdout
    both = optgen("show", "adafactor", "--shape", "256x512", "--shape", "512").stdout
    assert matrix.count("program ") == vector.count("program ") == 1
    assert matrix != vector
    assert both.count("program ") == 2
    assert optgen("show", "adafactor", "--tree", "gpt2-small").stdout.count("program ") > 1
    scalar = optgen("show", "adamw", "--shape", "scalar", "--dtype", "bf16", "--ir", "stablehlo")
    assert "tensor<bf16>" in scalar.stdout


def test_a_rule_of_ones_own_is_shown(optgen, rules):
    for name in ("mine", "chained", "finished"):
        result = optgen("show", f"{rules}:{name}", "--ir", "jnp")
        assert result.exit_code == 0, result.stderr
        assert "MODULE = Module(" in result.stdout


def test_the_mosaic_modules_of_a_step_are_shown(optgen):
    shapes = ("512x512", "256x512", "512x512", "24", "7")
    options = [option for shape in shapes for option in ("--shape", shape)]
    result = optgen("show", "adamw", "--ir", "mosaic", *options)
    assert result.exit_code == 0, result.stderr
    assert " of 3: optgen_adamw_small_leaves" in result.stdout
    assert result.stdout.count(" of 3: optgen_adamw_leaf_step") == 2
    for word in ("func.func @optgen_adamw", "tpu.enqueue_dma", "math.sqrt", "vmem"):
        assert word in result.stdout


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("ttir", ("// def optgen_adamw_leaf_step(scalars", "tt.func public", "tt.store")),
        ("ptx", (".target sm_90a", "ld.global", ".visible .entry optgen_adamw_leaf_step(")),
    ],
)
def test_what_triton_makes_of_the_launches_is_shown(optgen, form, words):
    pytest.importorskip("triton")
    options = ["--shape", "8x8", "--shape", "24", "--compute-capability", "9.0"]
    result = optgen("show", "adamw", "--ir", form, *options)
    assert result.exit_code == 0, result.stderr
    assert "// launch 1 of 1: optgen_adamw_leaf_step" in result.stdout
    assert re.search(r"^// 2 programs of \d warps, in \d stages$", result.stdout, re.MULTILINE)
    assert " 0 bytes spilled" in result.stdout
    assert not [word for word in words if word not in result.stdout]


def test_every_launch_of_a_step_is_shown(optgen):
    pytest.importorskip("triton")
    options = ["--shape", "256x512", "--shape", "24", "--set", "learning_rate=0.1"]
    result = optgen("show", "adafactor", "--ir", "ttir", *options)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("// launch ") == result.stdout.count("tt.func public") > 1
    assert "on sm_90" in result.stdout


def test_what_triton_makes_is_refused_where_it_is_not_installed(optgen, monkeypatch):
    from optgen.runtime.execution.triton import listing

    monkeypatch.setattr(listing.importlib.util, "find_spec", lambda name: None)
    result = optgen("show", "adamw", "--ir", "ptx", "--shape", "8")
    assert result.exit_code == 2
    assert "pip install triton" in result.stderr
