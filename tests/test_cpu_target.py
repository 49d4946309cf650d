"""The ``cpu`` target: what it computes, how it is called, and when ``xla`` serves instead."""

import dataclasses
import os
import re
import subprocess
import sys
import textwrap
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optgen
from optgen import dsl
from optgen.errors import TargetError
from optgen.runtime.execution import cpu, targets
from optgen.tools.verify import verify
from optgen.zoo import STOCK
from tests.targets import CHAIN, close, make, maxima, options, random_tree, statistics, tangled

pytestmark = pytest.mark.skipif(
    cpu.unavailable() is not None, reason=f"no CPU kernels here: {cpu.unavailable()}"
)


@pytest.mark.parametrize("name", sorted(STOCK))
def test_kernels_are_as_near_the_oracle_as_optax(name):
    report = verify(
        lambda target: getattr(optgen, name)(1e-2, target=target, **options(name)),
        reference=getattr(optax, name)(1e-2, **options(name)),
        targets=("cpu",),
        steps=3,
    )
    assert report.ok, [row for row in report.rows if not row.ok]


SHAPES = {
    "scalar": (),
    "empty": (0, 3),
    "odd": (17,),
    "block": (4096,),
    "past_a_block": (4097,),
    "wide": (130, 140),
    "tall": (140, 130),
    "conv": (3, 2, 129, 131),
    "cube": (128, 3, 129),
}


