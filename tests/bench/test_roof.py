import shutil

import jax
import numpy as np
import pytest

from optgen.tools import workloads
from optgen.tools.timing import Work
from optgen_bench import roof, streams


@pytest.fixture
def methods():
    """Every method that this machine has, with the arrays that it streams."""

    def make(reads, writes, floats=streams._BLOCK * 3 + 48):
        arrays = streams.allocate(reads, floats)
        return arrays, {
            **streams.native(arrays, writes),
            "numpy": streams.numpy_blocks(arrays, writes),
        }

    return make


@pytest.mark.parametrize(("reads", "writes"), [(1, 1), (2, 1), (4, 3), (8, 8)])
def test_methods_write_just_the_streams_they_should(methods, reads, writes):
    arrays, found = methods(reads, writes)
    for name, run in found.items():
        views = [streams._view(array) for array in arrays]
        for view in views:
            view[:] = 3.0
        views[-1][:] = 5.0
        total = 3.0 * (reads - 1) + 5.0
        expected = [3.0] * (reads - 1) + [5.0]
        expected[:writes] = [x * (1 - reads / 16) + total / 16 for x in expected[:writes]]
        run(1)
        for view, value in zip(views, expected, strict=True):
            np.testing.assert_allclose(view, value, rtol=1e-6, err_msg=name)


def test_ones_stay_ones_however_long_it_runs(methods):
    arrays, found = methods(4, 3)
    for run in found.values():
        run(50)
    assert all((np.asarray(streams._view(array)) == 1).all() for array in arrays)


def test_streams_are_distinct_memory():
    arrays = streams.allocate(4, 1024)
    assert len({array.unsafe_buffer_pointer() for array in arrays}) == 4


def test_a_machine_without_a_compiler_has_a_roof_all_the_same(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = roof.Roof(3, 2)
    found.allocate(Work("small", workloads.tree("small")))
    assert set(found.tried) == {"jnp", "numpy"}
    assert found.method in found.tried


def test_a_compiler_that_fails_is_passed_over(monkeypatch):
    monkeypatch.setattr(streams, "_compilers", lambda: ["false"])
    assert streams.native(streams.allocate(2, 1024), 1) == {}


def test_the_fastest_method_is_kept(monkeypatch):
    seconds = {"slow": 3.0, "fast": 1.0, "middling": 2.0}
    found = roof.Roof(2, 1)
    monkeypatch.setattr(found, "_methods", lambda: dict.fromkeys(seconds) | {k: k for k in seconds})
    monkeypatch.setattr(roof, "_fastest", lambda run, passes: seconds[run])
    found.allocate(Work("matrix", workloads.tree("1024x1024")))
    assert found.method == "fast"
    assert found.stream_bytes == 4 * 2**20
    assert found.bytes_per_step == 3 * 4 * 2**20 * found._passes
    assert found.tried["fast"] == found.bytes_per_step


def test_a_small_tree_is_streamed_many_times_in_a_call(monkeypatch):
    found = roof.Roof(4, 3)
    monkeypatch.setattr(found, "_methods", lambda: {"any": lambda passes: None})
    monkeypatch.setattr(roof, "_fastest", lambda run, passes: 1.0)
    found.allocate(Work("small", workloads.tree("small")))
    assert found.stream_bytes == 4 * 40960
    assert found._passes > 1


@pytest.mark.parametrize(
    ("tree_bytes", "floats"), [(0, 4096), (20000, 4992), (4 * 10**6, 10**6), (10**10, 2**26)]
)
def test_streams_are_as_long_as_the_tree_within_bounds(tree_bytes, floats):
    assert roof.stream_floats(tree_bytes) == floats


def test_on_a_gpu_streams_are_longer_than_any_cache_and_a_copy_is_measured(monkeypatch):
    monkeypatch.setattr(roof, "MOST_STREAM_BYTES", 1 << 16)
    monkeypatch.setattr(roof, "COPY_BYTES", 1 << 18)
    monkeypatch.setattr(roof, "_GPU_CALL_BYTES", 1 << 20)
    monkeypatch.setattr(roof, "_TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    found = [roof.Roof(4, 3), roof.Copy()]
    for player in found:
        player.allocate(Work("small", workloads.tree("small")))
        player.step()
        player.release()
    mixed, copy = found
    assert (mixed.method, copy.method) == ("jnp", "device-to-device")
    assert (mixed.stream_bytes, copy.stream_bytes) == (1 << 16, 1 << 18)
    assert copy.bytes_per_step == 2 * (1 << 18) * 2
    assert mixed.bytes_per_step <= 1 << 20
