"""Every stock rule as machine code: nothing spills, and large arrays move 16 bytes at a time."""

import re

import jax
import jax.numpy as jnp
import pytest

import optgen
from optgen.runtime.execution.triton import inspection
from optgen.tools import workloads
from optgen.zoo import STOCK
from tests.runtime.triton.machine_code import kernels_of, launches_of, shaped
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


def optimizer(name):
    return getattr(optgen, name)(1e-3, target="triton", **options(name))


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90, 100])
@pytest.mark.parametrize("name", sorted(STOCK))
def test_nothing_is_kept_in_memory_for_want_of_registers(name, capability):
    for launch in launches_of(optimizer(name), shaped(SHAPES, jnp.float32)):
        compiled = inspection.compile_launch(launch, capability)
        assert (compiled.spills, compiled.stack) == (0, 0), compiled
        assert f".target sm_{capability}" in compiled.ptx


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", sorted(STOCK))
def test_large_arrays_are_loaded_and_stored_16_bytes_at_a_time(name, dtype):
    tx = optimizer(name)
    for shape in [(256, 512), (512, 256)] if name == "adafactor" else [(256, 512)]:
        leaves = shaped({"leaf": shape}, dtype)
        launches, kernels = launches_of(tx, leaves), kernels_of(tx, leaves)
        for launch, kernel in zip(launches, kernels, strict=True):
            compiled = inspection.compile_launch(launch, 90)
            loads = sum(x.large and x.read for x in kernel.operands)
            stores = sum(x.large and x.written for x in kernel.operands)
            assert compiled.widths("ld").get(16, 0) >= loads, compiled
            assert compiled.widths("st").get(16, 0) >= stores, compiled


@pytest.mark.parametrize(("dtype", "programs"), [("float32", 6), ("bfloat16", 5)])
def test_one_kernel_takes_all_of_gpt2(dtype, programs):
    """148 leaves in so few registers that a multiprocessor takes this many programs at once."""
    (launch,) = launches_of(optimizer("adamw"), workloads.tree("gpt2-small", dtype))
    compiled = inspection.compile_launch(launch, 90)
    assert (compiled.spills, compiled.stack) == (0, 0)
    assert REGISTERS // (32 * launch.options.warps * compiled.registers) >= programs
    pointers = re.search(r"\.entry \w+\((.*?)\)", compiled.ptx, re.DOTALL)[1].count(".param .u64")
    assert 4 * 148 < pointers <= PARAMETER_SPACE / 8


def test_a_bucket_is_split_where_a_kernel_has_no_parameters_left():
    """With jax_triton 0.3, what is updated in place is passed twice: before and after."""
    leaves = {f"leaf{i}": jax.ShapeDtypeStruct((8,), jnp.float32) for i in range(1100)}
    launches = launches_of(optimizer("adamw"), leaves)
    assert len(launches) == 3
    for launch in launches:
        twice = sum(name.startswith(("p_", "mu_", "nu_")) for name in launch.parameters)
        assert 8 * (len(launch.parameters) + twice) <= PARAMETER_SPACE
