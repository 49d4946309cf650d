import contextlib
import functools
import importlib.util
import inspect
import sys
import types

import jax
import numpy as np
import optax
import pytest

from optgen.errors import UsageError
from optgen.tools import rules, workloads
from optgen.tools.timing import Work
from optgen_bench import cases, flash_peer, jax_peer, machine, peers, torch_peer
from optgen_bench.agreement import disagreements

TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not TORCH, reason="torch is not installed")
STOCK = [
    "sgd",
    "adam",
    "adamw",
    "nadam",
    "nadamw",
    "amsgrad",
    "lion",
    "rmsprop",
    "adagrad",
    "adafactor",
    "lamb",
    "lars",
    "clip+adamw",
]


@pytest.fixture
def work():
    return Work("33x17", workloads.tree("33x17"))


@pytest.fixture(scope="module")
def compilations():
    """Compilations by XLA since the list was last cleared."""
    seen = []

    def listen(event, seconds, **_):
        if "backend_compile" in event:
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    jax.jit(lambda x: x + 1)(1.0)
    assert seen, "JAX reports compilations under another name"
    return seen


def test_every_stock_rule_is_a_case_with_an_optax_peer():
    assert cases.names() == STOCK
    for name in STOCK:
        made = cases.case(name).make_optax()
        assert isinstance(made, optax.GradientTransformation)


@pytest.mark.parametrize("name", STOCK)
def test_decay_is_never_zero_where_the_rule_has_it(name):
    given = cases.CLIPPED_ADAMW if name == "clip+adamw" else cases.HYPERPARAMETERS[name]
    accepted = inspect.signature(getattr(optax, name.removeprefix("clip+"))).parameters
    decays = {"weight_decay", "weight_decay_rate"} & set(accepted)
    assert all(given[decay] > 0 for decay in decays)
    assert set(given) <= set(accepted)


@pytest.mark.parametrize("rule", ["adamx", "", "adamw.py", "path/to/none.py:rule"])
def test_an_unknown_rule_says_what_there_is(rule):
    with pytest.raises(UsageError, match=r"path/to/file\.py:name|:NAME"):
        cases.case(rule)


def test_a_users_file_may_hold_a_rule_an_optimizer_or_a_case(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import optax, optgen\n"
        "from optgen import dsl\n"
        "from optgen_bench import Case\n"
        "@dsl.rule\n"
        "def rule(g, p, *, learning_rate):\n"
        "    return -learning_rate * g\n"
        "built = optgen.sgd(0.1)\n"
        "full = Case('full', rule, lambda: optax.sgd(0.1))\n"
        "number = 3\n"
    )
    rule = cases.case(f"{path}:rule")
    assert (rule.name, rule.make_optax, rule.make_torch) == ("rule", None, None)
    assert rule.make_optgen("xla").hyperparameters() == {"learning_rate": 1e-3}
    assert cases.case(f"{path}:built").make_optgen("xla").hyperparameters()["learning_rate"] == 0.1
    assert cases.case(f"{path}:full").make_optax is not None
    with pytest.raises(UsageError, match=r"mine\.py:number is of type int"):
        cases.case(f"{path}:number")
    with pytest.raises(UsageError, match=r"mine\.py defines no 'absent'"):
        cases.case(f"{path}:absent")


def test_a_choice_brings_its_own_hyperparameters_and_optax_peer():
    choice = rules.choose("lion", ["learning_rate=0.5"])
    found = cases.case(choice)
    assert found.make_optgen("xla").hyperparameters()["learning_rate"] == 0.5
    assert found.make_optax is not None


def test_an_atom_is_a_case_too():
    assert cases.case("scale_by_adam").make_optax is not None


def test_groups_expand_once_and_in_order():
    assert peers.expand(["torch", "optax", "torch-fused"]) == [
        "torch-fused",
        "torch-foreach",
        "optax",
    ]
    with pytest.raises(UsageError, match=r"unknown peer 'tensorflow'\. Give some of optax, torch"):
        peers.expand(["optax", "tensorflow"])


def test_targets_are_contestants_of_their_own(sgd_case):
    found, absent = peers.contestants(sgd_case(), ["optax", "update"], ["cpu", "xla"])
    assert [c.name for c in found] == [
        "optgen-cpu",
        "optgen-xla",
        "optax",
        "optgen-cpu-update",
        "optgen-xla-update",
    ]
    assert [c.ours for c in found] == [True, True, False, True, True]
    assert [c.protocol for c in found] == ["step", "step", "update", "update", "update"]
    assert absent == {}


