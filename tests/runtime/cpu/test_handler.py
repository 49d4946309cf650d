"""The handler: threads, errors, and what it says of itself."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optgen.errors import CompilerError
from optgen.runtime.execution import cpu
from optgen.runtime.execution.cpu.handler import TARGET
from tests.runtime.cpu.kernels import SOURCE, integers, kernel, run_alone, total


def test_each_task_runs_once():
    for tasks in (0, 1, 2, 3, 1000, 100_000):
        np.testing.assert_array_equal(integers("count", [tasks], tasks), np.ones(tasks, np.int32))


# Every thread of Python's runs computations of its own, each of which asks for all of XLA's.
CROWD = """
    import threading
    import jax, jax.numpy as jnp, numpy as np
    from tests.runtime.cpu.kernels import integers, total, twice

    x = jnp.asarray(np.random.default_rng(0).standard_normal(1_000_003), jnp.float32)
    print(int(integers("echo", [1], 6)[3]), float(total(x)).hex(), flush=True)

    step = jax.jit(lambda x: (total(x), total(twice(x)[0]), twice(x @ x)[0]))
    ones = jnp.ones((100, 100))
    def work():
        for _ in range(30):
            once, double, product = step(ones)
            assert once == 10_000 and double == 20_000 and (product == 200).all()
    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print("done")
    """


def test_many_calls_at_once_on_one_thread_two_and_more():  # and none waits forever
    alone, two, many = (run_alone(CROWD, NPROC=threads).split() for threads in ("1", "2", "7"))
    assert [alone[0], two[0], many[0]] == ["1", "2", "7"]
    assert alone[1] == two[1] == many[1]  # the sum, whichever threads ran
    assert [alone[2:], two[2:], many[2:]] == [["done"]] * 3


def test_many_calls_at_once_on_eight_devices():
    program = """
        import jax, jax.numpy as jnp, numpy as np
        from jax.sharding import PartitionSpec as P
        from tests.runtime.cpu.kernels import total

        mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
        @jax.jit
        @jax.shard_map(mesh=mesh, in_specs=P("x"), out_specs=P())
        def sums(x):
            def body(c, _):
                c = jax.lax.psum(total(x) + 0 * c, "x")
                return jax.lax.pcast(c, "x", to="varying"), None
            zero = jax.lax.pcast(jnp.float32(0), "x", to="varying")
            return jax.lax.pmax(jax.lax.scan(body, zero, length=20)[0], "x")
        print(float(sums(jnp.ones(80_000))))
        """
    environment = {"NPROC": "1", "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    assert float(run_alone(program, **environment)) == 80_000


def test_every_thread_treats_subnormals_as_xla_does():
    tiny = jnp.asarray([1e-40, 1.0], jnp.float32)
    result = jax.ShapeDtypeStruct((500,), jnp.float32)
    found = cpu.call(kernel("subnormal"), [500], [tiny], [result], {})[0]
    np.testing.assert_array_equal(found, np.full(500, jax.jit(lambda t: t[0] * t[1])(tiny)))


def test_a_kernel_that_is_not_registered():
    with pytest.raises(jax.errors.JaxRuntimeError, match="make and trace the same optgen"):
        cpu.call(12345, [1], [], [jax.ShapeDtypeStruct((), jnp.float32)], {})


def test_what_a_kernel_refuses():
    with pytest.raises(jax.errors.JaxRuntimeError, match="optgen_cpu: this kernel refuses"):
        integers("refuse", [1], 1)


def test_what_a_task_throws():
    with pytest.raises(jax.errors.JaxRuntimeError, match="optgen_cpu: task 50 exploded"):
        integers("explode", [1], 1)
    assert total(jnp.ones(10)) == 10  # and the next call finds everything as it was


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"kernel": np.int64(1)},
        {"plan": np.zeros(1, np.int64)},
        {"kernel": np.int32(1), "plan": np.zeros(1, np.int64)},
        {"kernel": np.int64(1), "plan": np.zeros(1, np.int32)},
        {"kernel": "1", "plan": np.zeros(1, np.int64)},
    ],
)
def test_a_call_made_wrongly(attributes):
    kernel("sum")
    wrong = jax.ffi.ffi_call(TARGET, jax.ShapeDtypeStruct((), jnp.float32))
    with pytest.raises(jax.errors.JaxRuntimeError, match="attributes `kernel`"):
        wrong(**attributes)


def test_a_function_that_the_source_lacks():
    with pytest.raises(CompilerError, match="no function absent: it must be marked OPTGEN_EXPORT"):
        kernel("absent")


def test_entries_made_by_many_threads_at_once(home):
    source = SOURCE + "// made by many threads\n"
    keys = []
    threads = [
        threading.Thread(target=lambda: keys.append(cpu.entry(source, "crowd", "sum")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert len(list(home.glob("crowd-*.so"))) == 1
