"""Every stock rule as machine code: nothing spills, and large arrays move 16 bytes at a time."""

import re

import jax
import jax.numpy as jnp
import pytest

import optgen
from optgen.runtime.execution.triton import inspection
from optgen.tools import workloads
from optgen.zoo import STOCK
from tests.runtime.triton.machine_code import chain_of, launches_of, shaped
from tests.targets import options

pytest.importorskip("triton")

SHAPES = {
    "scalar": (),
    "vector": (4099,),
    "wide": (256, 512),
    "tall": (512, 256),
    "odd": (129, 131),
    "kernel": (3, 3, 128, 256),
    "transposed": (3, 3, 256, 128),
}
PARAMETER_SPACE = 32_764
"""Bytes of a kernel's parameters, from CUDA 12.1 on."""
REGISTERS = 65_536
"""Of a multiprocessor."""


def made(name):
    return getattr(optgen, name)(1e-3, target="triton", **options(name))


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("name", sorted(STOCK))
def test_nothing_is_kept_in_memory_for_want_of_registers(name, capability):
    for launch in launches_of(made(name), shaped(SHAPES, jnp.float32)):
        found = inspection.compile_launch(launch, capability)
        assert (found.spills, found.stack) == (0, 0), found
        assert f".target sm_{capability}" in found.ptx


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", sorted(STOCK))
def test_large_arrays_are_loaded_and_stored_16_bytes_at_a_time(name, dtype):
    tx = made(name)
    for shape in [(256, 512), (512, 256)] if name == "adafactor" else [(256, 512)]:
        leaves = shaped({"leaf": shape}, dtype)
        launches, chain = launches_of(tx, leaves), chain_of(tx, leaves)
        for launch, routine in zip(launches, chain.routines, strict=True):
            large = [x.access for x in routine.operands if x.axes == "*"]
            found = inspection.compile_launch(launch, 90)
            loads = sum(access in ("in", "in-out") for access in large)
            stores = sum(access in ("out", "in-out") for access in large)
            assert found.widths("ld").get(16, 0) >= loads, found
            assert found.widths("st").get(16, 0) >= stores, found


@pytest.mark.parametrize(("dtype", "programs"), [("float32", 6), ("bfloat16", 5)])
def test_one_kernel_takes_all_of_gpt2(dtype, programs):
    """148 leaves in so few registers that a multiprocessor takes this many programs at once."""
    (launch,) = launches_of(made("adamw"), workloads.tree("gpt2-small", dtype))
    found = inspection.compile_launch(launch, 90)
    assert (found.spills, found.stack) == (0, 0)
    assert REGISTERS // (32 * launch.options.warps * found.registers) >= programs
    pointers = re.search(r"\.entry \w+\((.*?)\)", found.ptx, re.DOTALL)[1].count(".param .u64")
    assert 4 * 148 < pointers <= PARAMETER_SPACE / 8


def test_a_bucket_is_split_where_a_kernel_has_no_parameters_left():
    """With jax_triton 0.3, what is updated in place is passed twice: before and after."""
    leaves = {f"leaf{i}": jax.ShapeDtypeStruct((8,), jnp.float32) for i in range(1100)}
    launches = launches_of(made("adamw"), leaves)
    assert len(launches) == 3
    for launch in launches:
        twice = sum(name.startswith(("p_", "mu_", "nu_")) for name in launch.parameters)
        assert 8 * (len(launch.parameters) + twice) <= PARAMETER_SPACE