def test_a_case_without_a_peer_says_so(sgd_case):
    alone = cases.Case("mine", sgd_case().make_optgen)
    found, absent = peers.contestants(alone, ["optax", "torch-fused"])
    assert [c.name for c in found] == ["optgen"]
    assert absent == {
        "optax": "the case has no optax peer",
        "torch-fused": "the case has no torch-fused",
    }


def test_a_missing_torch_names_the_extra(monkeypatch):
    monkeypatch.setattr(torch_peer.importlib.util, "find_spec", lambda name: None)
    _, absent = peers.contestants(cases.case("adamw"), ["torch"])
    assert set(absent) == {"torch-fused", "torch-foreach"}
    assert "pip install 'optgen[bench]'" in absent["torch-fused"]


def test_a_jitted_step_is_compiled_once_and_moves_parameters_in_place(work, sgd_case, compilations):
    (ours, theirs), _ = peers.contestants(sgd_case(), ["optax"])
    for contestant in (ours, theirs):
        costs = contestant.prepare(work)
        assert min(costs.build, costs.trace, costs.lower, costs.compile) > 0
        assert costs.peak_bytes >= 3 * workloads.tree_bytes(work.tree)
        contestant.allocate(work)
        before = contestant._parameters
        compilations.clear()
        contestant.step()
        contestant.wait()
        assert compilations == []
        assert before["matrix"].is_deleted()
    (a,), (b,) = ours.current(), theirs.current()
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, work.parameters()["matrix"])


def test_gradients_outlive_every_step(work, sgd_case):
    (ours, _), _ = peers.contestants(sgd_case(), ["optax"])
    ours.prepare(work)
    ours.allocate(work)
    ours.step()
    ours.wait()
    assert not work.jax_gradients["matrix"].is_deleted()


@pytest.mark.parametrize("target", ["xla", "cpu"])
def test_updates_are_applied_in_the_same_jit_and_in_place(work, target):
    found, _ = peers.contestants(cases.case("adamw"), ["update"], [target])
    assert [c.name for c in found] == [f"optgen-{target}", f"optgen-{target}-update", "optax"]
    for contestant in found:
        contestant.prepare(work)
        contestant.allocate(work)
        before = contestant._parameters
        contestant.step()
        contestant.wait()
        assert before["matrix"].is_deleted()
    assert disagreements(found, work) == []


def test_a_plan_is_read_where_there_is_one(work, sgd_case):
    (ours, theirs), _ = peers.contestants(sgd_case(), ["optax"])
    ours.prepare(work)
    assert ours.plan(work) is None
    stages = [  # the first covers half of the parameters of the tree
        types.SimpleNamespace(reads={"g": 4.0, "p": 4.0}, writes={}, bytes_per_parameter=4.0),
        types.SimpleNamespace(reads={"p": 4.0}, writes={"p": 4.0}, bytes_per_parameter=8.0),
        types.SimpleNamespace(reads={}, writes={}, bytes_per_parameter=0.0),
    ]
    ours._explanation = types.SimpleNamespace(stages=stages)
    assert ours.plan(work) == (8.0, 4.0)
    assert theirs.plan(work) is None


def test_the_plan_of_optgen_is_read(work):
    (ours,), _ = peers.contestants(cases.case("adamw"), [], ["xla"])
    ours.prepare(work)
    assert ours.plan(work) == pytest.approx((16.0, 12.0), rel=0.02)


def test_launches_are_counted_in_the_entry_computation():
    module = """HloModule jit_step

%fused (a: f32[4]) -> f32[4] {
  %a = f32[4]{0} parameter(0)
  ROOT %multiply = f32[4]{0} multiply(%a, %a)
}

ENTRY %main (x: f32[4], y: f32[4]) -> (f32[4], f32[4]) {
  %x = f32[4]{0} parameter(0), metadata={op_name="x"}
  %y = f32[4]{0} parameter(1)
  %copy.1 = f32[4]{0} copy(%x)
  %fusion = (f32[4]{0}, f32[4]{0}) fusion(%copy.1), kind=kLoop, calls=%fused
  %get-tuple-element = f32[4]{0} get-tuple-element(%fusion), index=0
  %custom-call = f32[4]{0} custom-call(%y), custom_call_target="step"
  ROOT %tuple = (f32[4]{0}, f32[4]{0}) tuple(%get-tuple-element, %custom-call)
}
"""
    assert jax_peer.count_launches(module) == 3


def test_a_real_module_has_launches(work, sgd_case):
    (ours,), _ = peers.contestants(sgd_case(), [])
    ours.prepare(work)
    assert 1 <= ours.launches(work) <= 10


