"""The user's trees: flattened, checked against each other, and masks spread over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from optgen.errors import TreeError
from optgen.runtime.vocabulary.leaf import LeafSpec, MaskValue

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_NAMED_DIFFERENCES = 3


def path_name(path: Any) -> str:
    """A key path as a person would write it; the root has a name too."""
    return jax.tree_util.keystr(path) or "the root"


def flatten(tree: Any, what: str) -> tuple[list[Any], Any, list[str]]:
    """The leaves of a tree, its structure, and the leaves' paths.

    Raises:
      TreeError: for a leaf that is no array of real floating-point numbers.
    """
    with_paths, structure = jax.tree_util.tree_flatten_with_path(tree)
    paths = [path_name(path) for path, _ in with_paths]
    leaves = [leaf for _, leaf in with_paths]
    for leaf, path in zip(leaves, paths, strict=True):
        check_leaf(leaf, f"{what} at {path}")
    return leaves, structure, paths


def check_leaf(leaf: Any, where: str) -> None:
    """Refuses a leaf that optimizers cannot be applied to.

    Raises:
      TreeError: naming the leaf's type, and the remedy.
    """
    if isinstance(leaf, (bool, int, float, complex)):
        raise TreeError(
            f"{where} is the Python number {leaf!r}, not an array: wrap it in jnp.asarray"
        )
    dtype = getattr(leaf, "dtype", None)
    if dtype is None or not hasattr(leaf, "shape"):
        raise TreeError(
            f"{where} is {type(leaf).__name__}, not an array: keep static values out of the tree, "
            "or set them to None"
        )
    name = getattr(dtype, "name", str(dtype))
    if name in _FLOATS:
        return
    if "complex" in name:
        remedy = (
            "wrap the optimizer in optax.contrib.split_real_and_imaginary, which keeps two real "
            "leaves for each complex one"
        )
    elif name.startswith("float"):
        remedy = f"optimizer arithmetic takes {', '.join(_FLOATS)}: cast it"
    else:
        remedy = (
            "only floating-point leaves are trained: set it to None, or mask it with optax.masked"
        )
    raise TreeError(f"{where} has dtype {name}: {remedy}")


def match(tree: Any, structure: Any, what: str, like: str, remedy: str) -> list[Any]:
    """The entries of a tree that must have this structure; None where it has None for a leaf.

    Raises:
      TreeError: where the structures differ, naming the differences.
    """
    try:
        entries: list[Any] = structure.flatten_up_to(tree)
        return entries
    except (ValueError, TypeError) as error:
        difference = _difference(tree, structure) or str(error).splitlines()[0].rstrip(".")
        raise TreeError(
            f"{what} and {like} have different structures: {what} {difference}. {remedy}"
        ) from None


def _difference(tree: Any, structure: Any) -> str:
    """The paths that a tree lacks or has besides those of a structure, in words."""
    if tree is None:
        return "is None"
    actual, wanted = _paths(tree), _paths(structure.unflatten(range(structure.num_leaves)))
    lacks = [f"lacks {path}" for path in wanted if path not in actual]
    has = [f"has {path} besides" for path in actual if path not in wanted]
    more = len(lacks) + len(has) - _NAMED_DIFFERENCES
    rest = [f"{more} more"] if more > 0 else []
    return ", ".join([*(lacks + has)[:_NAMED_DIFFERENCES], *rest])


def _paths(tree: Any) -> list[str]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda leaf: leaf is None)
    return [path_name(path) for path, _ in leaves]


def same_shape(leaf: Any, other: Any, path: str, what: str, like: str) -> None:
    """Requires two leaves to have the same shape.

    Raises:
      TreeError: naming the leaf and both shapes.
    """
    if jnp.shape(leaf) != jnp.shape(other):
        raise TreeError(
            f"{what} at {path} has shape {tuple(jnp.shape(leaf))}, but {like} has "
            f"{tuple(jnp.shape(other))} there: their trees must match leaf by leaf"
        )


def spread_mask(
    mask: Any, name: str, tree: Any, structure: Any, count: int
) -> tuple[MaskValue, ...]:
    """The mask's value for every leaf: True, False or None.

    Args:
      mask: None, True, False, a tree of bools, a prefix of one, or a function from the tree to
        one.
      name: the name of the mask, for errors.
      tree: the parameters, or the gradients where no parameters are given.
      structure: its structure.
      count: the number of its leaves.

    Raises:
      TreeError: where the mask does not fit the tree, or holds anything but bools.
    """
    if callable(mask):
        try:
            mask = mask(tree)
        except Exception as error:
            raise TreeError(
                f"{name} is a function that failed: {type(error).__name__}: {error}. It must take "
                "the parameters and return a tree of bools like them, or a prefix of one."
            ) from error
    if mask is None or isinstance(mask, bool):
        return (mask,) * count
    try:
        spread = jax.tree.map(lambda m, part: jax.tree.map(lambda _: m, part), mask, tree)
        values = structure.flatten_up_to(spread)
    except (ValueError, TypeError) as error:
        detail = str(error).splitlines()[0]
        raise TreeError(
            f"{name} does not fit the parameters: {detail}. It must be a tree of bools like "
            "them, or a prefix of one."
        ) from None
    for value in values:
        if not isinstance(value, bool) and type(value).__name__ != "bool_":
            kind = type(value).__name__
            raise TreeError(f"{name} holds {kind} {value!r}: every entry must be True or False")
    return tuple(bool(value) for value in values)


def specs(
    params: Sequence[Any], grads: Sequence[Any], masks: Sequence[tuple[MaskValue, ...]]
) -> tuple[LeafSpec, ...]:
    """The signature of each leaf; ``masks`` holds one tuple over the leaves for each mask."""
    return tuple(
        LeafSpec(tuple(p.shape), _dtype_name(p), _dtype_name(g), tuple(mask[i] for mask in masks))
        for i, (p, g) in enumerate(zip(params, grads, strict=True))
    )


def _dtype_name(leaf: Any) -> str:
    return str(leaf.dtype.name if hasattr(leaf.dtype, "name") else leaf.dtype)
