"""A unit's kernels for the ``cpu`` target: the C++ of all phases, and the tables beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optgen.emit.cpu import GroupKernels, kernel_source
from optgen.emit.lowered import Lowered
from optgen.emit.python import Doc, document, literal, render
from optgen.emit.tables import MODES, Planned, closing, routes
from optgen.emit.templates import template
from optgen.emit.xla import header, title
from optgen.ir.evaluate import Dtypes
from optgen.schedule.leaf import Mode
from optgen.schedule.views import Grouping


@dataclass(frozen=True)
class _Group:
    """The kernels of a variant and of dtypes in one phase, with the views of their leaves."""

    variant: int
    kernels: GroupKernels
    groupings: tuple[Grouping, ...]


def emit(lowered: Lowered, dtypes: Sequence[Dtypes]) -> dict[str, str]:
    """The ``source`` of the ``cpu`` target, in C++, and its ``tables`` with ``NATIVE``.

    Args:
      lowered: the programs of a tree.
      dtypes: for which dtypes of parameters and gradients to emit kernels.
    """
    library = _Library()
    entries: list[str] = []
    phases: dict[Mode, list[str | Doc]] = {}
    for mode in MODES:
        phases[mode] = []
        for phase, groups in enumerate(_phases(lowered, dtypes, mode)):
            scalars = _scalars(groups)
            places = {name: place for place, name in enumerate(scalars)}
            symbol = f"optgen_{mode}_{phase + 1}"
            records = [library.kernels(group.kernels, places) for group in groups]
            entries.append(_entry(symbol, groups, records))
            items = [_table(group) for group in groups]
            phases[mode].append(
                Doc(
                    "NativePhase(",
                    [
                        f"symbol={literal(symbol)}",
                        document(scalars, "scalars="),
                        Doc("groups=(", items, closing(items)),
                    ],
                    ")",
                )
            )
    source = template("cpu.cc.jinja").render(
        title=title(lowered),
        paragraphs=header(lowered),
        functions=library.functions,
        entries=entries,
    )
    tables = [Doc(f"{mode}=(", phases[mode], closing(phases[mode])) for mode in MODES]
    native = render(
        Doc(
            "NATIVE = Native(",
            [f"name={literal(lowered.name)}", 'source=Path(__file__).with_suffix(".cc")', *tables],
            ")",
        )
    )
    return {
        "source": source,
        "tables": template("cpu.py.jinja").render(name=lowered.name, native=native),
    }


def _phases(lowered: Lowered, dtypes: Sequence[Dtypes], mode: Mode) -> list[list[_Group]]:
    """For each phase, the groups of all variants that a view covers in every phase."""
    phases: list[list[_Group]] = [[] for _ in lowered.update.scalars]
    for route in routes(lowered, dtypes, mode):
        for phase, groups in enumerate(phases):
            mine = [planned for planned in route.planned if planned.phase == phase]
            if mine:
                name = f"{route.name}_{phase + 1}"
                groups.append(_group(route.variant, name, mine, route.dtypes))
    return phases


def _group(variant: int, name: str, planned: Sequence[Planned], dtypes: Dtypes) -> _Group:
    reads: dict[str, bool] = {}  # by array: whether it is read before it is written
    writes: dict[str, None] = {}
    for x in (x for one in planned for x in one.kernel.operands):
        if x.access in ("in", "in-out"):
            reads.setdefault(x.name, x.name not in writes)
        if x.access != "in":
            writes[x.name] = None
    needed = [array for array, first in reads.items() if first]
    kernels = GroupKernels(
        name,
        tuple(one.kernel for one in planned),
        dtypes,
        inputs=tuple(array for array in needed if array not in writes),
        in_place=tuple(array for array in needed if array in writes),
        outputs=tuple(array for array in writes if array not in needed),
    )
    return _Group(variant, kernels, tuple(one.grouping for one in planned))


def _scalars(groups: Iterable[_Group]) -> tuple[str, ...]:
    names = (s for group in groups for kernel in group.kernels.kernels for s in kernel.scalars)
    return tuple(dict.fromkeys(names))


class _Library:
    """The functions of a file: what prints alike, for a step and an update say, stands once."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self._known: dict[str, str] = {}

    def kernels(self, group: GroupKernels, scalars: dict[str, int]) -> list[str]:
        """Adds the kernels of a group; returns the expressions that declare them."""
        records = []
        for place in range(len(group.kernels)):
            anonymous = kernel_source(group, place, scalars, "kernel").function
            name = self._known.setdefault(anonymous, f"{group.name}_{place + 1}")
            source = kernel_source(group, place, scalars, name)
            if source.function not in self.functions:
                self.functions.append(source.function)
            records.append(source.record)
        return records


def _entry(symbol: str, groups: Sequence[_Group], records: Sequence[list[str]]) -> str:
    lines = [f"OPTGEN_EXPORT const char* {symbol}(const optgen_call* call) {{"]
    rows = []
    for g, (group, kernels) in enumerate(zip(groups, records, strict=True)):
        lines += [
            f"  static const optgen::Kernel kernels_{g}[] = {{",
            *(f"      {kernel}," for kernel in kernels),
            "  };",
        ]
        counts = (
            len(kernels),
            len(group.kernels.inputs),
            len(group.kernels.in_place),
            len(group.kernels.in_place) + len(group.kernels.outputs),
        )
        rows.append(f"      {{kernels_{g}, {', '.join(map(str, counts))}}},")
    lines += ["  static const optgen::Group groups[] = {", *rows, "  };"]
    return "\n".join([*lines, "  return optgen::run_phase(call, groups);", "}"])


def _table(group: _Group) -> Doc:
    kernels = group.kernels
    made: dict[str, tuple[object, ...]] = {}
    contributions = []
    for place, kernel in enumerate(kernels.kernels):
        for x in kernel.operands:
            if x.name in kernels.outputs and x.name not in made:
                dtype = getattr(kernels.dtypes, x.type.dtype, x.type.dtype)
                made[x.name] = (dtype, place, x.type.axes)
                if x.purpose == "contribution":
                    contributions.append(x.name)
    d = kernels.dtypes
    items: list[str | Doc] = [
        f"variant={group.variant}",
        f"dtypes={literal((d.param, d.grad, d.real))}",
        document(kernels.inputs, "inputs="),
        document(kernels.in_place, "in_place="),
        document(made, "outputs="),
        document(tuple(g.groups for g in group.groupings), "views="),
    ]
    if contributions:
        items.append(document(tuple(contributions), "contributions="))
    return Doc("NativeGroup(", items, ")")
