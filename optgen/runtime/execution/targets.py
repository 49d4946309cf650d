"""Which targets serve, and the kernels that come with them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from dataclasses import replace

import jax

from optgen import config
from optgen.errors import CacheError, CompilerError, TargetError
from optgen.runtime.execution import cpu, tpu, triton
from optgen.runtime.vocabulary.kernels import Kernels, Native
from optgen.runtime.vocabulary.unit import Unit

TARGETS = ("xla", "cpu", "triton", "tpu")
"""The targets of this version."""

_RUNTIMES = {"cpu": cpu, "triton": triton, "tpu": tpu}
_BACKENDS = {"cpu": "cpu", "triton": "gpu", "tpu": "tpu"}
"""What JAX calls the backends that kernel targets serve."""


def check_target(target: str) -> None:
    """Refuses a target that this version does not have.

    Raises:
      TargetError: saying which there are.
    """
    if target not in ("auto", *TARGETS):
        raise TargetError(
            f"target {target!r} is not in this version of optgen: ask for one of "
            f"{', '.join(TARGETS)}, or leave target='auto'"
        )


def wanted_target(target: str) -> str:
    """The target that was asked for, here or in the environment.

    Raises:
      TargetError: for one that this version does not have.
    """
    wanted = config.TARGET.get() if target == "auto" else target
    check_target(wanted)
    return wanted


def kernel_targets(target: str) -> tuple[str, ...]:
    """The targets whose kernels are to be emitted; none where ``xla`` serves.

    For ``auto`` they are those that can serve at all: a computation takes those of the platform
    that it is lowered for, and it may be exported for several. C++ is compiled beforehand, and so
    for JAX's default platform only. Over several devices there are none: XLA partitions what it
    compiles itself, and would gather sharded arrays for a custom call. Kernels that are asked for
    by name work there inside ``jax.shard_map``.

    Raises:
      TargetError: for one that was asked for by name and cannot serve.
    """
    wanted = wanted_target(target)
    if wanted == "xla":
        return ()
    if wanted != "auto":
        if (reason := _RUNTIMES[wanted].unavailable()) is not None:
            raise TargetError(f"the {wanted} target cannot serve: {reason}")
        return (wanted,)
    if jax.device_count() > 1:
        return ()
    return tuple(name for name in TARGETS if name != "xla" and _serves(name))


def check_runs(target: str) -> None:
    """Refuses a target that cannot serve, or whose computations cannot run on this machine.

    Raises:
      TargetError: saying why not.
    """
    kernel_targets(target)
    if target in _BACKENDS and not _is_default(target) and not config.INTERPRET.get():
        raise TargetError(
            f"the {target} target can be lowered here, and not run: JAX's platform is "
            f"{jax.default_backend()}. OPTGEN_INTERPRET=1 runs its kernels in their interpreter"
        )


def serving_target(target: str) -> str:
    """The target that serves computations for JAX's default platform.

    Raises:
      TargetError: see ``kernel_targets``.
    """
    kernels = kernel_targets(target)
    if wanted_target(target) in kernels:
        return wanted_target(target)
    return next((name for name in kernels if _is_default(name)), "xla")


def _serves(target: str) -> bool:
    """Whether ``auto`` takes a target; says why not where its platform is the default one."""
    if target == "cpu" and not _is_default(target):
        return False
    reason = _RUNTIMES[target].unavailable()
    if reason is not None and _is_default(target):
        say_once(target, reason)
    return reason is None


def _is_default(target: str) -> bool:
    return _BACKENDS[target] == jax.default_backend()


def with_kernels(unit: Unit, kernels: Mapping[str, Native | Kernels], target: str) -> Unit:
    """The unit with its kernels; C++ is compiled, and left out where ``auto`` may do so.

    Args:
      unit: the portable functions.
      kernels: the kernels of each target.
      target: what was asked for.

    Raises:
      TargetError: if they cannot be compiled, and were asked for by name.
    """
    wanted, ready = wanted_target(target), dict(kernels)
    native = ready.get("cpu")
    if isinstance(native, Native):
        try:
            cpu.compile_library(native.text, native.name)
        except (CompilerError, CacheError) as error:
            if wanted == "cpu":
                raise TargetError(f"the cpu target cannot serve: {error}") from error
            say_once("cpu", str(error))
            del ready["cpu"]
    return replace(unit, kernels=ready, only="" if wanted == "auto" else wanted)


@functools.cache
def say_once(target: str, reason: str) -> None:
    """Warns once of each reason why ``xla`` serves instead of kernels."""
    warnings.warn(
        f"optgen's {target} kernels cannot serve, and the slower xla target computes the same: "
        f"{reason}",
        stacklevel=2,
    )
