"""The compiled module: the kernels that would run, their bytes, and their aliases."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from optgen.tools.chips.hlo import Alias, Array, Computation, HloModule, Instruction


@dataclass(frozen=True, slots=True)
class Kernel:
    """A unit of work on the device: a fusion, a custom call, a copy, a reduction, ….

    Attributes:
      name: the name of its instruction.
      kind: its opcode; ``copy`` or ``transpose`` also where a fusion does nothing else.
      target: the name of the function that a custom call calls; empty for others.
      times: how often it runs: more than once inside a loop whose length is known.
      overlapped: whether it starts and ends apart, so that kernels run meanwhile: a transfer.
      reads: bytes of its operands in the device's main memory, each operand once, for one run; of
        an operand that is sliced, those of the slices.
      writes: bytes of its results there.
      on_chip: bytes of its operands and results that lie in a core's own memory instead.
      aliases: which of its outputs are written where which of its operands were.
    """

    name: str
    kind: str
    target: str
    times: int
    overlapped: bool
    reads: int
    writes: int
    on_chip: int
    aliases: tuple[Alias, ...]

    @property
    def bytes(self) -> int:
        """Bytes of main memory that all its runs read and write."""
        return self.times * (self.reads + self.writes)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the device's memory that a program needs, as XLA accounts for them.

    Attributes:
      argument: of its arguments.
      output: of its results.
      alias: of the results that are written where arguments were.
      temporary: of what is neither.
    """

    argument: int
    output: int
    alias: int
    temporary: int


@dataclass(frozen=True)
class Module:
    """A program as it was compiled for a chip.

    Attributes:
      chip: the name of the chip.
      kernels: what it runs, in order.
      aliases: which outputs are written where which arguments were. Both are numbered as
        ``jax.tree.leaves`` orders them.
      memory: what it needs.
      compile_seconds: how long the compiler took.
      text: the optimized module.
    """

    chip: str
    kernels: tuple[Kernel, ...]
    aliases: tuple[Alias, ...]
    memory: Memory
    compile_seconds: float
    text: str = field(repr=False)

    @property
    def launches(self) -> int:
        """The number of kernels that run one after the other, without ``transfers``."""
        return sum(kernel.times for kernel in self.kernels if not kernel.overlapped)

    @property
    def transfers(self) -> int:
        """The number of copies beside the kernels: a TPU fetches what a later kernel reads."""
        return sum(kernel.times for kernel in self.kernels if kernel.overlapped)

    @property
    def kinds(self) -> Mapping[str, int]:
        """The number of kernels and transfers of each kind."""
        counts: Counter[str] = Counter()
        for kernel in self.kernels:
            counts[kernel.kind] += kernel.times
        return dict(counts)

    @property
    def bytes(self) -> int:
        """Bytes of main memory that are read and written: operands and results of all kernels."""
        return sum(kernel.bytes for kernel in self.kernels)

    @property
    def on_chip_bytes(self) -> int:
        """Bytes that kernels read and write in a core's own memory, which costs far less."""
        return sum(kernel.times * kernel.on_chip for kernel in self.kernels)

    @property
    def custom_calls(self) -> Mapping[str, tuple[Kernel, ...]]:
        """The kernels that are custom calls, by the name of the function that they call."""
        calls: dict[str, tuple[Kernel, ...]] = {}
        for kernel in self.kernels:
            if kernel.target:
                calls[kernel.target] = (*calls.get(kernel.target, ()), kernel)
        return calls

    @property
    def copies(self) -> tuple[Kernel, ...]:
        """The kernels that only move data: copies and transposes."""
        return tuple(kernel for kernel in self.kernels if kernel.kind in _MOVES)


def read_kernels(module: HloModule) -> tuple[Kernel, ...]:
    """The kernels that a module runs, in order.

    Computations that an instruction calls are looked into: of a conditional the branch that moves
    most, and of a loop the body as often as it is known to run, otherwise once. What starts and
    ends apart is one kernel. Parameters, tuples and views run nothing, and neither does arithmetic
    on scalars that is in no fusion: a TPU's scalar unit does it on the side.
    """
    return tuple(_kernels(module, module.entry, 1))


_MOVES = frozenset({"copy", "transpose"})
_SLICES = frozenset({"slice", "dynamic-slice"})
_FREE = frozenset(
    {
        "add-dependency",
        "after-all",
        "bitcast",
        "constant",
        "get-tuple-element",
        "opt-barrier",
        "parameter",
        "partition-id",
        "replica-id",
        "tuple",
    }
)
_FREE_CALLS = frozenset({"AllocateBuffer", "ConcatBitcast"})  # these only name memory
_TRIPS = re.compile(r'"known_trip_count":\s*\{"n":"(\d+)"')