def tree(seed=0, dtype=jnp.float32):
    return random_tree(SHAPES, seed, dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", ["adamw", "adafactor", "lamb", CHAIN])
def test_kernels_and_jnp_agree_on_every_kind_of_leaf(name, dtype):
    native, portable = make(name, "cpu"), make(name, "xla")
    p = q = tree(dtype=dtype)
    state, expected = native.init(p), portable.init(q)
    for seed in range(3):
        grads = tree(seed + 1, dtype)
        if seed == 1:
            updates, state = native.update(grads, state, p)
            wanted, expected = portable.update(grads, expected, q)
            close(updates, wanted, {"float32": 2e-6}.get(dtype, 2e-2))
        p, state = native.step(p, state, grads=grads)
        q, expected = portable.step(q, expected, grads=grads)
    tolerance = {"float32": 2e-6, "bfloat16": 2e-2, "float16": 4e-3}[dtype]
    close(p, q, tolerance)
    close(state, expected, tolerance)


TILE = 1 << 17
EDGES = {
    f"{name}_{shift:+}": shape
    for shift in (-1, 0, 1)
    for name, shape in {
        "tile": (TILE + shift,),
        "two_tiles": (2 * TILE + shift,),
        "rows_flushed": (16 + shift, 300),  # what is summed over rows before it goes to double
        "rows_of_a_tile": (TILE // 512 + shift, 512),
        "vectors": (16, 64 + shift),
    }.items()
}


def test_sizes_around_every_boundary_of_the_launch_code():
    rng = np.random.default_rng(0)
    params = {name: jnp.asarray(rng.normal(size=s), jnp.float32) for name, s in EDGES.items()}
    grads = jax.tree.map(lambda p: jnp.roll(p, 3) + 0.5, params)

    native, portable = (statistics(0.1, target=target) for target in ("cpu", "xla"))
    got = native.update(grads, native.init(params), params)[0]
    close(got, portable.update(grads, portable.init(params), params)[0], 1e-5)


def test_indices_are_64_bits_wide():
    leaves = {"m": jax.ShapeDtypeStruct((256, 512), jnp.float32)}
    for name in ("adamw", "adafactor"):
        source = make(name, "cpu").source("cpu", leaves)
        assert "int64_t i" in source
        names = "i|row|column|batch|line|position|start"
        assert not re.search(rf"\b(int|unsigned|int32_t|long)\s+({names})\b", source)


ORIENTED = {
    "rows": (129, 200),
    "columns": (200, 129),
    "rows_of_a_batch": (3, 129, 200),
    "columns_of_a_batch": (3, 200, 129),
    "kernel": (3, 2, 129, 200),
    "kernel_of_columns": (3, 2, 200, 129),
    "batch_between": (129, 3, 200),
    "batch_between_columns": (200, 3, 129),
    "one_inside": (129, 200, 1),
    "rows_of_several_tiles": (1500, 300),
    "columns_of_several_tiles": (1500, 1400),
}
"""Leaves that Adafactor factors along other axes, in other orders in memory."""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_one_function_serves_every_order_in_memory(dtype):
    with jax.enable_x64(dtype == "float64"):
        params, grads = random_tree(ORIENTED, 0, dtype), random_tree(ORIENTED, 1, dtype)
        native, portable = make("adafactor", "cpu"), make("adafactor", "xla")
        plan = native.plan(params)
        (launch,) = plan.launches
        assert len({run.kernels for run in launch.runs}) == 1
        got, wanted = native.init(params), portable.init(params)
        for _ in range(2):
            updates, got = native.update(grads, got, params)
            expected, wanted = portable.update(grads, wanted, params)
        tolerance = {"float32": 2e-6, "bfloat16": 2e-2, "float16": 4e-3, "float64": 1e-14}[dtype]
        close((updates, got), (expected, wanted), tolerance)
        got = native.step(params, native.init(params), grads=grads)
        close(got, portable.step(params, portable.init(params), grads=grads), tolerance)


def test_a_batch_that_is_innermost_in_memory_is_left_to_xla():
    params = {"w": random_tree({"w": (130, 140, 3)})["w"]}
    native, portable = make("adafactor", "cpu"), make("adafactor", "xla")
    assert "rows and columns are not innermost in memory" in str(native.explain(params))
    got = native.step(params, native.init(params), grads=params)
    close(got, portable.step(params, portable.init(params), grads=params), 1e-6)


@dsl.rule
def planes(g, p, *, rate):
    """Means over every axis of a cube, and extremes over every pair of them."""
    result = g
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        result = result + dsl.mean(g * g, axis=axis) * dsl.max(p, axis=others)
    return -rate * result


@dsl.rule
def batches(g, p, *, rate):
    """Statistics of each matrix of a batch, beside those of its rows and columns."""
    norm = dsl.state("norm", like=dsl.mean(g, axis=(1, 2)))
    row, column = dsl.mean(g, axis=2), dsl.max(dsl.abs(g), axis=1)
    rows, columns = dsl.state("rows", like=row), dsl.state("columns", like=column)
    rows.next = 0.9 * rows + row
    columns.next = 0.9 * columns + column
    norm.next = 0.5 * norm + dsl.norm(g, axis=(1, 2)) + dsl.mean(rows.next, axis=1)
    return -rate * g / (1e-3 + norm.next + rows.next * columns.next + dsl.sum(rows.next))


@dsl.rule
def reduced_again(g, p, *, rate):
    """Reductions of small values over each of their dimensions, and slots made of each other."""
    mean = dsl.mean(g, axis=2)
    small = dsl.state("small", like=mean)
    a = dsl.state("a", like=dsl.mean(mean, axis=0), init=1.0)
    b = dsl.state("b", like=dsl.mean(mean, axis=1), init=2.0)
    c = dsl.state("c", like=dsl.mean(mean, axis=0), init=0.5)
    small.next = 0.5 * small + mean / (1 + dsl.rms(mean))
    largest = dsl.max(small.next, axis=0)
    squares = dsl.sum(dsl.square(small.next), axis=1)
    a.next = c + largest - dsl.mean(c)
    c.next = a * dsl.mean(squares) + dsl.norm(a)
    b.next = b + squares / (1 + dsl.max(squares))
    return -rate * g * (1 + small.next) * (a.next + b.next + c.next)


@dsl.rule
def swapped(g, p, *, rate):
    """Slots that a reduction comes between, each made of the other's old values."""
    mean = dsl.mean(g, axis=1)
    a, b = dsl.state("a", like=mean, init=1.0), dsl.state("b", like=mean, init=2.0)
    total = dsl.state("total", like=dsl.sum(mean), init=3.0)
    a.next = b - dsl.mean(b) + mean + total
    b.next = a * dsl.max(a) + 1.0 / (1.0 + dsl.sum(dsl.square(mean * a)))
    total.next = dsl.sum(a.next) * 1e-3 + dsl.mean(b.next)
    return -rate * g * (a.next + b.next + total.next)


@pytest.mark.parametrize(
    ("rule", "shapes"),
    [
        (planes, {"cube": (5, 6, 7), "long": (6, 130, 20)}),
        (batches, {"rows": (3, 40, 50), "columns": (4, 128, 64)}),
        (reduced_again, {"cube": (5, 6, 7), "long": (33, 20, 12)}),
        (swapped, {"wide": (30, 40), "tall": (100, 7)}),
    ],
)
def test_reductions_that_keep_any_dimensions(rule, shapes):
    native, portable = rule(0.1, target="cpu"), rule(0.1, target="xla")
    p = q = random_tree(shapes)
    state, expected = native.init(p), portable.init(q)
    for seed in range(3):
        grads = random_tree(shapes, seed + 1)
        p, state = native.step(p, state, grads=grads)
        q, expected = portable.step(q, expected, grads=grads)
    close((p, state), (q, expected), 1e-5)
    assert not any(launch.by_xla for launch in native.plan(p).launches)


def test_float64_leaves_are_computed_in_float64():
    with jax.enable_x64(True):
        params = tree(dtype="float64")
        native, portable = make("adafactor", "cpu"), make("adafactor", "xla")
        got = native.step(params, native.init(params), grads=tree(1, "float64"))
        wanted = portable.step(params, portable.init(params), grads=tree(1, "float64"))
        close(got, wanted, 1e-13)


def test_dtypes_may_be_mixed_in_one_tree():
    params = {"a": tree()["wide"], "b": tree(dtype="bfloat16")["wide"]}
    grads = {"a": tree(1, "bfloat16")["wide"], "b": tree(1)["wide"]}
    native, portable = make("adamw", "cpu"), make("adamw", "xla")
    got = native.step(params, native.init(params), grads=grads)[0]
    wanted = portable.step(params, portable.init(params), grads=grads)[0]
    close(got["a"], wanted["a"], 1e-6)
    close(got["b"], wanted["b"], 1e-2)
    assert got["b"].dtype == jnp.bfloat16


def compiled_step(tx, params):
    state = jax.eval_shape(tx.init, params)

    def step(params, state, grads):
        return tx.step(params, state, grads=grads)

    return jax.jit(step, donate_argnums=(0, 1)).lower(params, state, params).compile().as_text()


def test_a_step_is_one_call_in_place():
    params = {f"leaf{i}": jax.ShapeDtypeStruct((64, i + 1), jnp.float32) for i in range(40)}
    text = compiled_step(make("adamw", "cpu"), params)
    assert len(re.findall(r'custom_call_target="optgen_cpu"', text)) == 1
    assert not re.findall(r"f32\[64,\d+\]\S* copy\(", text)


def test_a_tree_reduction_cuts_a_step_in_two():
    text = compiled_step(make(CHAIN, "cpu"), {"a": jax.ShapeDtypeStruct((64, 3), jnp.float32)})
    assert len(re.findall(r'custom_call_target="optgen_cpu"', text)) == 2


def test_kernels_work_in_scan_vmap_grad_and_eval_shape():
    tx, portable = make("lamb", "cpu"), make("lamb", "xla")
    params = {"w": tree()["wide"]}
    state = tx.init(params)

    def many(tx, params, state):
        def body(carry, seed):
            params, state = carry
            grads = jax.tree.map(lambda p: p * seed, params)
            return tx.step(params, state, grads=grads), None

        return jax.lax.scan(body, (params, state), jnp.arange(1.0, 4.0))[0]

    close(jax.jit(many, static_argnums=0)(tx, params, state), many(portable, params, state), 2e-6)

    def loss(tx, scale):
        grads = jax.tree.map(lambda p: p * scale, params)
        return jnp.sum(tx.step(params, state, grads=grads)[0]["w"] ** 2)

    got = jax.vmap(lambda scale: loss(tx, scale))(jnp.asarray([1.0, 2.0]))
    close(got, jnp.stack([loss(portable, 1.0), loss(portable, 2.0)]), 1e-5)
    assert float(jax.grad(loss, 1)(tx, 1.5)) == pytest.approx(
        float(jax.grad(loss, 1)(portable, 1.5)), rel=1e-4, abs=1e-6
    )
    shapes = jax.eval_shape(tx.step, params, state, grads=params)[0]
    assert shapes["w"].shape == params["w"].shape


def test_new_values_of_hyperparameters_compile_nothing_again():
    counted = []

    @dsl.rule
    def plain(g, p, *, rate):
        counted.append(1)
        return -rate * g

    params = jnp.ones(3)
    traces = []
    for rate in (0.1, 0.2, lambda count: 0.3):
        tx = plain(rate, target="cpu")
        tx.step(params, tx.init(params), grads=params)
        traces.append(len(counted))
    assert traces[0] == traces[-1] > 0


def test_non_finite_gradients_mean_what_they_mean_in_jnp():
    grads = {"w": jnp.asarray([[jnp.nan, 1.0], [jnp.inf, -jnp.inf]]), "v": jnp.ones(3)}
    params = jax.tree.map(jnp.ones_like, grads)
    for name in ("adamw", "lion", "lamb", CHAIN):
        native, portable = make(name, "cpu"), make(name, "xla")
        got = native.step(params, native.init(params), grads=grads)
        wanted = portable.step(params, portable.init(params), grads=grads)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b), err_msg=name)
            np.testing.assert_array_equal(np.isinf(a), np.isinf(b), err_msg=name)


