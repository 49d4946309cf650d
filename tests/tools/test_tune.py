"""`optgen tune`: which options win, by times that a test makes up; and the steps that it takes."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

import optgen
from optgen.cli.app import app
from optgen.errors import TargetError
from optgen.runtime.execution.triton import interpreter, status, tables, tuned
from optgen.runtime.execution.triton.options import Options
from optgen.tools import tune
from optgen.tools.timing import spread

pytest.importorskip("triton")

DEVICE = "NVIDIA H200"
ADAMW = "sweep flat, reads 4 4 4 4, writes 4 4 4"
SHAPES = {"w": jax.ShapeDtypeStruct((24,), jnp.float32)}


@pytest.fixture(autouse=True)
def interpreted(monkeypatch, tmp_path):
    """Kernels run in Triton's interpreter, as if on an H200."""
    monkeypatch.setenv("OPTGEN_INTERPRET", "1")
    monkeypatch.setenv("OPTGEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tuned, "device_name", lambda: DEVICE)
    status.unavailable.cache_clear()
    tables.read.cache_clear()
    yield
    status.unavailable.cache_clear()
    tables.read.cache_clear()


def timed(seconds):
    """Measures by a function of the options of one kind of launch; all others take nothing."""

    def measure(candidates, budget):
        return [sum(seconds(key, o) for key, o in options.items()) for options in candidates]

    return measure


def test_the_fastest_options_are_found():
    def seconds(key, options):
        return abs(options.block - 4096) + abs(options.warps - 8) + 1.0

    found = tune.tune(optgen.adamw(1e-3, target="triton"), SHAPES, measure=timed(seconds))
    assert (found.device, set(found.options)) == (DEVICE, {ADAMW})
    measured = found.options[ADAMW]
    assert (measured.options.block, measured.options.warps) == (4096, 8)
    assert measured.seconds == 1.0 < measured.guessed_seconds
    assert found.versions["jax"] == jax.__version__


def test_guessed_options_stay_unless_others_are_clearly_faster():
    guess = Options()

    def seconds(key, options):
        return 1.0 if options == guess else 1.0 - 0.5 * tune.WORTH

    found = tune.tune(optgen.adamw(1e-3, target="triton"), SHAPES, measure=timed(seconds))
    assert found.options[ADAMW].options == guess
    assert found.options[ADAMW].seconds == found.options[ADAMW].guessed_seconds == 1.0


def test_every_kind_of_launch_is_measured_beside_the_best_of_the_others():
    seen = []

    def seconds(key, options):
        seen.append((key, options))
        return 1e2 / options.warps + 1e4 / options.programs + 1e2 / options.stages

    tx = optgen.adafactor(1e-3, target="triton")
    shapes = {"w": jax.ShapeDtypeStruct((256, 512), jnp.float32)}
    told = []
    found = tune.tune(tx, shapes, measure=timed(seconds), progress=lambda *now: told.append(now))
    assert set(found.options) == set(tune.kinds(tx, shapes)) == {key for key, _ in seen}
    assert [now[2] for now in told] == list(found.options)
    assert all(measured.options.warps == 8 for measured in found.options.values())
    reducing = {key for key in found.options if key.endswith("reduces")}
    assert 0 < len(reducing) < len(found.options)
    for key, measured in found.options.items():
        for name, values in tune.REFINED.items():
            expected = values[-1] if key in reducing else getattr(Options(), name)
            assert getattr(measured.options, name) == expected


def test_candidates_step_on_arrays_of_their_own_with_their_own_options(monkeypatch):
    launched, call = [], interpreter.call

    def recorded(kernels, sections, *rest):
        launched.append(sections[0].constants["BLOCK"])
        return call(kernels, sections, *rest)

    monkeypatch.setattr(interpreter, "call", recorded)
    tx = optgen.adamw(1e-1, target="triton")
    scratch = tune.Scratch(tx, SHAPES)
    start, grads = (np.asarray(tree["w"]) for tree in (scratch.parameters, scratch.gradients))
    candidates = [
        tune.Candidate(str(block), scratch, {ADAMW: Options(block=block)}) for block in (16, 32)
    ]
    for candidate in candidates:
        candidate.take(2)
        candidate.take(1)
        candidate.wait()
    assert launched[:1] == [16]
    assert set(launched) == {16, 32}
    assert int(scratch.state.count) == 6
    params = {"w": jnp.asarray(start)}
    state = tx.init(params)
    for _ in range(6):
        params, state = tx.step(params, state, grads={"w": jnp.asarray(grads)})
    np.testing.assert_allclose(scratch.parameters["w"], params["w"], rtol=1e-5)


def test_options_that_do_not_run_are_left_out(monkeypatch):
    call = interpreter.call

    def failing(kernels, sections, *rest):
        if sections[0].constants["BLOCK"] == 32:
            raise RuntimeError("out of shared memory\nin a kernel")
        return call(kernels, sections, *rest)

    monkeypatch.setattr(interpreter, "call", failing)
    monkeypatch.setattr(
        tune.rounds,
        "measure",
        lambda contestants, seconds, timing: {
            p.name: spread([float(p.name) + 1]) for p in contestants
        },
    )
    scratch = tune.Scratch(optgen.adamw(1e-1, target="triton"), SHAPES)
    blocks = [{ADAMW: Options(block=block)} for block in (16, 32, 64)]
    with pytest.warns(UserWarning, match="left out, as it does not run: out of shared memory$"):
        assert scratch.measure(blocks, 1.0) == [1.0, math.inf, 3.0]
    assert int(scratch.state.count) == 1  # the arrays were made anew after the second
    with pytest.raises(RuntimeError, match="out of shared memory"):
        scratch.measure(blocks[1:], 1.0)


def test_the_command_writes_a_table_that_later_launches_use(monkeypatch, tmp_path):
    monkeypatch.setattr(
        tune.Scratch, "measure", lambda self, candidates, seconds: [*range(len(candidates), 0, -1)]
    )
    arguments = ["tune", "adamw", "--shape", "24", "--set", "weight_decay=0.1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert ADAMW in result.stdout
    kept = json.loads(tables.users(DEVICE).read_text())
    best = kept["options"][ADAMW]["options"]
    assert (best["block"], best["warps"]) == (4096, 8)  # the last candidate
    (kernel,) = tune.kinds(optgen.adamw(1e-3, target="triton"), SHAPES).values()
    assert tuned.options_for(kernel).block == 4096

    for named, written in (
        (tmp_path / "mine.json", tmp_path / "mine.json"),
        (tmp_path, tmp_path / "nvidia-h200.json"),
    ):
        result = CliRunner().invoke(app, [*arguments, "--json", "-o", str(named)])
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout) == json.loads(written.read_text())


def test_without_a_gpu_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(tuned, "device_name", lambda: None)
    with pytest.raises(TargetError, match="measured on an NVIDIA GPU, and JAX's platform is cpu"):
        tune.device_here()
    result = CliRunner().invoke(app, ["tune", "adamw"])
    assert result.exit_code == 2
    assert "measured on an NVIDIA GPU" in result.stderr


@pytest.mark.gpu
def test_options_are_measured_on_the_gpu(monkeypatch):
    monkeypatch.undo()
    status.unavailable.cache_clear()
    shapes = {"w": jax.ShapeDtypeStruct((1 << 20,), jnp.float32)}
    scratch = tune.Scratch(optgen.adamw(1e-3, target="triton"), shapes)
    candidates = [{ADAMW: Options(block=block)} for block in (512, 1024)]
    times = scratch.measure(candidates, 0.1)
    assert all(0 < seconds < 1e-2 for seconds in times)
