"""Comparison of targets and reference with the oracle, step by step.

Each step is compared on its own: the oracle is given the parameters and the state as the target
stored them, and the reference is judged from what it stored itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from optgen.tools.verify.exact import dtype_of, format_of
from optgen.tools.verify.implementations import (
    Implementation,
    OptaxImplementation,
    OptgenImplementation,
    Slots,
    StepRecord,
)
from optgen.tools.verify.measure import Errors, errors
from optgen.tools.verify.oracle import Oracle, StepResult, Value
from optgen.tools.verify.report import Report, Row
from optgen.tools.verify.workload import AWKWARD, LARGE, Group, Shapes

Progress = Callable[[int, int, str], None]
"""Called with how many steps are done, of how many, and what was run last."""

_LARGE_STEPS = 2
_DISAGREES = 8.0  # times what rounding can explain of the rule as it is written


def verify(
    make: Callable[..., Any],
    *,
    reference: Any = None,
    targets: Sequence[str] = ("xla",),
    steps: int = 5,
    leaves: Shapes | None = None,
    dtypes: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Compares targets with the oracle, and with how far jitted optax is from it.

    Args:
      make: takes ``target=`` and returns the optimizer for it.
      reference: the transformation of optax that the rule should equal, made with the same
        arguments. A target fails where its error exceeds the reference's by more than half and
        one unit in the last place. Without one it fails where its error exceeds what rounding
        can explain of the rule as it is written.
      targets: which targets to measure.
      steps: how many steps are taken on each tree; at least 1.
      leaves: the shapes of the leaves, by name; by default awkward ones, and a large matrix
        where the rule treats it differently.
      dtypes: of parameters and gradients, a tree for each; by default float32 and bfloat16, and
        float64 where JAX's x64 mode is on.
      seed: of the random parameters and gradients.
      progress: called after each step.

    Returns:
      The errors, and ``ok``: whether all of them are allowed.

    Raises:
      TargetError: for a target that cannot serve on this machine.
      RuleError: for what is wrong with the rule.
    """
    optimizers = {target: make(target=target) for target in targets}
    first = next(iter(optimizers.values()))
    groups = list(_groups(first, steps, leaves, dtypes, seed))
    total = sum(group.steps for group in groups) * (len(optimizers) + (reference is not None))
    tick = _Ticker(total, progress)
    rows: list[Row] = []
    problems: list[str] = []
    notes: list[str] = []
    for group in groups:
        run = _GroupRun(group, first, tick)
        baseline = run.reference(reference, first) if reference is not None else {}
        problems += run.problems
        notes += run.notes
        for target, optimizer in optimizers.items():
            implementation = OptgenImplementation(optimizer, run.params, run.slots)
            rows += _rows(target, group, run.errors(target, implementation), baseline)
    return Report(tuple(rows), tuple(problems), tuple(dict.fromkeys(notes)))


def _groups(
    optimizer: Any,
    steps: int,
    leaves: Shapes | None,
    dtypes: Sequence[str] | None,
    seed: int,
) -> Iterator[Group]:
    if dtypes is None:
        wide = ("float64",) if jax.dtypes.canonicalize_dtype("float64") == "float64" else ()
        dtypes = ("float32", "bfloat16", *wide)
    for dtype in dtypes:
        yield Group(dtype, dtype, leaves or AWKWARD, steps, seed)
    if leaves is None:
        small = jax.ShapeDtypeStruct(AWKWARD["matrix"], dtypes[0])
        large = jax.ShapeDtypeStruct(LARGE["large matrix"], dtypes[0])
        if _stored(optimizer, small) != _stored(optimizer, large):
            yield Group(f"{dtypes[0]}, large", dtypes[0], LARGE, min(steps, _LARGE_STEPS), seed)


def _stored(optimizer: Any, leaf: Any) -> set[tuple[str, str]]:
    """The names and types of the arrays that a step of this leaf reads and writes."""
    (program,) = optimizer.programs([leaf])
    return {(n.attr, str(n.type)) for n in program.nodes() if n.op in ("load", "store")}


class _Ticker:
    def __init__(self, total: int, progress: Progress | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def __call__(self, what: str) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total, what)


@dataclass(frozen=True, slots=True)
class _ArrayErrors:
    """The errors of one array at one step."""

    leaf: str
    step: int
    errors: Errors