def test_a_rounding_inside_a_rule_is_kept():
    @dsl.rule
    def remainder(g, p):
        return dsl.cast(g, jnp.bfloat16) - g

    g = jnp.asarray([1.001, 2.003, -3.0001], jnp.float32)
    tx = remainder(target="cpu")
    expected = g.astype(jnp.bfloat16).astype(jnp.float32) - g
    np.testing.assert_array_equal(tx.update(g, tx.init(g), g)[0], expected)
    assert float(abs(expected).max()) > 0


@pytest.mark.parametrize("word", ["row", "i", "leaf", "Real", "new", "float", "p_data", "auto"])
def test_names_that_mean_something_in_cpp_are_only_names(word):
    namespace = {"dsl": dsl}
    source = (
        f"def named(g, p, *, {word}_rate, {word}_b=0.5):\n"
        f"    {word} = dsl.state({word!r})\n"
        f"    {word}.next = {word}_b * {word} + g\n"
        f"    return -{word}_rate * {word}.next - dsl.mean(g, axis=0)\n"
    )
    if word in ("i", "leaf", "Real"):  # hyperparameters too, where Python has such names
        source = source.replace(f"{word}_rate", word).replace(f"    {word} = ", "    slot = ")
        source = source.replace(f"    {word}.next", "    slot.next").replace(
            f" {word}.next", " slot.next"
        )
        source = source.replace(f"* {word} +", "* slot +").replace(repr(word), "'row'")
    exec(source, namespace)
    rule = dsl.rule(namespace["named"])
    params = {"w": tree()["wide"]}
    results = []
    for target in ("cpu", "xla"):
        tx = rule(0.25, target=target)
        state = tx.init(params)
        for _ in range(2):
            updates, state = tx.update(params, state, params)
        results.append(updates)
    close(results[0], results[1], 1e-6)


