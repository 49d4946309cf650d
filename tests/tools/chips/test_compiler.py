"""Compiling for chips that are not here, where their compilers are."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import optax
import pytest

from optgen.errors import ChipError, UsageError
from optgen.tools import chips
from optgen.tools.chips import compiler
from optgen.tools.chips.chip import CHIPS

GPUS = [name for name, chip in CHIPS.items() if chip.platform == "cuda"]
TPUS = [name for name, chip in CHIPS.items() if chip.platform == "tpu"]
MATRIX = jax.ShapeDtypeStruct((4096, 4096), jnp.float32)


def need(chip):
    if reason := chips.unavailable(chip):
        pytest.skip(reason)


def optax_step(alias):
    """A step of optax, and the shapes of its arguments."""
    tx = alias(1e-3)

    def step(params, state, grads):
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return step, (MATRIX, jax.eval_shape(tx.init, MATRIX), MATRIX)


@pytest.mark.parametrize("chip", [*GPUS, *TPUS])
def test_every_chip_compiles_the_matrix_step_of_adamw_to_its_floor(chip):
    need(chip)
    step, arguments = optax_step(optax.adamw)
    module = chips.compile_for(chip, step, *arguments, donate_argnums=(0, 1))
    assert module.chip == chip
    assert module.bytes / 4096**2 == pytest.approx(28, abs=0.01)
    assert module.launches in (2, 3)
    # params, count, mu and nu are all written where they were read
    assert [(alias.output, alias.operand) for alias in module.aliases] == [
        ((i,), i) for i in range(4)
    ]
    assert module.memory.argument == pytest.approx(4 * 4 * 4096**2, rel=1e-3)
    assert module.memory.alias == pytest.approx(3 * 4 * 4096**2, rel=1e-3)
    assert module.compile_seconds > 0
    assert module.text.startswith("HloModule")


@pytest.mark.parametrize(
    ("chip", "alias", "moved"),
    [
        ("h200", optax.lion, 20),
        ("h200", optax.lamb, 48),
        ("h200", optax.adafactor, 32),
        ("v5e", optax.lion, 20),
        ("v5e", optax.lamb, 36),
        ("v5e", optax.adafactor, 24),
    ],
)
def test_what_xla_moves_for_optax(chip, alias, moved):
    """Bytes for each parameter; on a v5e 64 MB fit into VMEM, and are read from there again."""
    need(chip)
    step, arguments = optax_step(alias)
    module = chips.compile_for(chip, step, *arguments, donate_argnums=(0, 1))
    assert module.bytes / 4096**2 == pytest.approx(moved, rel=0.01)


def test_without_donation_nothing_is_in_place():
    need("h200")
    module = chips.compile_for("h200", lambda p, g: p - g, MATRIX, MATRIX)
    assert module.aliases == ()
    assert module.memory.alias == 0
    assert (module.launches, module.bytes) == (1, 12 * 4096**2)


def test_arguments_keep_their_numbers_when_one_is_not_used():
    need("h200")
    unused = {"a": MATRIX, "b": MATRIX}
    module = chips.compile_for("h200", lambda _, p: 2 * p, unused, MATRIX, donate_argnums=-1)
    assert module.aliases == (chips.Alias((), 2),)


def test_a_transpose_is_a_copy_that_is_seen():
    need("h200")
    module = chips.compile_for("h200", lambda p: p.T, MATRIX)
    assert [copy.bytes for copy in module.copies] == [8 * 4096**2]


def test_float64_and_bfloat16_compile():
    need("h200")
    with jax.enable_x64(True):
        wide = jax.ShapeDtypeStruct((1024,), jnp.float64)
        half = jax.ShapeDtypeStruct((1024,), jnp.bfloat16)
        module = chips.compile_for("h200", lambda x, y: x + y.astype(x.dtype), wide, half)
    assert module.bytes == 1024 * (8 + 2 + 8)


def test_pallas_kernels_keep_their_aliases():
    need("v5e")
    from jax.experimental import pallas as pl

    def kernel(p, g, out):
        out[...] = p[...] - g[...]

    def step(p, g):
        block = pl.BlockSpec((256, 1024), lambda i, j: (i, j))
        call = pl.pallas_call(
            kernel,
            out_shape=MATRIX,
            grid=(16, 4),
            in_specs=[block, block],
            out_specs=block,
            input_output_aliases={0: 0},
        )
        return call(p, g)

    module = chips.compile_for("v5e", step, MATRIX, MATRIX, donate_argnums=0)
    (call,) = module.custom_calls["tpu_custom_call"]
    assert call.aliases == (chips.Alias((), 0),)
    assert (module.launches, module.bytes, module.copies) == (1, 12 * 4096**2, ())


def test_what_a_compiler_refuses_is_told_and_the_next_job_is_served():
    need("v4")
    from jax.experimental import pallas as pl

    def kernel(p, out):
        out[...] = p[...] + 1

    too_large = pl.pallas_call(kernel, out_shape=MATRIX)
    with pytest.raises(ChipError, match=r"the compiler for v4 refuses: .*would exceed memory"):
        chips.compile_for("v4", too_large, MATRIX)
    assert chips.compile_for("v4", lambda p: p + 1, MATRIX).launches == 1


def test_a_compiler_of_ones_own_ends_with_its_block():
    need("h200")
    with chips.Compiler() as own:
        module = own.compile("h200", lambda p: p + 1, MATRIX)
        process = own._process
        assert module.launches == 1
        assert process.poll() is None
    assert process.poll() is not None


def test_a_child_that_dies_says_its_last_words_and_another_is_started():
    need("h200")
    with chips.Compiler() as own:
        own.compile("h200", lambda p: p + 1, MATRIX)
        own._process.kill()
        own._complaints.write(b"out of luck\n")
        own._process.wait = lambda: -9  # so that it is still taken to be alive
        own._process.poll = lambda: None
        with pytest.raises(ChipError, match="for h200 ended with status -9: out of luck"):
            own.compile("h200", lambda p: p + 1, MATRIX)
        del own._process.poll, own._process.wait
        assert own.compile("h200", lambda p: p + 1, MATRIX).launches == 1


def test_an_error_in_the_function_is_the_callers():
    need("h200")
    with pytest.raises(TypeError):
        chips.compile_for("h200", lambda p, q: p, MATRIX)
    with pytest.raises(IndexError):
        chips.compile_for("h200", lambda p: p, MATRIX, donate_argnums=1)


def test_an_unknown_chip_is_refused():
    with pytest.raises(UsageError, match="unknown chip 'h300'; known: a100, h100"):
        chips.compile_for("h300", lambda p: p, MATRIX)


def test_missing_flatbuffers_are_told(monkeypatch):
    monkeypatch.setattr(compiler, "_installed", lambda module, paths: module != "flatbuffers")
    assert "pip install flatbuffers" in chips.unavailable("v5e")


@pytest.mark.parametrize(
    ("chip", "told"), [("h200", f"jax-cuda13-plugin=={jax.__version__}"), ("v5e", "libtpu")]
)
def test_a_missing_compiler_is_told_with_the_remedy(chip, told, monkeypatch):
    monkeypatch.setattr(compiler, "_installed", lambda module, paths: module == "flatbuffers")
    reason = chips.unavailable(chip)
    assert told in reason
    assert "OPTGEN_CHIPS" in reason
    with pytest.raises(ChipError) as error:
        chips.compile_for(chip, lambda p: p, MATRIX)
    assert str(error.value) == reason


def test_nothing_is_said_where_there_is_no_chip():
    """The child is quiet on standard error, on a machine without the chip."""
    need("h200")
    need("v5e")
    code = """
import jax, jax.numpy as jnp
from optgen.tools import chips
with chips.Compiler() as compiler:
    for chip in ("h200", "v5e"):
        compiler.compile(chip, lambda p: p + 1, jax.ShapeDtypeStruct((8,), jnp.float32))
    print(compiler._last_words())
"""
    done = subprocess.run(
        (sys.executable, "-c", code), capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "it gave no reason"
    assert done.stderr == ""
