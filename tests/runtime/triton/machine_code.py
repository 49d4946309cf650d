"""The launches of a step as machine code, for GPUs that are not here."""

import jax
import jax.numpy as jnp

from optgen.compile import compile_only
from optgen.runtime.execution import driver, trees
from optgen.runtime.execution.triton import recording


def launches_of(tx, params):
    """Every launch of a step of an optimizer on these leaves."""
    leaves, _, _ = trees.flatten(params, "params")
    specs = tx.face.specs(params)
    made = compile_only(tx.instance.composition, specs, "triton")
    variants = tuple(made.variants[spec] for spec in specs)
    numbers = driver.evaluate_hyperparameters(tx.instance.scalars, jnp.int32(0))
    return recording.launches(made.unit, variants, leaves, numbers)


def shaped(shapes, dtype):
    """Leaves of these shapes."""
    return {name: jax.ShapeDtypeStruct(shape, dtype) for name, shape in shapes.items()}


def chain_of(tx, params):
    """The routines of the one leaf that there is, one for each launch."""
    made = compile_only(tx.instance.composition, tx.face.specs(params), "triton")
    (chain,) = made.unit.kernels["triton"].step
    return chain
