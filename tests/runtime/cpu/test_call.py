"""Kernels called from JAX programs: every transformation that an optimizer's step meets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optgen.runtime.execution import cpu
from tests.runtime.cpu.kernels import SOURCE, integers, kernel, run_alone, total, twice


def test_a_donated_operand_is_changed_in_place():
    x = jnp.arange(12345.0)
    expected, address = 2 * np.asarray(x), x.unsafe_buffer_pointer()
    (y,) = jax.jit(twice, donate_argnums=0)(x)
    assert y.unsafe_buffer_pointer() == address
    assert x.is_deleted()
    np.testing.assert_array_equal(y, expected)


def test_an_operand_that_is_not_donated_stays_as_it_was():
    x = jnp.arange(12345.0)
    (y,) = jax.jit(twice)(x)
    np.testing.assert_array_equal(x, np.arange(12345.0))
    np.testing.assert_array_equal(y, 2 * np.arange(12345.0))
    np.testing.assert_array_equal(twice(x, in_place=False)[0], y)


def test_without_jit():
    np.testing.assert_array_equal(twice(jnp.ones(3))[0], np.full(3, 2.0))


def test_many_buffers_of_any_shape_all_in_place():
    shapes = [(), (0,), (0, 4), (1,), (7, 3), (1001,)] * 100
    leaves = [jnp.full(shape, i, jnp.float32) for i, shape in enumerate(shapes)]
    addresses = [leaf.unsafe_buffer_pointer() for leaf in leaves]
    results = jax.jit(lambda *xs: twice(*xs), donate_argnums=tuple(range(600)))(*leaves)
    for i, (result, shape, address) in enumerate(zip(results, shapes, addresses, strict=True)):
        np.testing.assert_array_equal(result, np.full(shape, 2 * i, np.float32))
        if result.size:
            assert result.unsafe_buffer_pointer() == address


def test_an_operand_of_another_layout_arrives_in_row_major_order():
    x = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(jax.jit(lambda x: twice(x.T)[0])(x), 2 * np.asarray(x).T)


def test_inside_scan():
    def body(x, _):
        (x,) = twice(x)
        return x, total(x)

    x, totals = jax.jit(lambda x: jax.lax.scan(body, x, length=5))(jnp.ones(2000))
    np.testing.assert_array_equal(x, np.full(2000, 32.0))
    np.testing.assert_array_equal(totals, 2000 * 2.0 ** np.arange(1, 6))


def test_beside_another_platform():
    def step(x):
        return jax.lax.platform_dependent(
            x, cpu=lambda x: twice(x)[0], default=lambda x: jnp.tanh(x)
        )

    np.testing.assert_array_equal(jax.jit(step)(jnp.ones(5)), np.full(5, 2.0))
    traced = jax.jit(step).trace(jax.ShapeDtypeStruct((5,), jnp.float32))
    assert "optgen_cpu" in traced.lower(lowering_platforms=("cpu",)).as_text()
    assert "optgen_cpu" not in traced.lower(lowering_platforms=("tpu",)).as_text()
    both = traced.lower(lowering_platforms=("cpu", "tpu")).as_text()
    assert "optgen_cpu" in both
    assert "tanh" in both


@pytest.mark.parametrize(
    "plan", [[], [0], [0, 0], [5, 5, 5], [-1, 2**62, -(2**63), 2**31], list(range(3000))]
)
def test_the_plan_arrives_as_it_was(plan):
    found = np.asarray(jax.jit(lambda: integers("echo", plan, 4 + 2 * len(plan)))())
    assert list(found[:3]) == [len(plan), 0, 1]
    assert list(found[4:].view(np.int64)) == plan


def test_the_key_tells_apart_what_differs(monkeypatch):
    known = kernel("sum")
    assert cpu.entry(SOURCE, "another name", "sum") == known
    assert 0 <= known < 2**63
    others = {kernel("count"), cpu.entry(SOURCE + "\n", "by hand", "sum")}
    monkeypatch.setenv("OPTGEN_CXXFLAGS", "-O1")
    others.add(kernel("sum"))
    assert known not in others
    assert len(others) == 3


def test_the_key_is_the_same_in_another_process():
    program = "from tests.runtime.cpu.kernels import kernel; print(kernel('sum'))"
    assert int(run_alone(program)) == kernel("sum")


SHARDED = """
    import re
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.sharding import NamedSharding, PartitionSpec as P
    from tests.runtime.cpu.kernels import total, twice

    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    w = jax.device_put(jnp.arange(64.0).reshape(8, 8), NamedSharding(mesh, P("x", "y")))
    b = jax.device_put(jnp.arange(8.0), NamedSharding(mesh, P("x")))

    @jax.jit
    @jax.shard_map(mesh=mesh, in_specs=(P("x", "y"), P("x"), P()), out_specs=P("x", "y"),
                   check_vma=False)
    def mixed(w, b, c):
        w, b, c = twice(w, b, c)  # sharded along both axes, one, and none
        return w + b[:, None] + c

    expected = 2 * (np.arange(64.0).reshape(8, 8) + np.arange(8.0)[:, None] + 3)
    np.testing.assert_array_equal(mixed(w, b, jnp.float32(3)), expected)

    def step(w):
        return jax.shard_map(
            lambda w: twice(w)[0], mesh=mesh, in_specs=P("x", "y"), out_specs=P("x", "y"),
            check_vma=False,
        )(w)

    compiled = jax.jit(step, donate_argnums=0).lower(w).compile()
    text = compiled.as_text()
    print(len(re.findall(r"custom-call\\(", text)), text.count("all-gather"), text.count(" copy("))
    addresses = [shard.data.unsafe_buffer_pointer() for shard in w.addressable_shards]
    result = compiled(w)
    assert [shard.data.unsafe_buffer_pointer() for shard in result.addressable_shards] == addresses
    np.testing.assert_array_equal(result, 2 * np.arange(64.0).reshape(8, 8))

    @jax.jit
    @jax.shard_map(mesh=mesh, in_specs=P(), out_specs=P(), check_vma=False)
    def replicated(c):
        return twice(c)[0]

    np.testing.assert_array_equal(replicated(jnp.ones(3)), np.full(3, 2.0))
    """


def test_inside_shard_map_over_eight_devices():
    flags = "--xla_force_host_platform_device_count=8"
    assert run_alone(SHARDED, XLA_FLAGS=flags).split() == ["1", "0", "0"]
