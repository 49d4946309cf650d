"""The committed kernels are what optgen emits now, and work without the compiler."""

import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optgen
import optgen_kernels
from optgen import dsl
from optgen.errors import PackageError, UsageError
from optgen.tools import generate
from optgen.zoo import STOCK

GENERATED = Path(optgen_kernels.__file__).parent


def test_the_committed_kernels_are_a_fresh_emission():
    assert generate.check(GENERATED) == [], "run `make generate`, and read the difference"


def test_the_check_sees_a_change_a_missing_file_and_a_foreign_one(tmp_path):
    generate.generate_all(tmp_path)
    (tmp_path / "adam" / "xla.py").write_text("")
    (tmp_path / "lion" / "xla.py").unlink()
    (tmp_path / "adam" / "notes.txt").write_text("")
    faults = generate.check(tmp_path)
    assert [fault.split(": ")[0].split(f"{tmp_path}/")[1] for fault in faults] == [
        "adam/xla.py differs from what optgen emits now",
        "adam/notes.txt is not emitted by any stock rule",
        "lion/xla.py is missing",
    ]


def test_every_stock_rule_has_a_package():
    assert sorted(optgen_kernels.__all__) == sorted(STOCK)


def grads_like(params, seed):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape), p.dtype), params)


def parameters(dtype=jnp.float32):
    shapes = {"bias": (7,), "wide": (130, 140), "tall": (140, 130), "conv": (2, 3, 128, 130)}
    params = {name: jnp.zeros(shape, dtype) for name, shape in shapes.items()}
    return grads_like({**params, "none": None, "empty": jnp.zeros((0, 3), dtype)}, 7)


@pytest.mark.parametrize("name", sorted(STOCK))
def test_a_package_and_its_rule_are_the_same_optimizer(name):
    params = parameters()
    packaged, ruled = getattr(optgen_kernels, name)(1e-2), getattr(optgen, name)(1e-2)
    state, expected = packaged.init(params), ruled.init(params)
    p = q = params
    for seed in range(3):
        grads = grads_like(params, seed)
        updates = packaged.update(grads, state, p), ruled.update(grads, expected, q)
        p, state = packaged.step(p, state, grads=grads)
        q, expected = ruled.step(q, expected, grads=grads)
    found, wanted_ = (p, state, updates[0]), (q, expected, updates[1])
    for got, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(wanted_), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_kernels_beside_functions_of_another_emission_say_so():
    variant = optgen_kernels.lamb(1e-2).trees.resolve(optgen.lamb(1e-2).trees.specs(jnp.ones(3)))
    with pytest.raises(PackageError, match="'other'.*leaf, leaf_update.*generate the package"):
        variant[0].variants[0].function("other")


def test_a_package_serves_masks_schedules_and_bfloat16():
    params = parameters(jnp.bfloat16)
    options = {
        "learning_rate": lambda count: 0.1 / (count + 1),
        "mask": lambda p: jax.tree.map(lambda x: x.ndim > 1, p),
        "weight_decay": 0.1,
    }
    packaged, ruled = optgen_kernels.adamw(**options), optgen.adamw(**options)
    grads = grads_like(params, 1)
    got = packaged.update(grads, packaged.init(params), params)[0]
    wanted = ruled.update(grads, ruled.init(params), params)[0]
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert a.dtype == jnp.bfloat16
        np.testing.assert_array_equal(a, b)


def test_what_was_not_emitted_is_named_with_the_command_that_adds_it(tmp_path, monkeypatch):
    with pytest.raises(PackageError, match=r"optgen generate adam .*--set nesterov=True"):
        optgen_kernels.adam(1e-3, nesterov=True)
    with pytest.raises(PackageError, match="optgen generate adafactor .*--shape 128x2x2x128x3"):
        optgen_kernels.adafactor(1e-3).init(jnp.zeros((128, 2, 2, 128, 3)))


