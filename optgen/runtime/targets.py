"""Which target serves, and the kernels that come with it."""

from __future__ import annotations

import functools
import warnings
from dataclasses import replace

import jax

from optgen import config
from optgen.errors import CacheError, CompilerError, TargetError
from optgen.runtime import cpu
from optgen.runtime.kernels import Native
from optgen.runtime.unit import Unit

TARGETS = ("xla", "cpu")
"""The targets of this version."""


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


def resolve_target(target: str) -> str:
    """The target that serves: of ``auto`` the kernels of JAX's default platform, or ``xla``.

    Over several devices ``auto`` is ``xla``, which XLA partitions: it would gather sharded arrays
    for a custom call. Kernels that are asked for by name work there inside ``jax.shard_map``.

    Raises:
      TargetError: for one that was asked for by name and cannot serve.
    """
    wanted = config.TARGET.get() if target == "auto" else target
    check_target(wanted)
    if wanted == "xla" or (wanted == "auto" and not _one_cpu()):
        return "xla"
    reason = cpu.unavailable()
    if reason is None:
        return "cpu"
    _refuse_or_fall_back(wanted, reason)
    return "xla"


def _one_cpu() -> bool:
    return jax.default_backend() == "cpu" and jax.device_count() == 1


def with_kernels(unit: Unit, native: Native, target: str) -> Unit:
    """The unit with its kernels compiled; without them where ``auto`` may do so.

    Args:
      unit: the portable functions.
      native: the kernels.
      target: what was asked for.

    Raises:
      TargetError: if they cannot be compiled, and were asked for by name.
    """
    try:
        cpu.compile_library(native.text, native.name)
    except (CompilerError, CacheError) as error:
        _refuse_or_fall_back(target, str(error))
        return unit
    return replace(unit, native=native)


def _refuse_or_fall_back(target: str, reason: str) -> None:
    if target == "cpu":
        raise TargetError(f"the cpu target cannot serve: {reason}")
    say_once(reason)


@functools.cache
def say_once(reason: str) -> None:
    """Warns once of each reason why ``xla`` serves instead of kernels."""
    warnings.warn(
        f"optgen's CPU kernels cannot serve, and the slower xla target computes the same: {reason}",
        stacklevel=2,
    )
