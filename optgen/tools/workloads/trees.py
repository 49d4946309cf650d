"""Named parameter trees, shapes and dtypes read from text, and arrays to fill them."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from optgen.errors import UsageError
from optgen.tools.workloads import models

Tree = Any  # a pytree of jax.ShapeDtypeStruct, or of arrays

PARAMETER_SCALE = 0.02  # the standard deviation of a GPT-2 weight at initialisation
GRADIENT_SCALE = 0.01  # large enough that clipping by a global norm of 1 clips every named tree
_BLOCK = 1_048_573  # a prime, so that no row or column of a matrix repeats another

DTYPES: dict[str, Any] = {
    "float32": jnp.float32,
    "f32": jnp.float32,
    "bfloat16": jnp.bfloat16,
    "bf16": jnp.bfloat16,
    "float16": jnp.float16,
    "f16": jnp.float16,
    "float64": jnp.float64,
    "f64": jnp.float64,
}


def small() -> models.ShapeTree:
    """Ten 64 × 64 leaves: nothing but latency."""
    return {f"layer_{i}": (64, 64) for i in range(10)}


def awkward() -> models.ShapeTree:
    """Leaves that break kernels: 0-d, empty, odd tails, both kinds of vector, 3-d, 4-d, absent.

    `(129, 257)` and `(2, 130, 141)` are large enough to be factored by Adafactor's default of 128.
    """
    return {
        "scalar": (),
        "empty": (0,),
        "empty_rows": (0, 5),
        "empty_middle": (3, 0, 5),
        "one": (1,),
        "odd": (1031,),
        "row": (1, 67),
        "column": (67, 1),
        "tall": (131, 3),
        "factored": (129, 257),
        "factored_batch": (2, 130, 141),
        "cube": (3, 5, 7),
        "kernel": (3, 3, 4, 5),
        "absent": None,
    }


TREES: dict[str, Callable[[], models.ShapeTree]] = {
    "matrix": lambda: {"matrix": (4096, 4096)},
    "gpt2-small": models.gpt2_small,
    "resnet50": models.resnet50,
    "llama3-8b": models.llama3_8b,
    "llama3-8b-layer": models.llama3_8b_layer,
    "deep-300": functools.partial(models.deep_transformer, 300),
    "deep-1000": functools.partial(models.deep_transformer, 1000),
    "deep-2000": functools.partial(models.deep_transformer, 2000),
    "small": small,
    "awkward": awkward,
}


def tree(name_or_shape: str, dtype: str | Any = "float32") -> Tree:
    """Returns a tree by its name, or one leaf by its shape, such as `4096x4096` or `1000`.

    Args:
      name_or_shape: a key of `TREES`, or whole numbers joined by `x`.
      dtype: of every leaf: a key of `DTYPES`, or one of their values.

    Raises:
      UsageError: for an unknown name, a malformed shape or an unknown dtype.
    """
    resolved = parse_dtype(dtype)
    if name_or_shape in TREES:
        shapes = TREES[name_or_shape]()
    else:
        shapes = {"matrix": parse_shape(name_or_shape)}
    return jax.tree.map(lambda shape: jax.ShapeDtypeStruct(shape, resolved), shapes, is_leaf=_shape)


def parse_shape(text: str) -> tuple[int, ...]:
    """Reads `4096x4096` as `(4096, 4096)`; raises `UsageError` for anything else."""
    if re.fullmatch(r"[0-9]+(x[0-9]+)*", text):
        return tuple(int(part) for part in text.split("x"))
    known = ", ".join(TREES)
    raise UsageError(
        f"{text!r} is neither a tree nor a shape. Give one of {known}; "
        "or a shape written as whole numbers joined by x, such as 4096x4096."
    )


def parse_dtype(dtype: str | Any) -> np.dtype:
    """Returns the dtype for a name such as `float32` or `bf16`, or for the dtype itself."""
    if isinstance(dtype, str) and dtype in DTYPES:
        return jnp.dtype(DTYPES[dtype])
    if not isinstance(dtype, str) and jnp.dtype(dtype) in {jnp.dtype(d) for d in DTYPES.values()}:
        return jnp.dtype(dtype)
    raise UsageError(f"unknown dtype {dtype!r}. Give one of {', '.join(DTYPES)}.")


def leaves(tree: Tree) -> int:
    """Returns the number of arrays in the tree."""
    return len(jax.tree.leaves(tree))


def parameters(tree: Tree) -> int:
    """Returns the number of elements in the whole tree."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def tree_bytes(tree: Tree) -> int:
    """Returns the bytes that the tree's arrays take."""
    return sum(math.prod(x.shape) * jnp.dtype(x.dtype).itemsize for x in jax.tree.leaves(tree))


def materialise(tree: Tree, seed: int = 0, scale: float = PARAMETER_SCALE) -> Tree:
    """Fills a tree with pseudo-random normal values as NumPy arrays, the same for the same seed.

    Values come from one block of a million draws, wrapped around: GPT-2 small takes a fraction of
    a second. So distant elements of a large leaf can be equal, which no rule minds.

    Args:
      tree: a pytree of `jax.ShapeDtypeStruct`.
      seed: chooses the values.
      scale: their standard deviation.

    Returns:
      The same pytree of NumPy arrays, with the same shapes and dtypes.
    """
    generator = np.random.default_rng(seed)
    twice = np.tile(generator.standard_normal(_BLOCK) * scale, 2)

    def fill(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        start = int(generator.integers(_BLOCK))
        values = twice[start : start + min(math.prod(leaf.shape), _BLOCK)]
        return np.resize(values.astype(leaf.dtype), leaf.shape)

    return jax.tree.map(fill, tree)


def gradients(tree: Tree, seed: int = 1) -> Tree:
    """Returns pseudo-random gradients for a tree, as NumPy arrays; see `materialise`."""
    return materialise(tree, seed, GRADIENT_SCALE)


def _shape(node: Any) -> bool:
    return isinstance(node, tuple)