def test_small_slots_may_be_made_of_each_other_and_called_anything():
    params = {"w": tree()["wide"], "c": tree()["tall"]}
    native, portable = tangled(0.1, target="cpu"), tangled(0.1, target="xla")
    state, expected = native.init(params), portable.init(params)
    for _ in range(3):
        updates, state = native.update(params, state, params)
        wanted, expected = portable.update(params, expected, params)
    close((updates, state), (wanted, expected), 1e-5)


def test_what_no_view_covers_is_left_to_jnp_beside_the_kernels():
    params = {"four": jnp.ones((2, 3, 4, 5)), "one": jnp.ones(6)}
    grads = jax.tree.map(lambda p: p * 2, params)
    native, portable = maxima(0.1, target="cpu"), maxima(0.1, target="xla")
    got = native.update(grads, native.init(params), params)[0]
    close(got, portable.update(grads, portable.init(params), params)[0], 1e-6)


RESULT = """
    import jax, jax.numpy as jnp, numpy as np, optgen
    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(1300, 1400)), "t": rng.normal(size=(1400, 1300)),
              "b": rng.normal(size=300_001)}
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)
    tx = optgen.chain(optgen.adafactor(1e-2), optgen.clip_by_global_norm(0.1), target="cpu")
    state = tx.init(params)
    for _ in range(2):
        params, state = tx.step(params, state, grads=params)
    leaves = jax.tree.leaves((params, state))
    print(hash(b"".join(np.asarray(leaf).tobytes() for leaf in leaves)))
"""


