"""Workloads: named parameter trees, arrays to fill them, and hyperparameters to step with.

The commands, the benchmark and the tests all run on these. A tree is a pytree of
``jax.ShapeDtypeStruct``: nothing is allocated until ``materialise`` is called.
"""

from optgen.tools.workloads.hyperparameters import HYPERPARAMETERS
from optgen.tools.workloads.models import Shape, ShapeTree
from optgen.tools.workloads.trees import (
    DTYPES,
    TREES,
    Tree,
    gradients,
    leaves,
    materialise,
    parameters,
    parse_dtype,
    parse_shape,
    tree,
    tree_bytes,
)

__all__ = [
    "DTYPES",
    "HYPERPARAMETERS",
    "TREES",
    "Shape",
    "ShapeTree",
    "Tree",
    "gradients",
    "leaves",
    "materialise",
    "parameters",
    "parse_dtype",
    "parse_shape",
    "tree",
    "tree_bytes",
]
