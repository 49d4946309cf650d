"""The user's trees: flattened, checked against each other, and masks spread over them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from optgen.errors import TreeError
from optgen.runtime.vocabulary.hyper import FLOATS
from optgen.runtime.vocabulary.leaf import LeafSpec, MaskValue

_NAMED_DIFFERENCES = 3


def path_name(path: Any) -> str:
    """A key path as a person would write it; the root has a name too."""
    return jax.tree_util.keystr(path) or "the root"


class FlatTree:
    """A tree of parameters, or of the gradients that stand for them.

    Attributes:
      tree: the tree.
      what: its name, for errors.
      leaves: its leaves, whatever they are; floating-point numbers of Python and NumPy as arrays.
      structure: its structure.
    """

    def __init__(self, tree: Any, what: str) -> None:
        self.tree, self.what = tree, what
        leaves, structure = jax.tree.flatten(tree)
        self.leaves, self.structure = [_array(leaf) for leaf in leaves], cast(Any, structure)

    @functools.cached_property
    def paths(self) -> list[str]:
        """The paths of the leaves."""
        with_paths, _ = jax.tree_util.tree_flatten_with_path(self.tree)
        return [path_name(path) for path, _ in with_paths]

    def trained(self) -> list[int]:
        """The places of the leaves that are trained: not those of integers and truth values.

        Raises:
          TreeError: for a leaf that is no array of real numbers.
        """
        places = [i for i, leaf in enumerate(self.leaves) if not is_integer(leaf)]
        for i in places:
            self._check(i, self.leaves[i], self.what)
        return places

    def _check(self, i: int, leaf: Any, what: str) -> None:
        if reason := _refusal(leaf):
            raise TreeError(f"{what} at {self.paths[i]} {reason}")

    def trained_beside(self, grads: list[Any]) -> list[int]:
        """The places of the leaves that are trained, of which only these are looked at.

        Args:
          grads: the gradient of each leaf, numbers of which are replaced by arrays.

        Raises:
          TreeError: for a gradient, or a leaf beside one, that cannot be trained with.
        """
        places = []
        for i, (leaf, grad) in enumerate(zip(self.leaves, grads, strict=True)):
            if is_absent(grad):
                continue
            if is_integer(leaf) or _is_no_gradient(leaf):
                _check_no_gradient(grad, self.what, self.paths[i])
                continue
            grads[i] = _array(grad)
            self._check(i, leaf, self.what)
            self._check(i, grads[i], "grads")
            if jnp.shape(grads[i]) != jnp.shape(leaf):
                raise TreeError(
                    f"grads at {self.paths[i]} has shape {tuple(jnp.shape(grads[i]))}, but "
                    f"{self.what} has {tuple(jnp.shape(leaf))} there: their trees must match leaf "
                    "by leaf"
                )
            places.append(i)
        return places


def _array(leaf: Any) -> Any:
    """The leaf; as an array where it is a floating-point number or array of Python or NumPy."""
    if isinstance(leaf, (float, np.floating, np.ndarray)):
        leaf = np.asarray(leaf)
        return jnp.asarray(leaf) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    return leaf


def is_absent(leaf: Any) -> bool:
    """True where there is no array: None, or optax's ``MaskedNode``."""
    return leaf is None or (isinstance(leaf, tuple) and not jax.tree.leaves(leaf))


def is_integer(leaf: Any) -> bool:
    """True for integers and truth values, which are not trained."""
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, (bool, int)) or (isinstance(dtype, np.dtype) and dtype.kind in "biu")


def _is_no_gradient(leaf: Any) -> bool:
    """True for JAX's gradient of an integer."""
    return bool(getattr(leaf, "dtype", None) == jax.dtypes.float0)


def _check_no_gradient(grad: Any, what: str, path: str) -> None:
    """Requires the gradient of an integer leaf to be one: of ``float0``, or of zeros.

    Raises:
      TreeError: where it is another, as far as that can be seen.
    """
    no_gradient = _is_no_gradient(grad) or is_integer(grad)
    if no_gradient and is_integer(grad) and not isinstance(grad, jax.core.Tracer):
        no_gradient = not np.any(np.asarray(grad))
    if not no_gradient:
        raise TreeError(
            f"{what} at {path} holds integers, which are not trained, and grads has a gradient "
            f"of {getattr(grad, 'dtype', type(grad).__name__)} there: {_INTEGERS}"
        )


def without_update(grad: Any) -> Any:
    """The update of a leaf that is not trained: zeros where it has a gradient, none otherwise."""
    return grad if is_absent(grad) else jnp.zeros(jnp.shape(grad), jnp.float32)


_INTEGERS = (
    "only floating-point leaves are trained: pass None for its gradient, or mask it with "
    "optax.masked"
)


def _refusal(leaf: Any) -> str:
    """The reason for refusing a leaf, and the remedy; empty for an array of real numbers."""
    dtype = getattr(leaf, "dtype", None)
    if dtype is None or not hasattr(leaf, "shape"):
        return (
            f"is {type(leaf).__name__}, not an array: keep static values out of the tree, or set "
            "them to None"
        )
    name = getattr(dtype, "name", str(dtype))
    if name in FLOATS:
        return ""
    if "complex" in name:
        remedy = (
            "wrap the optimizer in optax.contrib.split_real_and_imaginary, which keeps two real "
            "leaves for each complex one"
        )
    elif name.startswith("float"):
        remedy = (
            f"updates are smaller than its values can tell apart, and optimizers take "
            f"{', '.join(FLOATS)}: train a wider copy of it, and cast it where it is used"
        )
    else:
        remedy = _INTEGERS
    return f"has dtype {name}: {remedy}"


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


def spread_mask(mask: Any, name: str, flat: FlatTree) -> tuple[MaskValue, ...]:
    """The mask's value for every leaf: True, False or None.

    Args:
      mask: None, True, False, a tree of bools, a prefix of one, or a function from the tree to
        one.
      name: the name of the mask, for errors.
      flat: the parameters, or the gradients where no parameters are given.

    Raises:
      TreeError: where the mask does not fit the tree, or holds anything but bools.
    """
    if callable(mask):
        try:
            mask = mask(flat.tree)
        except Exception as error:
            raise TreeError(
                f"{name} is a function that failed: {type(error).__name__}: {error}. It must take "
                "the parameters and return a tree of bools like them, or a prefix of one."
            ) from error
    if mask is None or isinstance(mask, bool):
        return (mask,) * len(flat.leaves)
    try:
        spread = jax.tree.map(lambda m, part: jax.tree.map(lambda _: m, part), mask, flat.tree)
        values = flat.structure.flatten_up_to(spread)
    except (ValueError, TypeError) as error:
        detail = str(error).splitlines()[0]
        raise TreeError(
            f"{name} does not fit the parameters: {detail}. It must be a tree of bools like "
            "them, or a prefix of one."
        ) from None
    return tuple(_truth(value, name) for value in values)


def _truth(value: Any, name: str) -> bool:
    if isinstance(value, jax.core.Tracer):
        raise TreeError(
            f"{name} holds a traced value: a mask decides what is compiled, so make it outside of "
            "jax.jit, or of what is static, such as shapes"
        )
    if isinstance(value, bool) or (np.shape(value) == () and np.asarray(value).dtype.kind == "b"):
        return bool(value)
    raise TreeError(
        f"{name} holds {type(value).__name__} {value!r}: every entry must be True or False"
    )


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
