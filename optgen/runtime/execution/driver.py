"""Applies an emitted module to trees: initial state, updates, fused steps.

Everything below ``jax.jit`` here is traced once for a module and the shapes of a tree. The values
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
from optgen.runtime.execution.initial import PlacedInit, is_abstract, placement_of, present
from optgen.runtime.execution.leaves import (
    Environment,
    Execution,
    Leaf,
    contributions,
)
from optgen.runtime.execution.placing import like_parameter
from optgen.runtime.execution.platforms import LeafPrograms
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.runtime.vocabulary.module import Module, Placement
from optgen.runtime.vocabulary.sequence import Mode
from optgen.runtime.vocabulary.variant import Function, Scalars, arguments


def scalar_dtype() -> Any:
    """The dtype of scalars: float32, or float64 where JAX's x64 mode is on."""
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
    """The hyperparameters and the functions of them alone, as arguments of the compiled step."""
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
            for name, values in contribute(phase, known).items():
                if name in known:  # to which some leaves have contributed in an earlier phase
                    values = [known[name], *values]
                parts = jnp.concatenate([jnp.ravel(x).astype(scalar_dtype()) for x in values])
                known = {**known, name: combine[scalars.totals[name]](parts)}
            for name, how in scalars.totals.items():
                if name not in known and _needed_next(scalars, phase + 1, name):
                    known[name] = scalar_dtype().type(empty[how])
    return known


def _needed_next(scalars: Scalars, phase: int, name: str) -> bool:
    function = scalars.phases[phase]
    return function is not None and name in arguments(function)


@functools.lru_cache(maxsize=512)
def _step_function(
    module: Module, placements: tuple[Placement, ...], mode: Mode, donate: bool
) -> Callable[..., Any]:
    """Returns the compiled step of a tree whose leaves have these placements."""
    programs = LeafPrograms(module, placements, mode, functools.partial(run_leaves, module))
    updated = (0, 1, 2, 3) if donate else ()
    return jax.jit(step_with(module, mode, programs), donate_argnums=updated)


