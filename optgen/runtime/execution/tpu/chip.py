"""The generations of TPUs: their figures, and lowering for one that is not here."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import mlir

from optgen import config
from optgen.errors import TargetError
from optgen.runtime.vocabulary.machine import Limits

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation of TPUs.

    Attributes:
      kinds: what JAX calls a device of it; the first is what is compiled for without one.
      vmem: the vector memory of one core, in bytes.
    """

    kinds: tuple[str, ...]
    vmem: int

    @property
    def room(self) -> int:
        """The part of it that a launch may take; the rest is the compiler's."""
        return self.vmem * 3 // 4


GENERATIONS: Mapping[str, Generation] = {
    "v4": Generation(("TPU v4",), 16 * _MIB),
    "v5e": Generation(("TPU v5e", "TPU v5 lite"), 128 * _MIB),
    "v5p": Generation(("TPU v5p", "TPU v5"), 64 * _MIB),
    "v6e": Generation(("TPU v6e", "TPU v6 lite"), 128 * _MIB),
    "tpu7x": Generation(("TPU7x",), 64 * _MIB),
}
"""Those that kernels are compiled for, by the name that machines have; sizes from JAX's Pallas."""


_chosen: ContextVar[str | None] = ContextVar("generation", default=None)


@contextmanager
def lowering_for(name: str) -> Iterator[None]:
    """Within it kernels are lowered for this generation; for a name of none nothing changes."""
    token = _chosen.set(name if name in GENERATIONS else None)
    try:
        yield
    finally:
        _chosen.reset(token)


def generation() -> str:
    """The generation that kernels are lowered for: the TPU's that is here, or the one asked for.

    Raises:
      TargetError: if there is none of the name in OPTGEN_TPU.
    """
    if chosen := _chosen.get():
        return chosen
    kind = jax.devices()[0].device_kind
    for name, known in GENERATIONS.items():
        if kind in known.kinds:
            return name
    name = config.TPU.get()
    if name not in GENERATIONS:
        raise TargetError(
            f"OPTGEN_TPU={name} is no generation of TPUs: say one of {', '.join(GENERATIONS)}"
        )
    return name


def vmem() -> int:
    """The vector memory of a core of that generation, in bytes."""
    return GENERATIONS[generation()].vmem


def limits() -> Limits:
    """Returns the limits of launches that are lowered for that generation."""
    return Limits(on_chip_bytes=GENERATIONS[generation()].room)


@functools.cache
def unavailable() -> str | None:
    """Says why TPU kernels cannot be lowered in this process; None where they can."""
    pallas = importlib.util.find_spec("jax.experimental.pallas")  # which is not imported for it
    places = pallas.submodule_search_locations if pallas else None
    if not any((Path(place) / "tpu.py").exists() for place in places or ()):
        return "this JAX has no Pallas for TPUs: install a newer jax"
    return None


_for_generation = Primitive("optgen_tpu")
_for_generation.multiple_results = True


def for_generation(
    function: Callable[..., Sequence[Any]],
    out_shape: Sequence[jax.ShapeDtypeStruct],
    *arrays: Any,
) -> Sequence[Any]:
    """Calls a function of arrays that Pallas lowers, as if a TPU were here.

    Some operations are lowered in another way for each generation, and Pallas asks the default
    device which it is.
    """
    shapes = tuple((x.shape, x.dtype) for x in out_shape)
    results: Sequence[Any] = _for_generation.bind(*arrays, function=function, shapes=shapes)
    return results


@_for_generation.def_abstract_eval
def _shapes(*_: Any, function: Any, shapes: Sequence[tuple[Any, Any]]) -> list[Any]:
    return [jax.core.ShapedArray(shape, dtype) for shape, dtype in shapes]


@_for_generation.def_impl
def _evaluate(*arrays: Any, function: Callable[..., Any], shapes: Any) -> Any:
    return function(*arrays)


def _lower(ctx: Any, *arrays: Any, function: Callable[..., Any], shapes: Any) -> Any:
    with _device():
        return mlir.lower_fun(lambda *xs: function(*xs), multiple_results=True)(ctx, *arrays)


mlir.register_lowering(_for_generation, _lower)


@contextmanager
def _device() -> Iterator[None]:
    """Within it Pallas takes the default device for a TPU."""
    if jax.devices()[0].platform == "tpu":
        yield
        return
    kind = GENERATIONS[generation()].kinds[0]
    device = jax.sharding.AbstractDevice(device_kind=kind, num_cores=1, platform="tpu")
    mesh = jax.sharding.AbstractMesh((), (), abstract_device=device)
    with jax.sharding.use_abstract_mesh(mesh):
        yield
