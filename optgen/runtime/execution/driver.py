"""Applies an emitted unit to trees: initial state, updates, fused steps.

Everything below ``jax.jit`` here is traced once for a unit and the shapes of a tree. The values
of hyperparameters come in as arguments, so that a new one neither traces nor compiles anything.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from optgen.errors import HyperparameterError
from optgen.runtime.execution.leaves import Environment, Execution, Leaf, Mode, contributions
from optgen.runtime.execution.platforms import LeafPrograms
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.runtime.vocabulary.unit import Function, Scalars, Slot, Unit, arguments


def scalar_dtype() -> Any:
    """What scalars are computed in: float32, or float64 where JAX's x64 mode is on."""
    return jnp.dtype("float64" if jax.config.read("jax_enable_x64") else "float32")


def evaluate_hyperparameters(values: Mapping[str, Any], count: Any) -> Environment:
    """The values of this step: schedules called with the 0-based count.

    Raises:
      HyperparameterError: for a schedule that does not return a real scalar.
    """
    return {
        name: _call_schedule(name, value, count) if callable(value) else value
        for name, value in values.items()
    }


def _call_schedule(name: str, schedule: Callable[[Any], Any], count: Any) -> Any:
    try:
        value = schedule(count)
    except Exception as error:
        remedy = "A schedule takes the int32 count of updates so far and returns a scalar."
        if isinstance(error, jax.errors.ConcretizationTypeError):
            remedy = (
                "Under jax.jit the count is traced: choose with jnp.where, not with Python's if."
            )
        reason = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")
        raise HyperparameterError(
            f"the schedule given for {name!r} failed: {reason}. {remedy}"
        ) from error
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape != () or dtype is None or not (jnp.issubdtype(dtype, jnp.number)):
        got = f"an array of shape {shape}" if shape else f"{type(value).__name__} {value!r}"
        raise HyperparameterError(
            f"the schedule given for {name!r} returned {got}: it must return one real number"
        )
    if jnp.issubdtype(dtype, jnp.complexfloating):
        raise HyperparameterError(
            f"the schedule given for {name!r} returned a complex number: it must be real"
        )
    return value


def _as_scalar(value: Any) -> Any:
    """A strongly typed scalar: no value is told from another by JAX's weak types."""
    dtype = scalar_dtype()
    return dtype.type(value) if isinstance(value, (bool, int, float)) else jnp.asarray(value, dtype)


def constants(scalars: Scalars, hyperparameters: Environment) -> Environment:
    """The hyperparameters, and what they alone decide, as arguments of the compiled step."""
    values = {
        name: value if isinstance(value, float) else jnp.asarray(value, scalar_dtype())
        for name, value in hyperparameters.items()
    }
    derived = scalars.constants(**_pick(scalars.constants, values)) if scalars.constants else {}
    return {name: _as_scalar(value) for name, value in {**values, **derived}.items()}


def _pick(function: Function, values: Mapping[str, Any]) -> Environment:
    return {name: values[name] for name in arguments(function) if name in values}


Contribute = Callable[[int, Environment], dict[str, list[Any]]]


def _phases(scalars: Scalars, known: Environment, contribute: Contribute) -> Environment:
    """All scalars that the leaf programs read, tree reductions included."""
    combine: dict[str, Callable[..., Any]] = {"sum": jnp.sum, "max": jnp.max}
    empty = {"sum": 0.0, "max": -np.inf}
    for phase, function in enumerate(scalars.phases):
        if function is not None:
            known = {**known, **function(**_pick(function, known))}
        if phase + 1 < len(scalars.phases):
            found = contribute(phase, known)
            for name, values in found.items():
                parts = jnp.concatenate([jnp.ravel(x).astype(scalar_dtype()) for x in values])
                known = {**known, name: combine[scalars.totals[name]](parts)}
            for name, how in scalars.totals.items():
                if name not in known and _needed_next(scalars, phase + 1, name):
                    known[name] = scalar_dtype().type(empty[how])
    return known


def _needed_next(scalars: Scalars, phase: int, name: str) -> bool:
    function = scalars.phases[phase]
    return function is not None and name in arguments(function)


@functools.cache
def _step_function(unit: Unit, assignment: tuple[int, ...], mode: Mode) -> Callable[..., Any]:
    """The compiled step of a tree whose leaves are served by these variants."""
    programs = LeafPrograms(unit, assignment, mode, functools.partial(run_leaves, unit))
    return jax.jit(step_with(unit, mode, programs))