def test_results_do_not_depend_on_the_number_of_threads():
    results = set()
    for threads in ("1", "2", "5"):
        environment = {**os.environ, "NPROC": threads, "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(RESULT)],
            capture_output=True,
            text=True,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        results.add(done.stdout)
    assert len(results) == 1


def test_sums_of_many_elements_stay_accurate():
    @dsl.rule
    def norms(g, p):
        return g / dsl.sum(dsl.square(g))

    g = jnp.full(20_000_000, 0.1, jnp.float32)
    tx = norms(target="cpu")
    total = 0.1 / float(tx.update(g, tx.init(g), g)[0][0])
    exact = float(np.float64(np.float32(0.1)) ** 2) * 20_000_000
    assert total == pytest.approx(exact * 0.1 / float(np.float32(0.1)), rel=3e-7)


def test_over_several_devices_auto_is_xla_and_partitions():
    script = """
        import jax, jax.numpy as jnp, optgen
        from jax.sharding import NamedSharding, PartitionSpec
        mesh = jax.make_mesh((4,), ("x",))
        params = jax.device_put(jnp.ones((8, 3)), NamedSharding(mesh, PartitionSpec("x")))
        tx = optgen.adamw(1e-3)
        with jax.set_mesh(mesh):
            state = jax.jit(tx.init)(params)
            text = jax.jit(tx.step).lower(params, state, grads=params).compile().as_text()
        print("optgen_cpu" in text, "all-gather" in text)
    """
    environment = {
        **os.environ,
        "OPTGEN_TARGET": "auto",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_without_a_compiler_auto_says_so_once_and_xla_serves(monkeypatch):
    monkeypatch.setenv("OPTGEN_TARGET", "auto")
    broken = dataclasses.replace(cpu.TARGET, unavailable=lambda: "no C++ compiler was found")
    monkeypatch.setitem(targets.TARGETS, "cpu", broken)
    targets.say_once.cache_clear()
    params = jnp.ones(5)
    tx = optgen.sgd(0.5)
    with pytest.warns(UserWarning, match="no C\\+\\+ compiler was found"):
        state = tx.init(params)
    assert tx.update(params, state, params)[0].tolist() == [-0.5] * 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tx = optgen.sgd(0.25)
        tx.update(params, tx.init(params), params)
    with pytest.raises(TargetError, match="the cpu target cannot serve: no C"):
        optgen.sgd(0.5, target="cpu").init(params)


def _closes(pragma: str, line: str) -> bool:
    """True where a line ends the loop that a pragma stands before."""
    return line == pragma[: len(pragma) - len(pragma.lstrip())] + "}"


def test_hot_loops_are_full_width_vectors_without_calls(tmp_path):
    """Every loop over elements of the stock rules is vectorised, and calls nothing."""
    compiler = cpu.describe()["compiler"]
    if "g++" not in compiler and "c++" not in compiler:
        pytest.skip("the report that is read here is GCC's")
    stored_in = {**dict.fromkeys(sorted(STOCK), "float32"), "adamw": "bfloat16"}
    for name, dtype in stored_in.items():
        leaves = jax.ShapeDtypeStruct((256, 512), dtype)
        source = getattr(optgen, name)(1e-3).source("cpu", leaves)
        path = tmp_path / f"{name}.cc"
        path.write_text(source)
        include = os.path.join(os.path.dirname(cpu.__file__), "native")
        flags = cpu.describe()["flags"].split()
        command = [compiler, *flags, "-I", include, path, "-S", "-o", tmp_path / "out.s"]
        done = subprocess.run(
            [*command, "-fopt-info-vec"], capture_output=True, text=True, check=True
        )
        report = re.findall(r"(\w+\.(?:cc|h)):(\d+):\d+: opt.*loop vectorized", done.stderr)
        vectorised = {int(line) for file, line in report if file == f"{name}.cc"}
        lines = source.splitlines()
        for number, line in enumerate(lines, 1):
            elements = re.search(r"int64_t (i|position) = ", lines[min(number, len(lines) - 1)])
            if line.strip().startswith("OPTGEN_SIMD") and elements:
                end = next(i for i in range(number, len(lines)) if _closes(line, lines[i]))
                body = set(range(number, end + 2))
                assert vectorised & body, f"{name}.cc:{number}: {line.strip()}"
        assembly = (tmp_path / "out.s").read_text()
        assert not re.search(r"call\s+\S*(sqrtf|powf|expf|logf|nearbyintf)\b", assembly), name