def imported(directory, monkeypatch, name):
    monkeypatch.syspath_prepend(str(directory))
    for module in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, module)
    return getattr(__import__(name), name)


@dsl.rule
def made_up(g, p, *, rate, power: int = 1):
    """Made up for a test.

    It has a second paragraph.
    """
    return -rate * g**power if p.ndim < 2 else -rate * dsl.sign(g)


def test_generating_again_adds_variants_and_settings(tmp_path, monkeypatch):
    generate.generate(made_up, tmp_path, shapes=[(4,)])
    package = imported(tmp_path, monkeypatch, "made_up")
    matrix, vector = jnp.full((2, 3), -2.0), jnp.full(3, -2.0)
    with pytest.raises(PackageError, match="--shape 2x3"):
        package(0.1).init(matrix)
    generate.generate(made_up, tmp_path, shapes=[(4, 4)])
    generate.generate(made_up, tmp_path, {"power": 2}, shapes=[(4,)])
    package = imported(tmp_path, monkeypatch, "made_up")
    tx = package(0.5)
    assert tx.update(matrix, tx.init(matrix))[0].tolist() == [[0.5] * 3] * 2
    tx = package(0.5, power=2)
    assert tx.update(vector, tx.init(vector))[0].tolist() == [-2.0] * 3


def test_a_chain_is_generated_with_the_values_that_it_has(tmp_path, monkeypatch):
    chain = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.sgd(0.5))
    generate.generate(chain, tmp_path)
    tx = imported(tmp_path, monkeypatch, "clip_by_global_norm_then_sgd")()
    grads = {"a": jnp.asarray([3.0]), "b": jnp.asarray([4.0])}
    updates = tx.update(grads, tx.init(grads), grads)[0]
    np.testing.assert_allclose([updates["a"][0], updates["b"][0]], [-0.3, -0.4], rtol=1e-6)


def test_a_spoiled_manifest_is_refused_with_the_remedy(tmp_path):
    generate.generate(made_up, tmp_path, shapes=[(4,)])
    (tmp_path / "made_up" / "manifest.json").write_text("{}")
    with pytest.raises(UsageError, match="remove the directory, or choose another with -o"):
        generate.generate(made_up, tmp_path)


def test_packages_and_their_optimizers_are_pickled():
    tx = optgen_kernels.adamw(1e-3, weight_decay=0.1)
    params = jnp.ones(3)
    again = pickle.loads(pickle.dumps(tx))
    state = tx.init(params)
    np.testing.assert_array_equal(
        again.step(params, state, grads=params)[0], tx.step(params, state, grads=params)[0]
    )
    assert pickle.loads(pickle.dumps(optgen_kernels.adamw)).name == "adamw"


BLOCKED = ("sympy", "jinja2", "click", "rich", "optax", "optgen.dsl", "optgen.ir", "optgen.passes")


def test_packages_need_jax_and_the_runtime_only():
    script = f"""
        import sys

        class Block:
            def find_spec(self, name, path=None, target=None):
                for blocked in {BLOCKED!r}:
                    if name == blocked or name.startswith(blocked + "."):
                        raise ImportError(f"{{name}} is blocked")

        sys.meta_path.insert(0, Block())
        import jax.numpy as jnp
        from optgen_kernels import adamw
        tx = adamw(1e-1, weight_decay=0.1)
        params = {{"w": jnp.ones((2, 3)), "b": jnp.ones(3)}}
        state = tx.init(params)
        for _ in range(3):
            params, state = tx.step(params, state, grads=params)
        assert int(state.count) == 3
        assert float(params["b"][0]) < 0.8
        loaded = [name for name in sys.modules if name.startswith("optgen.")]
        allowed = ("optgen.runtime", "optgen.errors", "optgen.factory", "optgen.config")
        assert all(name.startswith(allowed) for name in loaded), loaded
        print("trained")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert done.stdout.strip() == "trained", done.stderr
