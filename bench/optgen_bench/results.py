"""From samples to records: rates, shares of the roof, and ratios."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax

from optgen.tools import workloads
from optgen.tools.timing import Contestant, Costs, Spread, Work, overlap
from optgen_bench import records
from optgen_bench.records import Measurement, Ratio
from optgen_bench.roof import Roof


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Bytes for each parameter of a step, as (read, written).

    Attributes:
      floor: gradient, parameter and state read once, the last two written once.
      plan: what optgen's plan moves, or None without a plan.
    """

    floor: tuple[float, float]
    plan: tuple[float, float] | None = None

    @property
    def counted(self) -> tuple[float, float]:
        """Bytes that rates and the roof's mix are computed from."""
        return self.plan or self.floor


@dataclasses.dataclass(frozen=True)
class Finished:
    """A case that has been measured.

    Attributes:
      name: of the case.
      work: the tree that was stepped over.
      contestants: those that took part.
      costs: of each, by name.
      times: of each, and of the roof, by name.
      traffic: None where nothing tells it.
      roofs: the roof, and on a GPU a copy; none where they were left out.
    """

    name: str
    work: Work
    contestants: Sequence[Contestant]
    costs: dict[str, Costs]
    times: dict[str, Spread]
    traffic: Traffic | None
    roofs: Sequence[Roof]

    def record(self, absent: dict[str, str], failures: list[str]) -> records.Case:
        """Returns the case as the report holds it."""
        measured = [self._measurement(contestant) for contestant in self.contestants]
        return records.Case(
            case=self.name,
            work=self.work.name,
            dtype=self.work.dtype,
            leaves=workloads.leaves(self.work.tree),
            parameters=self.work.size,
            floor_bytes_per_parameter=sum(self.traffic.floor) if self.traffic else None,
            planned_bytes_per_parameter=(
                sum(self.traffic.plan) if self.traffic and self.traffic.plan else None
            ),
            roof=self._roof("roof"),
            copy=self._roof("copy"),
            measurements=measured,
            ratios=ratios(measured),
            absent=absent,
            failures=failures,
        )

    def _measurement(self, contestant: Contestant) -> Measurement:
        time, roof = self.times[contestant.name], self._roof("roof")
        rate = sum(self.traffic.counted) * self.work.size / time.median if self.traffic else None
        return Measurement(
            name=contestant.name,
            protocol=contestant.protocol,
            ours=contestant.ours,
            time=time,
            bytes_per_second=rate,
            roof_share=rate / roof.bytes_per_second if rate is not None and roof else None,
            launches=contestant.launches(self.work),
            costs=self.costs[contestant.name],
        )

    def _roof(self, name: str) -> records.Roof | None:
        roof = next((roof for roof in self.roofs if roof.name == name), None)
        if roof is None:
            return None
        time = self.times[name]
        return records.Roof(
            method=roof.method,
            reads=roof.reads,
            writes=roof.writes,
            stream_bytes=roof.stream_bytes,
            time=time,
            bytes_per_second=roof.bytes_per_step / time.median,
            tried=roof.tried,
        )


def traffic(contestants: Sequence[Contestant], work: Work) -> Traffic | None:
    """Counts the bytes of a step.

    State and plan are those of the first contestant which tells its state's shapes.
    """
    for contestant in contestants:
        state = contestant.state(work)
        if state is not None and work.size:
            slots = workloads.tree_bytes(state) / work.size
            parameter = workloads.tree_bytes(work.tree) / work.size
            return Traffic((2 * parameter + slots, parameter + slots), contestant.plan(work))
    return None


def ratios(measured: Sequence[Measurement]) -> list[Ratio]:
    """Returns each peer's median over each of ours."""
    pairs = [(ours, peer) for ours in measured for peer in measured if ours.ours and not peer.ours]
    return [
        Ratio(
            ours=ours.name,
            peer=peer.name,
            value=peer.time.median / ours.time.median,
            within_spread=overlap(peer.time, ours.time),
        )
        for ours, peer in pairs
    ]


def widest(work: Work) -> int:
    """Returns the bytes of an element of the widest leaf."""
    leaves: list[Any] = jax.tree.leaves(work.tree)
    return max((leaf.dtype.itemsize for leaf in leaves), default=4)
