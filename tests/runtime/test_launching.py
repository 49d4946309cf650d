"""Launch lists are executed once, in order, whatever phases their launches are in."""

from types import SimpleNamespace

import numpy as np

from optgen.runtime.execution.launching import Launching
from tests.schedule import rules
from tests.schedule.planning import plan_leaf


class Recorder:
    """An executor that leaves ones, and remembers what it was asked for."""

    def __init__(self):
        self.launched = []

    def launch(self, launch, tasks, scalars):
        self.launched.append((launch.functions, dict(scalars)))
        for task in tasks:
            for kernel in task.kernels:
                for x in kernel.operands:
                    if x.written:
                        task.arrays[x.name] = np.ones(3)

    def contributed(self, values):
        return list(values)


def launching(program):
    planned = plan_leaf(program, (3,))
    arrays = {"g": np.zeros(3), "p": np.zeros(3), "mu": np.zeros(3)}
    variant = SimpleNamespace(partials=())
    leaf = SimpleNamespace(arrays=arrays, p=arrays["p"], slots={}, variant=variant)
    executor = Recorder()
    return Launching(planned.launches, planned.leaves, [leaf], "step", executor), executor


def clipped(uses_total):
    rule = rules.Rule()
    g = rule.gradient()
    partial = rule.partial("total", rule.sum_of_squares(g))
    rule.result(rule("mul", rules.scalar("clip"), g) if uses_total else rule("mul", 0.1, g))
    return rule.program("sgd", partial)


def run(program):
    step, executor = launching(program)
    contributions = step.contribute(0, {"phase": 0})
    ((out, slots),) = step.finish({"phase": 1})
    assert list(contributions) == ["total"]
    assert (out == 1).all()
    assert slots == {}
    return executor.launched


def test_each_phase_has_its_own_scalars():
    assert run(clipped(True)) == [
        (("sgd_statistics",), {"phase": 0}),
        (("sgd_step",), {"phase": 1}),
    ]


def test_what_is_done_in_an_earlier_phase_is_done_once():
    """Nothing of the step awaits the sum over the tree, so that one sweep does it all."""
    assert run(clipped(False)) == [(("sgd_step",), {"phase": 0})]
