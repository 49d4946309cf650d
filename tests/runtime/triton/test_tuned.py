"""The options of a launch: forced, measured by the user, shipped, or guessed."""

import json
import os
import stat

import pytest

from optgen.errors import CacheError
from optgen.runtime.execution.triton import tables, tuned
from optgen.runtime.execution.triton.options import Options
from optgen.runtime.execution.triton.tables import Measured, Table
from optgen.runtime.vocabulary.sequence import Buffer, Item, KernelSequence

DEVICE = "NVIDIA H200"
ADAMW = "sweep flat, reads 4 4 4 4, writes 4 4 4"


def kernel(dtype="float32", reduces=False, **item):
    """The step of AdamW, or one that is like it."""
    slots = ("p", "mu", "nu")
    total = Buffer("total", "float32", (), "statistic", "sum", "*")
    buffers = [*(Buffer(name, dtype) for name in ("g", *slots)), total]
    small = {"writes" if reduces else "reads": ("total",)}
    settings = {"kind": "sweep", "function": "leaf_step", "flat": True, "updates": slots, **item}
    settings |= small
    settings["reads"] = ("g", *small.get("reads", ()))
    dtypes = (dtype, dtype, "float32")
    sequence = KernelSequence(0, "step", dtypes, tuple(buffers), (Item(**settings),), 2)
    return sequence.kernels[0]


def table(options, date="2026-01-31"):
    measured = {key: Measured(o, 1e-3, 2e-3) for key, o in options.items()}
    return Table(DEVICE, date, {"jax": "0.11.2"}, measured)


@pytest.fixture(autouse=True)
def h200(tmp_path, monkeypatch):
    """A machine with an H200, and neither a shipped table nor one of the user's."""
    monkeypatch.setenv("OPTGEN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(tables, "shipped", lambda device: tmp_path / f"{tables.slug(device)}.json")
    monkeypatch.setattr(tuned, "device_name", lambda: DEVICE)
    tables.read.cache_clear()
    yield
    tables.read.cache_clear()


def test_the_key_is_what_decides_and_not_the_rule():
    assert tuned.key(kernel()) == ADAMW
    assert tuned.key(kernel(function="another_step")) == ADAMW
    assert tuned.key(kernel(flat=False, reduces=True)) == (
        "sweep matrix, reads 4 4 4 4, writes 4 4 4, reduces"
    )
    assert tuned.key(kernel(dtype="bfloat16")) == "sweep flat, reads 2 2 2 2, writes 2 2 2"


def test_options_are_guessed_where_nothing_was_measured():
    assert tuned.options_for(kernel()) == tuned.guess(kernel())


def test_shipped_options_are_used_and_the_users_own_come_first(tmp_path):
    shipped, own = Options(block=2048, warps=8), Options(block=512, warps=2)
    tables.write(tables.shipped(DEVICE), table({ADAMW: shipped}))
    assert tuned.options_for(kernel()) == shipped
    tables.write(tables.users(DEVICE), table({"another": own}))
    assert tuned.options_for(kernel()) == shipped
    tables.write(tables.users(DEVICE), table({ADAMW: own}))
    assert tuned.options_for(kernel()) == own


def test_another_device_or_none_has_guessed_options(monkeypatch):
    tables.write(tables.shipped(DEVICE), table({ADAMW: Options(block=4096)}))
    for device in ("NVIDIA B200", None):
        monkeypatch.setattr(tuned, "device_name", lambda device=device: device)
        assert tuned.options_for(kernel()) == tuned.guess(kernel())


def test_options_can_be_forced_for_a_while():
    forced = Options(block=4096, warps=8)
    with tuned.forced({ADAMW: forced}):
        assert tuned.options_for(kernel()) == forced
        other = kernel(dtype="bfloat16")
        assert tuned.options_for(other) == tuned.guess(other)
    assert tuned.options_for(kernel()) == tuned.guess(kernel())


def test_a_table_survives_its_file_which_is_its_owners_alone():
    written = table({ADAMW: Options(block=2048)})
    path = tables.users(DEVICE)
    tables.write(path, written)
    assert tables.read(path) == written
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["nvidia-h200.json"]


def test_a_newer_table_keeps_what_it_lacks_of_an_older_one():
    older, newer = table({"a": Options(block=512), "b": Options()}), table({"a": Options()})
    assert newer.merged(older).options["a"].options == Options()
    assert set(newer.merged(older).options) == {"a", "b"}
    assert newer.merged(None) == newer


def spoiled(**change):
    document = json.loads(table({ADAMW: Options()}).text())
    document["options"][ADAMW]["options"] |= change
    return json.dumps(document)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", spoiled(block=1000), spoiled(warps="4"), spoiled(colour=1)]
)
def test_what_is_no_table_is_passed_over_with_a_warning(text):
    path = tables.users(DEVICE)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.warns(UserWarning, match="no table of measured options.*`optgen tune` again"):
        assert tuned.options_for(kernel()) == tuned.guess(kernel())


def test_a_table_that_cannot_be_written_says_where_else_it_could(tmp_path):
    with pytest.raises(CacheError, match=r"cannot be written \(.*name another file with -o"):
        tables.write(tmp_path / "nowhere" / "table.json", table({}))


def test_a_device_is_named_without_a_gpu_too(monkeypatch):
    monkeypatch.undo()
    assert tuned.device_name() is None


def test_only_the_options_that_decide_are_described():
    options = Options(block=512, programs=1024, warps=2, stages=1)
    assert tuned.described(ADAMW, options) == "block 512, programs 1024, warps 2, stages 1"
    assert "outer" in tuned.described("sweep matrix, reads 4", Options())
    assert tuned.described("finalize matrix, reduces", Options()).startswith("small 256, warps")


def test_shipped_tables_are_of_the_devices_that_name_them(monkeypatch):
    monkeypatch.undo()
    for path in tables.shipped(DEVICE).parent.glob("*.json"):
        found = tables.read(path)
        assert found is not None
        assert tables.slug(found.device) == path.stem
