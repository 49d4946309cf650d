"""A function that is traced only where it is lowered.

``jax.lax.platform_dependent`` traces its branches for all platforms. This primitive puts off the
imports and the compilation of a branch until a computation is lowered for its platform.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir

from optgen.errors import TargetError

_deferred = Primitive("optgen_deferred")
_deferred.multiple_results = True


def deferred(
    function: Callable[..., Any],
    batched: Callable[..., Any] | None,
    shapes: Any,
    platform: str | None,
    *trees: Any,
) -> Any:
    """Calls a function of trees of arrays where the computation is lowered.

    Args:
      function: the function; the same object for the same computation.
      batched: a function that computes the same under ``jax.vmap``; None where that is refused.
      shapes: the tree of its results, whose leaves have a ``shape`` and a ``dtype``.
      platform: the platform that this is for, where a computation is lowered for several at
        once; None for all.
      *trees: its arguments.
    """
    arrays, structure = jax.tree.flatten(trees)
    results, returned = jax.tree.flatten(shapes)

    def flat(function: Callable[..., Any], *arrays: Any) -> list[Any]:
        return jax.tree.leaves(function(*jax.tree.unflatten(structure, arrays)))

    types = tuple((x.shape, x.dtype) for x in results)
    out = _deferred.bind(
        *arrays,
        function=functools.partial(flat, function),
        batched=batched and functools.partial(flat, batched),
        results=types,
        platform=platform,
    )
    return jax.tree.unflatten(returned, out)


@_deferred.def_abstract_eval
def _shapes(*_: Any, results: Sequence[tuple[Any, Any]], **__: Any) -> list[Any]:
    return [jax.core.ShapedArray(shape, dtype) for shape, dtype in results]


@_deferred.def_impl
def _evaluate(*arrays: Any, function: Any, **_: Any) -> Any:
    return function(*arrays)


def _lower(ctx: Any, *arrays: Any, function: Any, platform: str | None, **_: Any) -> Any:
    if platform is not None:
        ctx = ctx.replace(platforms=(platform,))
    return mlir.lower_fun(lambda *xs: function(*xs), multiple_results=True)(ctx, *arrays)


mlir.register_lowering(_deferred, _lower)


def _batch(arrays: Any, axes: Any, *, batched: Any, **_: Any) -> Any:
    if batched is None:
        raise TargetError(
            "an accelerator's kernels cannot be batched by jax.vmap: make the optimizer with "
            'target="xla"'
        )
    out = jax.vmap(batched, in_axes=tuple(axes))(*arrays)
    return out, [0] * len(out)


batching.primitive_batchers[_deferred] = _batch
