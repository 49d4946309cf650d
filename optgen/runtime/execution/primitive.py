"""The primitive of the leaf programs of a step: what runs is decided where it is lowered.

While a step is traced nothing is known of the platform that it will run on, nor of the devices.
The lowering knows both, and nothing of what it does not choose is traced, imported or compiled.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import AbstractMesh, AxisType, PartitionSpec


@dataclass(frozen=True)
class Place:
    """A place that a computation is lowered for.

    Attributes:
      platform: JAX's name of the platform; empty for one that no target has kernels for.
      whole: True where a program sees whole arrays: on one device, inside ``jax.shard_map``, or
        where no array is sharded.
      exported: True for ``jax.export``, whose result another process runs.
    """

    platform: str
    whole: bool
    exported: bool


class Programs(Hashable, Protocol):
    """The leaf programs of a step, as functions of trees of arrays."""

    @property
    def sequential(self) -> bool:
        """True where a batch of steps runs one after another, and not in ``jnp``."""

    @property
    def interpreted(self) -> bool:
        """True where kernels may run in an interpreter, which calls the host in order."""

    def portable(self, *trees: Any) -> Any:
        """Runs them in ``jnp``."""

    def types(self, *trees: Any) -> Any:
        """Returns the types of the results, given those of arguments none of which is sharded."""

    def at(self, place: Place) -> Callable[..., Any]:
        """Returns the function that runs them at a place."""


_NO_MESH = AbstractMesh((), ())

_leaf_programs = Primitive("optgen_leaf_programs")
_leaf_programs.multiple_results = True


def call(programs: Programs, *trees: Any) -> Any:
    """Calls leaf programs with trees of arrays.

    Results have the types that the ``jnp`` functions give them: shape, dtype, the sharding along
    axes of a mesh that are Explicit, and the manual axes along which they vary.
    """
    arrays, structure = jax.tree.flatten(trees)
    types = jax.tree.unflatten(structure, map(jax.typeof, arrays))
    returned = jax.tree.structure(programs.types(*types))
    results = _leaf_programs.bind(*arrays, programs=programs, structure=structure)
    return jax.tree.unflatten(returned, results)


def _flat(function: Callable[..., Any], structure: Any, *arrays: Any) -> list[Any]:
    """Calls a function of trees with their leaves; returns the leaves of its result."""
    return jax.tree.leaves(function(*jax.tree.unflatten(structure, arrays)))


@_leaf_programs.def_abstract_eval
def _types(*avals: Any, programs: Programs, structure: Any) -> list[Any]:
    if _same_everywhere(avals):
        return _flat(programs.types, structure, *avals)
    portable = functools.partial(_flat, programs.portable, structure)
    return list(jax.make_jaxpr(portable)(*avals).out_avals)


def _same_everywhere(avals: Sequence[Any]) -> bool:
    """True where no type says that an array is sharded, or varies along manual axes."""
    return all(
        aval.sharding.mesh == avals[0].sharding.mesh
        and not aval.manual_axis_type.varying
        and _unsharded(aval)
        for aval in avals
    )


def _unsharded(aval: Any) -> bool:
    spec = aval.sharding.spec
    return not any(spec) and not spec.unreduced and not spec.reduced


@_leaf_programs.def_impl
def _evaluate(*arrays: Any, programs: Programs, structure: Any) -> Any:
    with jax.disable_jit(False):
        return _compiled(programs, structure)(*arrays)


@functools.lru_cache(maxsize=512)
def _compiled(programs: Programs, structure: Any) -> Callable[..., Any]:
    return jax.jit(functools.partial(_leaf_programs.bind, programs=programs, structure=structure))


def _differentiate(
    primals: Sequence[Any], tangents: Sequence[Any], programs: Programs, structure: Any
) -> Any:
    """Derivatives are those of ``jnp`` on every platform."""
    portable = functools.partial(_flat, programs.portable, structure)
    return jax.jvp(portable, tuple(primals), tuple(map(ad.instantiate_zeros, tangents)))


ad.primitive_jvps[_leaf_programs] = _differentiate


def _batch(arrays: Any, axes: Any, *, programs: Programs, structure: Any) -> Any:
    if programs.sequential:
        batched = [
            x if axis is None else jnp.moveaxis(x, axis, 0)
            for x, axis in zip(arrays, axes, strict=True)
        ]
        out = _one_by_one(batched, [axis is not None for axis in axes], programs, structure)
    else:
        portable = functools.partial(_flat, programs.portable, structure)
        out = jax.vmap(portable, in_axes=tuple(axes))(*arrays)
    return out, [0] * len(out)


def _one_by_one(
    arrays: Sequence[Any], batched: Sequence[bool], programs: Programs, structure: Any
) -> Any:
    """Runs a batch of steps one after another; some arrays are the same for all of them."""

    def step(rows: list[Any]) -> Any:
        row = iter(rows)
        own = [next(row) if b else x for x, b in zip(arrays, batched, strict=True)]
        return _leaf_programs.bind(*own, programs=programs, structure=structure)

    return jax.lax.map(step, [x for x, b in zip(arrays, batched, strict=True) if b])


batching.primitive_batchers[_leaf_programs] = _batch


def _lower(ctx: Any, *arrays: Any, platform: str, programs: Programs, structure: Any) -> Any:
    whole, replicated = _alone(ctx.module_context.axis_context), _replicated(ctx.avals_in)
    exported = ctx.module_context.lowering_parameters.for_export
    function = programs.at(Place(platform, whole or replicated is not None, exported))
    flat = functools.partial(_flat, function, structure)
    avals = ctx.avals_in
    if replicated is not None and not whole:
        everywhere = PartitionSpec()
        flat = jax.shard_map(
            flat, mesh=replicated, in_specs=everywhere, out_specs=everywhere, check_vma=False
        )
    mesh = jax.sharding.get_abstract_mesh()
    if whole:  # a program of one device, to which meshes mean nothing
        mesh = _NO_MESH
        avals = [jax.core.ShapedArray(aval.shape, aval.dtype) for aval in avals]
    with jax.sharding.use_abstract_mesh(mesh):
        tokens = ctx.tokens_in
        if programs.interpreted:
            tokens = mlir.TokenSet.create(jax.make_jaxpr(flat)(*avals).effects)
        lower = mlir.lower_fun(lambda *xs: flat(*xs), multiple_results=True)
        return list(lower(ctx.replace(avals_in=avals, tokens_in=tokens), *arrays))


def _alone(context: Any) -> bool:
    """True where a computation is lowered for one device, or for each by itself."""
    if isinstance(context, mlir.SPMDAxisContext):
        sizes = dict(context.mesh.shape)
        return all(size == 1 for axis, size in sizes.items() if axis not in context.manual_axes)
    return bool(context.num_devices == 1)


def _replicated(avals: Sequence[Any]) -> Any:
    """The mesh, where types say that every device of it has each array whole; else None."""
    meshes = {aval.sharding.mesh for aval in avals} - {_NO_MESH}
    if len(meshes) != 1 or not all(map(_unsharded, avals)):
        return None
    (mesh,) = meshes
    return mesh if set(mesh.axis_types) == {AxisType.Explicit} else None


def register(platform: str) -> None:
    """Lets a platform have kernels: one lowered for several has a program for each."""
    lower = functools.partial(_lower, platform=platform)
    mlir.register_lowering(_leaf_programs, lower, platform=platform)


mlir.register_lowering(_leaf_programs, functools.partial(_lower, platform=""))
