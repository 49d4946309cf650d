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
    same_rank = slot.ndim == p.ndim
    reduced = tuple(
        axis for axis in range(p.ndim) if not same_rank or slot.shape[axis] != p.shape[axis]
    )
    like = jax.typeof(p)
    if missing := like.manual_axis_type.varying - jax.typeof(slot).manual_axis_type.varying:
        slot = jax.lax.pcast(slot, tuple(sorted(missing)), to="varying")
    mesh = like.sharding.mesh
    if AxisType.Explicit in mesh.axis_types:
        spec = [None if axis in reduced else names for axis, names in enumerate(like.sharding.spec)]
        wanted = PartitionSpec(*spec[: slot.ndim])
        slot = jax.sharding.reshard(slot, NamedSharding(mesh, wanted))
    p = jax.lax.stop_gradient(p)
    part = jnp.sum(p, axis=reduced, keepdims=same_rank) if reduced else p  # XLA never computes it
    return _alike.bind(slot, part)


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
        axis = axis_like
        x = jnp.broadcast_to(jnp.expand_dims(x, axis), like.shape)
    return _alike.bind(x, jnp.moveaxis(like, axis_like, axis)), axis


batching.primitive_batchers[_alike] = _batch


def _lower(ctx: Any, x: Any, like: Any) -> Any:
    context = ctx.module_context.axis_context
    if isinstance(context, mlir.ShardingContext) and context.num_devices > 1:
        group = next(_groups)
        sdy.sharding_group(x, group)
        sdy.sharding_group(like, group)
    return [x]


mlir.register_lowering(_alike, _lower)