@dataclass
class _GroupRun:
    """One tree: its oracle, and the implementations that step on it."""

    group: Group
    optimizer: Any
    tick: _Ticker
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.params = jax.tree.map(jax.numpy.asarray, self.group.params())
        self.leaf_names = sorted(self.params)  # as jax.tree orders the keys of a dictionary
        programs = self.optimizer.programs(self.params)
        self.oracle, self.slots = Oracle(programs), Slots.of(programs)

    def errors(self, name: str, implementation: Implementation) -> dict[str, list[_ArrayErrors]]:
        """Takes all the steps, and returns the errors of each output."""
        by_output: dict[str, list[_ArrayErrors]] = {}
        for step in range(1, self.group.steps + 1):
            gradients = jax.tree.map(jax.numpy.asarray, self.group.gradients(step))
            record = implementation.take(gradients)
            hyper = self.optimizer.hyperparameters(step - 1)
            expected = self.oracle.step(record.leaves, step, hyper, record.tree)
            for output, leaf, array, value in _pairs(record, expected):
                place = "whole tree" if output in self.slots.tree else self.leaf_names[leaf]
                array_errors = _ArrayErrors(place, step, errors(array, value))
                by_output.setdefault(output, []).append(array_errors)
            self.tick(f"{name}, {self.group.name}, step {step}")
        return by_output

    def reference(self, transformation: Any, first: Any) -> dict[str, float]:
        """The reference's largest error of each output; nothing where it cannot be measured."""
        implementation = OptgenImplementation(first, self.params, self.slots)
        try:
            reference = OptaxImplementation(transformation, self.params, implementation)
        except LookupError as error:
            self.notes.append(f"optax is not measured: {error}")
            return {}
        self._compare_starts(implementation, reference)
        by_output = self.errors("optax", reference)
        if self.group.dtype in ("float32", "float64"):
            self._compare_mathematics(by_output, _DISAGREES * self._coarseness(reference))
        return {name: max(s.errors.worst() for s in arrays) for name, arrays in by_output.items()}

    def _compare_starts(
        self, implementation: OptgenImplementation, reference: OptaxImplementation
    ) -> None:
        """Notes slots that do not begin alike: the oracle, step by step, would not see it."""
        for name, arrays in implementation.slot_arrays().items():
            for i, x in reference.slot_arrays()[name].items():
                if not np.allclose(np.asarray(arrays[i], float), np.asarray(x, float), rtol=1e-6):
                    self.problems.append(
                        f"{self.group.name}: {name} of leaf {self.leaf_names[i]!r} does not begin "
                        "as it does in optax: compare the init of the slot with the reference's"
                    )

    def _coarseness(self, reference: OptaxImplementation) -> float:
        """The reference's coarsest unit roundoff, over that of the parameters."""
        numbers = self.optimizer.hyperparameters
        scheduled = numbers(0) != numbers(self.group.steps - 1)
        # Schedules take an int32 and return a float32, even under x64.
        coarsest = max(reference.coarsest, format_of(np.float32).unit_roundoff * scheduled)
        return coarsest / format_of(dtype_of(self.group.dtype)).unit_roundoff

    def _compare_mathematics(
        self, by_output: Mapping[str, Sequence[_ArrayErrors]], factor: float
    ) -> None:
        """Notes outputs of the reference that this much times the rounding does not explain."""
        for name, arrays in by_output.items():
            worst = max(arrays, key=lambda s: _order(s.errors))
            error, possible = worst.errors.judged()
            if not error <= factor * possible:
                self.problems.append(
                    f"{self.group.name}: the rule and optax disagree: {name} of leaf "
                    f"{worst.leaf!r} at step {worst.step} is off by {error:.3g} units in the last "
                    f"place in optax, and rounding explains {possible:.3g}: compare the rule "
                    "with the reference, and the arguments that both were given"
                )


def _pairs(
    record: StepRecord, expected: StepResult
) -> Iterator[tuple[str, int, np.ndarray[Any, Any], Value]]:
    """Each array that came out beside its exact value; slots that never change are left out."""
    for output, leaves in record.outputs.items():
        for i, arrays in enumerate(leaves):
            leaf = expected.leaves[i]
            values = {"params": leaf.params, "updates": leaf.update, **leaf.slots}
            value = values.get(output, expected.tree.get(output))
            if value is not None:
                yield from ((output, i, array, value) for array in arrays)


def _rows(
    target: str,
    group: Group,
    by_output: Mapping[str, Sequence[_ArrayErrors]],
    baseline: Mapping[str, float],
) -> Iterator[Row]:
    for output in sorted(by_output, key=lambda name: (name != "params", name != "updates")):
        reference = baseline.get(output)
        if reference is not None and math.isfinite(reference):
            worst = max(by_output[output], key=lambda s: s.errors.worst())
            error, allowed = worst.errors.worst(), 1.5 * reference + 1.0
        else:
            worst = max(by_output[output], key=lambda s: _order(s.errors))
            error, allowed = worst.errors.judged()
        yield Row(target, group.name, output, error, reference, allowed, worst.leaf, worst.step)


def _order(errors: Errors) -> tuple[bool, float]:
    """A key that sorts errors: unexplained ones last, by their excess; others by their size."""
    error, possible = errors.judged()
    unexplained = not error <= possible
    return unexplained, error / possible if unexplained else error