def step_with(module: Module, mode: Mode, leaf_programs: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the step, not yet compiled: what it updates comes first, in the order of its results.

    JAX pairs donated buffers with results of one shape in order.

    Args:
      module: the emitted module.
      mode: ``update`` or ``step``.
      leaf_programs: a function of the parameters, gradients and slots of the leaves and of the
        scalars that are known before; returns the same as ``run_leaves``.
    """

    def run(
        params: list[Any],
        slots: list[Environment],
        tree_slots: Environment,
        count: Any,
        grads: list[Any],
        known: Environment,
    ) -> tuple[list[Any], list[Environment], Environment, Any]:
        new_count = jnp.where(count < np.iinfo(np.int32).max, count + 1, count)
        known = {**known, **tree_slots, "step": new_count.astype(scalar_dtype())}
        out, new_slots, new_tree = leaf_programs(params, grads, slots, known)
        return out, new_slots, new_tree, new_count

    run.__name__ = f"optgen_{module.name}_{mode}"
    return run


def run_leaves(
    module: Module, execution: Execution, known: Environment
) -> tuple[list[Any], list[Environment], Environment]:
    """Runs all phases of a step; returns the result of each leaf, and the slots of the tree."""
    known = _phases(module.update, known, execution.contribute)
    results = execution.finish(known)
    tree = {
        name: jnp.asarray(known.get(f"{name}_next", known[name]), known[name].dtype)
        for name in module.tree_slots
    }
    return [r[0] for r in results], [r[1] for r in results], tree


def run_step(
    module: Module,
    placements: tuple[Placement, ...],
    mode: Mode,
    params: list[Any],
    slots: list[Environment],
    tree_slots: Environment,
    count: Any,
    grads: list[Any],
    hyperparameters: Environment,
    donate: bool = False,
) -> tuple[list[Any], list[Environment], Environment, Any]:
    """Updates leaves: new updates or parameters, new slots, new tree slots, new count.

    Args:
      module: the emitted module.
      placements: the placement of each leaf in it.
      mode: ``update`` returns updates, ``step`` next parameters.
      params: the parameters, or None for each where the rule does not read them.
      slots: for each leaf its slots, by name.
      tree_slots: the slots of the whole tree, by name.
      count: int32 scalar, the number of updates before this one.
      grads: the gradients of the leaves.
      hyperparameters: their values at this step.
      donate: True to update parameters, slots and count where they are; it makes no difference
        to values that are being traced.
    """
    known = constants(module.update, hyperparameters)
    updated = (params, slots, tree_slots, count)
    traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves((updated, grads, known)))
    step = _step_function(module, placements, mode, not traced and donate)
    result: tuple[Any, Any, Any, Any] = step(*updated, grads, known)
    return result


@functools.lru_cache(maxsize=512)
def _init_function(module: Module, placements: tuple[Placement, ...]) -> Callable[..., Any]:

    def run(params: list[Any], known: Environment) -> tuple[list[Environment], Environment]:
        leaves = _leaves(module, placements, params)
        known, tree = _initial_scalars(module, leaves, known)
        return [_initial_slots(leaf, leaf.p, known) for leaf in leaves], tree

    run.__name__ = f"optgen_{module.name}_init"
    return jax.jit(run)


def _initial_scalars(
    module: Module, leaves: Sequence[Leaf], known: Environment
) -> tuple[Environment, Environment]:
    """All scalars before the first step, and the slots of the tree."""
    partials = [leaf.variant.init_partials for leaf in leaves]
    known = _phases(module.init, known, functools.partial(contributions, leaves, partials))
    tree = {name: jnp.asarray(known[f"{name}_next"]) for name in module.tree_slots}
    return known, {name: value.astype(scalar_dtype()) for name, value in tree.items()}


def _initial_slots(leaf: Leaf, p: Any, known: Environment) -> Environment:
    own = Leaf(leaf.variant, leaf.placement, p, p, {})
    slots = own.call(leaf.variant.init, known)
    return {name: like_parameter(slot, p) for name, slot in slots.items()}


def run_init(
    module: Module,
    placements: tuple[Placement, ...],
    params: list[Any],
    hyperparameters: Environment,
) -> tuple[list[Environment], Environment]:
    """Makes the slots of each leaf and of the tree before the first step."""
    known = constants(module.init, hyperparameters)
    traced = any(isinstance(x, jax.core.Tracer) for x in (*params, *known.values()))
    if traced and not any(map(is_abstract, params)):
        result: tuple[Any, Any] = _init_function(module, placements)(params, known)
    else:
        init = _placed_init(module, placements, tuple(map(placement_of, params)))
        result = init(params, known)
    return result


@functools.lru_cache(maxsize=512)
def _placed_init(
    module: Module, placements: tuple[Placement, ...], params: tuple[jax.ShapeDtypeStruct, ...]
) -> PlacedInit:
    """Returns what makes the first state of parameters that are placed like these."""
    leaves = _leaves(module, placements, params)

    def scalars(arrays: list[Any], known: Environment) -> tuple[Environment, Environment]:
        return _initial_scalars(module, _leaves(module, placements, present(leaves, arrays)), known)

    name = f"optgen_{module.name}_init"
    scalars.__name__ = name
    if not (module.tree_slots or module.init.totals or any(module.init.phases)):
        return PlacedInit(name, leaves, lambda _, known: (known, {}), _initial_slots)
    return PlacedInit(name, leaves, jax.jit(scalars), _initial_slots)


def _leaves(module: Module, placements: Sequence[Placement], params: Sequence[Any]) -> list[Leaf]:
    """Leaves without slots."""
    return [
        Leaf(module.variants[placement.variant], placement, p, p, {})
        for placement, p in zip(placements, params, strict=True)
    ]


def placements(module: Module, specs: Sequence[LeafSpec]) -> tuple[Placement | None, ...]:
    """Returns the placement of each leaf in a module; None for a leaf that it does not serve."""
    known: dict[LeafSpec, Placement | None] = {}
    for spec in specs:
        if spec not in known:
            known[spec] = _placement(module, spec)
    return tuple(known[spec] for spec in specs)


def _placement(module: Module, spec: LeafSpec) -> Placement | None:
    for number, variant in enumerate(module.variants):
        guard = variant.guard_for(spec)
        if guard is not None:
            return Placement(number, guard.groups)
    return None
