"""Slots that are placed like their parameters, wherever the first state is made.

Eagerly and under ``jax.jit``, along axes of a mesh that are Explicit, Auto or manual. XLA knows
nothing of a parameter that a computation does not read, and would put zeros on one device.
"""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.extend.mlir.dialects import sdy
from jax.interpreters import ad, batching, mlir
from jax.sharding import AxisType, NamedSharding, PartitionSpec


def like_parameter(slot: jax.Array, p: jax.Array) -> jax.Array:
    """Returns a slot with the sharding of its parameter along the axes that it has."""
    like = jax.typeof(p)
    if missing := like.manual_axis_type.varying - jax.typeof(slot).manual_axis_type.varying:
        slot = jax.lax.pcast(slot, tuple(sorted(missing)), to="varying")
    mesh = like.sharding.mesh
    if AxisType.Explicit in mesh.axis_types:
        slot = jax.sharding.reshard(slot, sharding_of_slot(like.sharding, p.shape, slot.shape))
    p = jax.lax.stop_gradient(p)
    if lost := _lost_axes(p.shape, slot.shape):  # a sum that XLA never computes
        p = jnp.sum(p, axis=lost, keepdims=slot.ndim == p.ndim)
    return _alike.bind(slot, p)


def sharding_of_slot(
    sharding: NamedSharding, shape: tuple[int, ...], slot: tuple[int, ...]
) -> NamedSharding:
    """Returns the sharding of a slot, given that of its parameter and both shapes."""
    lost = _lost_axes(shape, slot)
    kept = [None if axis in lost else names for axis, names in enumerate(sharding.spec)]
    kept = kept[: len(slot)]
    return NamedSharding(sharding.mesh, PartitionSpec(*kept), memory_kind=sharding.memory_kind)


def _lost_axes(shape: tuple[int, ...], slot: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a parameter along which its slot does not vary."""
    if len(slot) != len(shape):
        return tuple(range(len(shape)))
    return tuple(axis for axis, (n, m) in enumerate(zip(shape, slot, strict=True)) if n != m)


_alike = Primitive("optgen_alike")
"""Its first argument, sharded as its second."""

_groups = itertools.count()

_alike.def_impl(lambda x, like: x)
_alike.def_abstract_eval(lambda x, like: x)


def _differentiate(primals: Any, tangents: Any) -> Any:
    return _alike.bind(*primals), tangents[0]


ad.primitive_jvps[_alike] = _differentiate


def _batch(arrays: Any, axes: Any) -> Any:
    (x, like), (axis, axis_like) = arrays, axes
    if axis_like is None:
        return x, axis
    if axis is None:
        axis, along = axis_like, [d for d in range(like.ndim) if d != axis_like]
        sharding = jax.typeof(like).sharding
        explicit = AxisType.Explicit in sharding.mesh.axis_types
        x = jax.lax.broadcast_in_dim(
            x, like.shape, along, out_sharding=sharding if explicit else None
        )
    return _alike.bind(x, jnp.moveaxis(like, axis_like, axis)), axis


batching.primitive_batchers[_alike] = _batch


def _lower(ctx: Any, x: Any, like: Any) -> Any:
    context = ctx.module_context.axis_context
    shardy = getattr(jax.config, "jax_use_shardy_partitioner", True)  # the other is deprecated
    if shardy and isinstance(context, mlir.ShardingContext) and context.num_devices > 1:
        group = next(_groups)
        sdy.sharding_group(x, group)
        sdy.sharding_group(like, group)
    return [x]


mlir.register_lowering(_alike, _lower, cacheable=False)  # each has a group of its own
