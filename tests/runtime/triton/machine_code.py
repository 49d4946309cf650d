"""The launches of a step as machine code, for GPUs that are not here."""

import jax
import jax.numpy as jnp

from optgen.compile import emit_tree
from optgen.runtime.execution import driver, trees
from optgen.runtime.execution.listing import unrun_step
from optgen.runtime.execution.targets import TARGETS
from optgen.runtime.execution.triton import inspection


def launches_of(tx, params):
    """Every launch of a step of an optimizer on these leaves."""
    leaves = trees.FlatTree(params, "params").leaves
    specs = tx.trees.specs(params)
    compiled = emit_tree(tx.instance.composition, specs, "triton")
    placements = [compiled.placements[spec] for spec in specs]
    hyperparameters = driver.evaluate_hyperparameters(tx.instance.scalars, jnp.int32(0))
    step = unrun_step(TARGETS["triton"], compiled.module, placements, leaves, hyperparameters)
    return inspection.record(step)


def shaped(shapes, dtype):
    """Leaves of these shapes."""
    return {name: jax.ShapeDtypeStruct(shape, dtype) for name, shape in shapes.items()}


def kernels_of(tx, params):
    """The kernels of the one leaf that there is, one for each launch."""
    (leaf,) = tx.plan(params, "h200").leaves
    return leaf.sequence.kernels
