"""Comparison of a step with XLA's of optax, both compiled for a chip that is not here.

Nothing runs: launches and bytes are counted in the modules that the chip's own compiler makes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax

from optgen.errors import TargetError, UsageError
from optgen.runtime.execution.targets import PORTABLE, TARGETS
from optgen.runtime.execution.tpu.chip import lowering_for
from optgen.runtime.vocabulary.sequence import Mode
from optgen.schedule.explanation import Explanation
from optgen.tools import chips
from optgen.tools.rules import Choice
from optgen.tools.timing import jit_step
from optgen.tools.workloads import parameters


@dataclass(frozen=True)
class Side:
    """Cost of one way of running the step.

    Attributes:
      name: which way.
      launches: kernels that run one after the other.
      bytes_per_parameter: of main memory, read and written.
      transfers: copies that run beside the kernels; None for the plan, which has none.
      copies: kernels and transfers that only move data; None for the plan.
      temporary_bytes: memory that is neither argument nor result.
      compile_seconds: how long the chip's compiler took; None for the plan.
    """

    name: str
    launches: int
    bytes_per_parameter: float
    transfers: int | None
    copies: int | None
    temporary_bytes: int
    compile_seconds: float | None


@dataclass(frozen=True)
class Comparison:
    """A step of a rule beside optax's; ``str()`` of it is text for a person.

    Attributes:
      explanation: the plan, stage by stage.
      optax: the optimizer of optax that it is compared with.
      sides: the plan; optgen, compiled for each target that can be; and optax, compiled.
      absent: why a way of running it is not among them, by its name.
    """

    explanation: Explanation
    optax: str
    sides: tuple[Side, ...]
    absent: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The same as what JSON has."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


Progress = Callable[[int, int, str], None]
"""Is told how many of how many compilations are done, and what the next one is."""


def compare(
    choice: Choice,
    params: Any,
    machine: str,
    mode: Mode = "step",
    progress: Progress = lambda done, total, what: None,
) -> Comparison:
    """Compiles optgen's step, or its update, and optax's for a machine, and counts.

    Args:
      choice: a rule that optax has under the same name, or a chain of such, with hyperparameters.
      params: a tree of arrays or ``jax.ShapeDtypeStruct``.
      machine: the name of a machine that is a chip of ``optgen.tools.chips``.
      mode: ``step``, or ``update`` with ``apply_updates``, as optax's is compiled in both cases.
      progress: called before each compilation.

    Raises:
      UsageError: for a rule that optax lacks, or a machine that is no such chip.
      ChipError: where the chip's compiler is not installed, or refuses.
    """
    chip = chips.CHIPS.get(machine)
    if chip is None:
        raise UsageError(
            f"XLA compiles for {', '.join(chips.CHIPS)}, and not for {machine!r}: choose with "
            "--machine"
        )
    peer = choice.reference()
    if peer is None:
        raise UsageError(
            f"optax has no {choice.name!r} to compare with: --against-xla takes rules that optax "
            "has under the same name, and chains of them"
        )
    kernels = next(t.name for t in TARGETS.values() if t.platform == chip.platform)
    explanation = choice.make().explain(params, machine, mode)
    sides, absent = [_plan(explanation)], {}
    ways = {f"optgen, target {target}": target for target in (PORTABLE, kernels)}
    for number, (name, target) in enumerate(ways.items()):
        progress(number, len(ways) + 1, name)
        try:
            sides.append(_compiled(name, choice.make(target), mode, params, chip))
        except TargetError as error:
            absent[name] = str(error)
    name = f"jitted {_name(choice)}"
    progress(len(ways), len(ways) + 1, name)
    sides.append(_compiled(name, peer, "update", params, chip))
    return Comparison(explanation, _name(choice), tuple(sides), absent)


def _name(choice: Choice) -> str:
    """The expression of optax that makes the same optimizer."""
    names = [part.rule.name for part in choice.make("xla").instance.parts]
    return f"optax.{names[0]}" if len(names) == 1 else f"optax.chain({', '.join(names)})"


def _plan(explanation: Explanation) -> Side:
    return Side(
        name="optgen's plan",
        launches=explanation.launches,
        bytes_per_parameter=explanation.bytes_per_parameter,
        transfers=None,
        copies=None,
        temporary_bytes=explanation.scratch_bytes,
        compile_seconds=None,
    )


def _compiled(name: str, optimizer: Any, mode: Mode, params: Any, chip: chips.Chip) -> Side:
    state = jax.eval_shape(optimizer.init, params)
    step = jit_step(optimizer, fused=mode == "step")
    with lowering_for(chip.name):
        module = chips.compile_for(chip.name, step, params, state, params, donate_argnums=(0, 1))
    return Side(
        name=name,
        launches=module.launches,
        bytes_per_parameter=module.bytes / max(1, parameters(params)),
        transfers=module.transfers,
        copies=sum(kernel.times for kernel in module.copies),
        temporary_bytes=module.memory.temporary,
        compile_seconds=module.compile_seconds,
    )


def _lines(comparison: Comparison) -> Iterator[str]:
    yield str(comparison.explanation)
    yield ""
    yield (
        f"Beside {comparison.optax} with apply_updates and donation, as XLA compiles them for "
        f"{comparison.explanation.machine.title}:"
    )
    yield ""
    width = max(len(name) for name in (*(s.name for s in comparison.sides), *comparison.absent))
    yield f"{'':{width}}  launches  transfers  bytes for each parameter  temporaries"
    for side in comparison.sides:
        transfers = "" if side.transfers is None else f"{side.transfers:,}"
        yield (
            f"{side.name:{width}}{side.launches:10,}{transfers:>11}"
            f"{side.bytes_per_parameter:26.2f}{side.temporary_bytes / 1e6:10.1f} MB"
        )
    for name, reason in comparison.absent.items():
        yield f"{name:{width}}  {reason}"
    if any(side.transfers for side in comparison.sides):
        yield ""
        yield "A transfer runs beside the kernels: it fetches what a later one reads on chip."
