"""The result of a verification: a row for each output, and all that is wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """The largest error of one output of one target, over all steps and leaves of a group.

    Attributes:
      target: which target.
      group: which tree: its dtype, and what is special about it.
      output: ``params`` (after ``step``), ``updates`` (after ``update``), or a slot.
      error: in units in the last place, see ``optgen.tools.verify.measure``.
      reference: optax's own largest error in the same units, if it could be measured.
      allowed: the error that this row may have. Beside a reference it is half as much again as
        the reference's, and one unit; without one, what rounding can explain at that element
        (an element that it cannot explain comes before one with a larger error).
      leaf: where the error is: the leaf.
      step: and the step, the first one being 1.
    """

    target: str
    group: str
    output: str
    error: float
    reference: float | None
    allowed: float
    leaf: str
    step: int

    @property
    def ok(self) -> bool:
        """True where the error is allowed; NaN never is."""
        return self.error <= self.allowed


@dataclass(frozen=True, slots=True)
class Report:
    """The verification of one optimizer.

    Attributes:
      rows: an entry for each target, group and output.
      problems: what else is wrong: where the rule and the reference are not the same mathematics.
      notes: what could not be compared, and why.
    """

    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True where every row is allowed and there are no problems."""
        return all(row.ok for row in self.rows) and not self.problems

    def as_dict(self) -> dict[str, Any]:
        """For JSON: ``ok``, ``rows`` (each with its ``ok``), ``problems`` and ``notes``."""
        rows = [{**asdict(row), "ok": row.ok} for row in self.rows]
        return {"ok": self.ok, "rows": rows, "problems": self.problems, "notes": self.notes}

    def failures(self) -> list[str]:
        """A sentence for each thing that is wrong."""
        failed = [row for row in self.rows if not row.ok]
        return [*map(_sentence, failed), *self.problems]


def _sentence(row: Row) -> str:
    against = "rounding explains" if row.reference is None else "optax's error allows"
    return (
        f"{row.target}, {row.group}: {row.output} of leaf {row.leaf!r} is off by {row.error:.3g} "
        f"units in the last place at step {row.step}; {against} {row.allowed:.3g}"
    )