def step_with(unit: Unit, mode: Mode, leaf_programs: Callable[..., Any]) -> Callable[..., Any]:
    """The step, not yet compiled.

    Args:
      unit: what was emitted.
      mode: ``update`` or ``step``.
      leaf_programs: takes the parameters, gradients and slots of the leaves and the scalars that
        are known before; returns what ``run_leaves`` does.
    """

    def run(
        grads: list[Any],
        params: list[Any],
        slots: list[Environment],
        tree_slots: Environment,
        count: Any,
        known: Environment,
    ) -> tuple[list[Any], list[Environment], Environment, Any]:
        new_count = jnp.where(count < np.iinfo(np.int32).max, count + 1, count)
        known = {**known, **tree_slots, "step": new_count.astype(scalar_dtype())}
        out, new_slots, next_tree = leaf_programs(params, grads, slots, known)
        new_tree = {
            name: next_tree.get(name, value).astype(value.dtype)
            for name, value in tree_slots.items()
        }
        return out, new_slots, new_tree, new_count

    run.__name__ = f"optgen_{unit.name}_{mode}"
    return run


def run_leaves(
    unit: Unit, execution: Execution, known: Environment
) -> tuple[list[Any], list[Environment], Environment]:
    """All phases of a step: what each leaf becomes, and the next slots of the tree."""
    known = _phases(unit.update, known, execution.contribute)
    results = execution.finish(known)
    tree = {
        name: jnp.asarray(known[f"{name}_next"])
        for name in unit.tree_slots
        if f"{name}_next" in known
    }
    return [r[0] for r in results], [r[1] for r in results], tree


def run_step(
    unit: Unit,
    assignment: tuple[int, ...],
    mode: Mode,
    grads: list[Any],
    params: list[Any],
    slots: list[Environment],
    tree_slots: Environment,
    count: Any,
    hyperparameters: Environment,
) -> tuple[list[Any], list[Environment], Environment, Any]:
    """Updates leaves: new updates or parameters, new slots, new tree slots, new count.

    Args:
      unit: what was emitted.
      assignment: which variant serves each leaf.
      mode: ``update`` returns updates in the gradients' dtypes, ``step`` next parameters.
      grads: the gradients of the leaves.
      params: the parameters, or None for each where the rule does not read them.
      slots: for each leaf its slots, by name.
      tree_slots: the slots of the whole tree, by name.
      count: int32 scalar, how many updates there have been.
      hyperparameters: their values at this step.
    """
    known = constants(unit.update, hyperparameters)
    step = _step_function(unit, assignment, mode)
    result: tuple[Any, Any, Any, Any] = step(grads, params, slots, tree_slots, count, known)
    return result


@functools.cache
def _init_function(unit: Unit, assignment: tuple[int, ...]) -> Callable[..., Any]:
    variants = [unit.variants[i] for i in assignment]

    def run(params: list[Any], known: Environment) -> tuple[list[Environment], Environment]:
        leaves = [Leaf(v, p, p, {}) for v, p in zip(variants, params, strict=True)]
        partials = [v.init_partials for v in variants]
        contribute = functools.partial(contributions, leaves, partials)
        known = _phases(unit.init, known, contribute)
        slots = [_initial(leaf, known) for leaf in leaves]
        tree = {name: jnp.asarray(known[f"{name}_next"]) for name in unit.tree_slots}
        return slots, {name: value.astype(scalar_dtype()) for name, value in tree.items()}

    run.__name__ = f"optgen_{unit.name}_init"
    return jax.jit(run)


def _initial(leaf: Leaf, scalars: Environment) -> Environment:
    function, slots = leaf.variant.init, leaf.variant.slots
    if leaf.empty:  # the mean of nothing is NaN; what no step will read had better be 0
        shapes = jax.eval_shape(lambda: leaf.call(function, scalars))
        found = {name: jnp.zeros(shape.shape) for name, shape in shapes.items()}
    else:
        found = leaf.call(function, scalars)
    return {name: found[name].astype(_storage(slot, leaf)) for name, slot in slots.items()}


def _storage(slot: Slot, leaf: Leaf) -> Any:
    symbolic = {"param": leaf.p.dtype, "grad": leaf.p.dtype, "real": leaf.real}
    return symbolic.get(slot.dtype) or jax.dtypes.canonicalize_dtype(jnp.dtype(slot.dtype))


def run_init(
    unit: Unit, assignment: tuple[int, ...], params: list[Any], hyperparameters: Environment
) -> tuple[list[Environment], Environment]:
    """The slots of each leaf and of the tree before the first step."""
    known = constants(unit.init, hyperparameters)
    result: tuple[Any, Any] = _init_function(unit, assignment)(params, known)
    return result


def assign(unit: Unit, specs: Sequence[LeafSpec]) -> tuple[int | None, ...]:
    """Which variant serves each leaf; None where none does."""
    known: dict[LeafSpec, int | None] = {}
    for spec in specs:
        if spec not in known:
            known[spec] = unit.variant_for(spec)
    return tuple(known[spec] for spec in specs)
