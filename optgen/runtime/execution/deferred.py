"""A function that is traced only where it is lowered.

``jax.lax.platform_dependent`` traces its branches for all platforms. What a branch for another
platform would import and compile is put off by this primitive until something is lowered for it.
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
      function: what to call; the same object for the same computation.
      batched: what computes the same under ``jax.vmap``; None where that is refused.
      shapes: a tree of what it returns, of anything with ``shape`` and ``dtype``.
      platform: the one that this is for, where a computation is lowered for several at once;
        None for all.
      *trees: its arguments.
    """
    arrays, given = jax.tree.flatten(trees)
    results, returned = jax.tree.flatten(shapes)

    def flat(function: Callable[..., Any], *arrays: Any) -> list[Any]:
        return jax.tree.leaves(function(*jax.tree.unflatten(given, arrays)))

    made = tuple((x.shape, x.dtype) for x in results)
    out = _deferred.bind(
        *arrays,
        function=functools.partial(flat, function),
        batched=batched and functools.partial(flat, batched),
        results=made,
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