def _kernels(module: HloModule, name: str, times: int) -> Iterator[Kernel]:
    computation = module.computation(name)
    ends = {
        i.operands[0]: i for i in computation.instructions.values() if i.opcode.endswith("-done")
    }
    for instruction in computation.instructions.values():
        match instruction.opcode:
            case "call" | "async-start":
                for called in instruction.called("to_apply", "calls", "called_computations"):
                    yield from _kernels(module, called, times)
            case "while":
                for called in instruction.called("condition") + instruction.called("body"):
                    yield from _kernels(module, called, times * _trips(instruction))
            case "conditional":
                yield from _costliest_branch(module, instruction, times)
            case _ if (whole := _whole(instruction, ends)) and _runs(computation, whole):
                overlapped = instruction.opcode != whole.opcode
                yield _kernel(module, computation, whole, times, overlapped)


def _costliest_branch(
    module: HloModule, instruction: Instruction, times: int
) -> tuple[Kernel, ...]:
    names = instruction.called("branch_computations") or (
        instruction.called("true_computation") + instruction.called("false_computation")
    )
    branches = [tuple(_kernels(module, name, times)) for name in names]
    return max(branches, key=lambda kernels: (sum(k.bytes for k in kernels), len(kernels)))


def _trips(loop: Instruction) -> int:
    trips = _TRIPS.search(loop.attributes.get("backend_config", ""))
    return int(trips[1]) if trips else 1


def _whole(instruction: Instruction, ends: Mapping[str, Instruction]) -> Instruction | None:
    """The instruction; one in two halves where it starts, with the result of its end."""
    if instruction.opcode.endswith(("-done", "-update")):
        return None
    opcode = instruction.opcode.removesuffix("-start")
    if opcode == instruction.opcode:
        return instruction
    return replace(instruction, opcode=opcode, results=ends[instruction.name].results)


def _runs(computation: Computation, instruction: Instruction) -> bool:
    if instruction.opcode in _FREE or instruction.target in _FREE_CALLS:
        return False
    if instruction.opcode in ("custom-call", "fusion", *_MOVES):
        return True
    operands = (computation.instructions[name] for name in instruction.operands)
    return any(array.dims for i in (instruction, *operands) for array in i.results)


def _kernel(
    module: HloModule,
    computation: Computation,
    instruction: Instruction,
    times: int,
    overlapped: bool,
) -> Kernel:
    fused = None
    if instruction.opcode == "fusion":
        fused = module.computation(*instruction.called("calls"))
    read = tuple(_read(computation, instruction, fused))
    written = tuple(_written(computation, instruction, fused))
    return Kernel(
        name=instruction.name,
        kind=_kind(instruction, fused),
        target=instruction.target,
        times=times,
        overlapped=overlapped,
        reads=_bytes(read),
        writes=_bytes(written),
        on_chip=sum(array.bytes for array in (*read, *written) if array.space),
        aliases=instruction.aliases,
    )


def _kind(instruction: Instruction, fused: Computation | None) -> str:
    if fused is None:
        return instruction.opcode
    inside = {i.opcode for i in fused.instructions.values()} - _FREE
    return inside.pop() if len(inside) == 1 and inside <= _MOVES else "fusion"


def _bytes(arrays: Iterable[Array]) -> int:
    return sum(array.bytes for array in arrays if not array.space)


def _read(
    computation: Computation, instruction: Instruction, fused: Computation | None
) -> Iterator[Array]:
    """The arrays that are read: each operand once, and of one that is only sliced the slices."""
    for number, name in enumerate(instruction.operands):
        if name in instruction.operands[:number]:
            continue
        arrays = computation.instructions[name].results
        if fused is None:
            slices = _slices(name, [instruction])
        else:
            parameter = fused.parameter(number)
            users = [i for i in fused.instructions.values() if parameter in i.operands]
            slices = _slices(parameter, users)
        if slices is None:
            yield from arrays
        else:
            yield from (replace(arrays[0], dims=dims) for dims in slices)


def _slices(name: str, users: Iterable[Instruction]) -> list[tuple[int, ...]] | None:
    """The extents of the slices that are taken of an array; None where it is used otherwise."""
    extents = []
    for user in users:
        if name in user.operands[1:]:
            return None
        if user.opcode in _SLICES:
            extents.append(user.results[0].dims)
        elif user.opcode != "dynamic-update-slice":  # which leaves the rest of it in place
            return None
    return extents


def _written(
    computation: Computation, instruction: Instruction, fused: Computation | None
) -> Iterator[Array]:
    """The arrays that are written: the results, and of one updated in place the update."""
    where, makers = computation, [instruction]
    if fused is not None:
        where, makers = fused, fused.makers
    if len(makers) != len(instruction.results):
        makers = [instruction] * len(instruction.results)
    for array, maker in zip(instruction.results, makers, strict=True):
        if maker.opcode == "dynamic-update-slice":
            update = where.instructions[maker.operands[1]].results[0]
            yield replace(array, dims=update.dims)
        else:
            yield array