def test_donated_buffers_are_paired_with_their_own_successors(sgd_case):
    """Otherwise XLA copies: parameters, which come first, would be written over the momentum."""
    work = Work("256x512", workloads.tree("256x512"))
    for contestant in peers.contestants(sgd_case(), ["optax"])[0]:
        contestant.prepare(work)
        contestant.allocate(work)
        before = contestant._parameters["matrix"].unsafe_buffer_pointer()
        contestant.step()
        contestant.wait()
        assert contestant._parameters["matrix"].unsafe_buffer_pointer() == before


@pytest.mark.parametrize("name", STOCK)
def test_a_case_is_the_same_optimizer_in_optgen_and_optax(name):
    work = Work("130x140", workloads.tree("130x140"))
    found, _ = peers.contestants(cases.case(name), ["optax"], ["xla"])
    for contestant in found:
        contestant.prepare(work)
        contestant.allocate(work)
        contestant.step()
        contestant.wait()
    assert [c.name for c in found] == ["optgen-xla", "optax"]
    assert disagreements(found, work) == []


@needs_torch
@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "clip+adamw"])
@pytest.mark.parametrize("kind", ["fused", "foreach"])
def test_torch_takes_the_same_step_as_optax(name, kind):
    case = cases.case(name)
    if kind not in case.torch_kinds:
        pytest.skip(f"torch has no {kind} {name}")
    work = Work("awkward", workloads.tree("awkward"))
    ours = jax_peer.JaxStep("optax", case.make_optax)
    torch_step = torch_peer.TorchStep(f"torch-{kind}", case.make_torch, kind)
    for contestant in (ours, torch_step):
        contestant.prepare(work)
        contestant.allocate(work)
        contestant.step()
        contestant.wait()
    before = jax.tree.leaves(work.parameters())
    for old, a, b in zip(before, ours.current(), torch_step.current(), strict=True):
        np.testing.assert_allclose(a - old, b - old, rtol=2e-3, atol=2e-7)
        assert old.size == 0 or not np.array_equal(a, old)


@needs_torch
@pytest.mark.parametrize("name", ["amsgrad", "adagrad", "rmsprop"])
def test_torch_has_these_too(name):
    case = cases.case(name)
    for kind in case.torch_kinds:
        contestant = torch_peer.TorchStep(kind, case.make_torch, kind)
        contestant.allocate(Work("small", workloads.tree("small", "bf16")))
        contestant.step()
        assert all(np.isfinite(leaf).all() for leaf in contestant.current())


@needs_torch
def test_bfloat16_reaches_torch_bit_by_bit():
    work = Work("7", workloads.tree("7", "bf16"))
    contestant = torch_peer.TorchStep("t", cases.case("sgd").make_torch, "foreach")
    contestant.allocate(work)
    (leaf,) = contestant.current()
    np.testing.assert_array_equal(leaf, work.parameters()["matrix"].astype(np.float64))


def test_the_machine_is_described():
    found = machine.describe()
    assert found.threads >= 1
    assert found.cores >= 1
    assert found.versions["jax"] == jax.__version__
    assert found.platform == jax.default_backend()
    assert machine.title(found).startswith(found.cpu)


