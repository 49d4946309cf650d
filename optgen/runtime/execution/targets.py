"""The registry of targets, and the choice of those that serve."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace

import jax

from optgen import config
from optgen.errors import CacheError, CompilerError, TargetError, UsageError
from optgen.runtime.execution import cpu, primitive, tpu, triton, xla
from optgen.runtime.execution.notice import warn
from optgen.runtime.execution.target import Target
from optgen.runtime.vocabulary.machine import Machine
from optgen.runtime.vocabulary.module import Kernels, Module

TARGETS: dict[str, Target] = {}
"""The targets, by name; ``xla`` serves wherever no other does."""

PORTABLE = xla.TARGET.name
"""The name of the target that every platform can run."""

HERE = "here"
"""The name of the machine that this process runs on."""


def register(target: Target) -> None:
    """Adds a target, or replaces the one of its name."""
    TARGETS[target.name] = target
    if target.platform:
        primitive.register(target.platform)


for _target in (xla.TARGET, cpu.TARGET, triton.TARGET, tpu.TARGET):
    register(_target)


def machines() -> dict[str, Machine]:
    """Returns the machines that are known by name."""
    return {name: m for target in TARGETS.values() for name, m in target.machines().items()}


def machine(name: str) -> Machine:
    """Returns the machine of this name; ``"here"`` is measured, which takes up to a second once.

    Raises:
      UsageError: for a name that is not known, listing those that are.
    """
    if name == HERE:
        return cpu.this_machine()
    known = machines()
    if name not in known:
        raise UsageError(f"unknown machine {name!r}; known: {', '.join([*known, HERE])}")
    return known[name]


def check_target(target: str) -> None:
    """Refuses a target that this version does not have.

    Raises:
      TargetError: with a list of the targets.
    """
    if target != "auto" and target not in TARGETS:
        raise TargetError(
            f"target {target!r} is not in this version of optgen: ask for one of "
            f"{', '.join(TARGETS)}, or leave target='auto'"
        )


def wanted_target(target: str) -> str:
    """Returns the target that was asked for, here or in the environment.

    Raises:
      TargetError: for one that this version does not have.
    """
    wanted = config.TARGET.get() if target == "auto" else target
    check_target(wanted)
    return wanted


def kernel_targets(target: str) -> tuple[str, ...]:
    """Returns the targets whose kernels are to be emitted; none where ``xla`` serves.

    For ``auto`` they are those that can serve at all: a computation takes those of the place that
    it is lowered for, and it may be exported for several platforms. Only those of JAX's default
    platform are compiled beforehand.

    Raises:
      TargetError: for one that was asked for by name and cannot serve.
    """
    wanted = wanted_target(target)
    if wanted == PORTABLE:
        return ()
    if wanted != "auto":
        if (reason := TARGETS[wanted].unavailable()) is not None:
            raise TargetError(f"the {wanted} target cannot serve: {reason}")
        return (wanted,)
    return tuple(t.name for t in TARGETS.values() if t.executor is not None and _serves(t))


def check_runs(target: str) -> None:
    """Refuses a target that cannot serve, or whose computations cannot run on this machine.

    Raises:
      TargetError: saying why not.
    """
    kernel_targets(target)
    record = TARGETS.get(target)
    if record and record.backend and not _is_default(record) and not config.INTERPRET.get():
        raise TargetError(
            f"the {target} target can be lowered here, and not run: JAX's platform is "
            f"{jax.default_backend()}. OPTGEN_INTERPRET=1 runs its kernels in their interpreter"
        )


def serving_target(target: str) -> str:
    """Returns the target that serves computations for JAX's default platform.

    Raises:
      TargetError: see ``kernel_targets``.
    """
    kernels = kernel_targets(target)
    if wanted_target(target) in kernels:
        return wanted_target(target)
    return next((name for name in kernels if _is_default(TARGETS[name])), PORTABLE)


def _serves(target: Target) -> bool:
    """True where ``auto`` takes a target; warns if its platform is the default and it cannot."""
    if target.prepare is not None and not _is_default(target):
        return False
    reason = target.unavailable()
    if reason is not None and _is_default(target):
        say_once(target.name, reason)
    return reason is None


def _is_default(target: Target) -> bool:
    return target.backend == jax.default_backend()


def with_kernels(module: Module, kernels: Mapping[str, Kernels], target: str) -> Module:
    """Returns the module with kernels, compiled where their target does so beforehand.

    Args:
      module: the portable functions.
      kernels: the kernels of each target; left out where ``auto`` finds that they do not compile.
      target: the target that was asked for.

    Raises:
      TargetError: if they cannot be compiled, and were asked for by name.
    """
    wanted, ready = wanted_target(target), dict(kernels)
    for name, emitted in kernels.items():
        prepare = TARGETS[name].prepare
        if prepare is None:
            continue
        try:
            prepare(emitted)
        except (CompilerError, CacheError) as error:
            if wanted == name:
                raise TargetError(f"the {name} target cannot serve: {error}") from error
            say_once(name, str(error))
            del ready[name]
    return replace(module, kernels=ready, only="" if wanted == "auto" else wanted)


@functools.cache
def say_once(target: str, reason: str) -> None:
    """Warns once of each reason why ``xla`` serves instead of kernels."""
    warn(
        f"optgen's {target} kernels cannot serve, and the slower xla target computes the same: "
        f"{reason}",
    )