@pytest.mark.parametrize("name", ["adamw", "adafactor"])
def test_steps_repeated_on_the_device_are_the_same_steps(name):
    work = Work("130x140", workloads.tree("130x140"))
    called, looped = (
        jax_peer.JaxStep("optax", cases.case(name).make_optax, on_device=on_device)
        for on_device in (False, True)
    )
    for contestant in (called, looped):
        contestant.prepare(work)
        contestant.allocate(work)
        contestant.take(3)
        contestant.take(1)
        contestant.wait()
    for a, b in zip(called.current(), looped.current(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_updates_are_repeated_on_the_device_too(work, sgd_case):
    found, _ = peers.contestants(sgd_case(), ["update"], on_device=True)
    for contestant in (c for c in found if c.protocol == "update"):
        contestant.prepare(work)
        contestant.allocate(work)
        contestant.take(2)
        contestant.take(2)
        contestant.wait()
        assert not work.jax_gradients["matrix"].is_deleted()
        (after,) = contestant.current()
        # A momentum of 0.9 in four steps of the same gradient: 1 + 1.9 + 2.71 + 3.439.
        moved = -0.1 * 9.049 * work.gradients()["matrix"]
        np.testing.assert_allclose(after - work.parameters()["matrix"], moved, rtol=1e-4)


def test_a_loop_repeats_all_the_work_of_a_step(work):
    """Nothing is computed before the loop, and steps are not merged: XLA moves as much in each."""
    contestant = jax_peer.JaxStep("optax", cases.case("adamw").make_optax, on_device=True)
    contestant.prepare(work)
    state = contestant.state(work)
    one = contestant._function.lower(work.tree, state, work.tree).compile()
    loop = contestant._repeated(5).lower(work.tree, state, work.tree).compile()
    assert jax_peer.count_launches(loop.as_text()) >= 5 * jax_peer.count_launches(one.as_text())


class FlashStandIn:
    """As much of flashoptim-jax as is called: SGD by the name of another rule."""

    def __init__(self, **settings):
        self.settings = settings

    def init(self, parameters):
        return jax.tree.map(jax.numpy.zeros_like, parameters)

    def step(self, parameters, state, gradients):
        return jax.tree.map(lambda p, g: p - g, parameters, gradients), state


def test_flashoptim_takes_part_where_it_is_installed_and_has_the_rule(work, monkeypatch):
    module = types.ModuleType("flashoptim_jax")
    module.flash_adamw = FlashStandIn
    monkeypatch.setitem(sys.modules, "flashoptim_jax", module)
    monkeypatch.setattr(peers, "why_no_flash", lambda: None)
    found, absent = peers.contestants(cases.case("adamw"), ["flashoptim"])
    assert [c.name for c in found] == ["optgen", "flashoptim-full", "flashoptim-compressed"]
    assert absent == {}
    for contestant in found[1:]:
        contestant.prepare(work)
        contestant.allocate(work)
        contestant.step()
        contestant.wait()
        (after,) = contestant.current()
        expected = work.parameters()["matrix"] - work.gradients()["matrix"]
        np.testing.assert_allclose(after, expected, rtol=1e-6)
    given = cases.HYPERPARAMETERS["adamw"]
    half = workloads.tree("8", "bf16")
    full, compressed = (contestant._optimizer._for for contestant in found[1:])
    assert full(half).settings == given | {"quantize": False, "master_weight_bits": None}
    assert compressed(half).settings == given | {"quantize": True, "master_weight_bits": 24}
    assert compressed(work.tree).settings["master_weight_bits"] is None
    _, absent = peers.contestants(cases.case("lamb"), ["flashoptim-full"])
    assert absent == {"flashoptim-full": "the case has no flashoptim-full"}


def test_a_missing_flashoptim_says_how_it_is_installed(monkeypatch):
    monkeypatch.setattr(flash_peer.importlib.util, "find_spec", lambda name: None)
    _, absent = peers.contestants(cases.case("lion"), ["flashoptim-full"])
    assert "pip install flashoptim-jax" in absent["flashoptim-full"]
    monkeypatch.setattr(flash_peer.importlib.util, "find_spec", lambda name: True)
    assert flash_peer.why_no_flash() == "its kernels are for NVIDIA GPUs"


@pytest.mark.parametrize(
    ("kind", "name"), [("NVIDIA H200", "h200"), ("NVIDIA B200", "b200"), ("NVIDIA L4", "a100")]
)
def test_bytes_are_those_of_the_plan_for_the_device(monkeypatch, kind, name):
    assert machine.planned_for() == "here"
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax, "devices", lambda: [types.SimpleNamespace(device_kind=kind)])
    assert machine.planned_for() == name


def test_on_a_gpu_torch_records_a_step_and_replays_it(monkeypatch):
    """By a stand-in: what is recorded is not run, and what is replayed runs no Python."""
    log = []

    class Graph:
        def replay(self):
            log.append("replay")

    @contextlib.contextmanager
    def noted(name, *_):
        log.append(f"begin {name}")
        yield
        log.append(f"end {name}")

    stream = types.SimpleNamespace(wait_stream=lambda other: log.append("wait"))
    cuda = types.SimpleNamespace(
        Stream=lambda: stream,
        current_stream=lambda: stream,
        stream=functools.partial(noted, "aside"),
        CUDAGraph=Graph,
        graph=functools.partial(noted, "graph"),
        synchronize=lambda: log.append("synchronize"),
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    contestant = torch_peer.TorchStep("torch-fused", None, "fused", on_device=True)
    contestant._device = "cuda"
    contestant._step = torch_peer._recorded(lambda: log.append("step"))
    before = ["wait", "begin aside", "step", "step", "step", "end aside", "wait"]
    assert log == [*before, "begin graph", "step", "end graph"]
    log.clear()
    contestant.take(2)
    contestant.wait()
    assert log == ["replay", "replay", "synchronize"]
