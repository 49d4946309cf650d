"""Records of a benchmark run, and their JSON form.

The JSON document mirrors the dataclasses below field by field; times are in seconds, sizes in
bytes, rates in bytes per second, and a dimensionless ratio has no unit. `Report` is the root:

    {"schema": "optgen-bench/1", "date": "2026-01-31T12:00:00+00:00", "seconds": 10.0,
     "machine": {"cpu": …, "cores": 2, "threads": 2, "versions": {"jax": …}, …},
     "cases": [{"case": "adamw", "work": "4096x4096", "dtype": "float32", "parameters": …,
                "floor_bytes_per_parameter": 28.0, "planned_bytes_per_parameter": 28.0,
                "roof": {"method": "c", "bytes_per_second": …, …},
                "measurements": [{"name": "optgen", "time": {"median": …, …}, …}],
                "ratios": [{"ours": "optgen", "peer": "optax", "value": 1.6, …}], …}]}

An optional field that could not be measured is null, and one with a default may be missing. A ratio
is the peer's median over ours: above 1, optgen is faster.
"""

from __future__ import annotations

import dataclasses

from optgen.tools.timing import Costs, Spread

SCHEMA = "optgen-bench/1"


@dataclasses.dataclass(frozen=True)
class Machine:
    """The machine of a run; `threads` is the number that every contestant had."""

    cpu: str
    cores: int
    threads: int
    memory_bytes: int | None
    system: str
    python: str
    platform: str  # JAX's backend: cpu, gpu or tpu
    device: str
    busy: float | None  # share of the cores' time that other programs took at the beginning
    versions: dict[str, str]
    environment: dict[str, str]  # the variables that change speed, where they are set


@dataclasses.dataclass(frozen=True)
class Roof:
    """The bandwidth of streaming with the step's mix of reads and writes, in the same run."""

    method: str
    reads: int
    writes: int
    stream_bytes: int
    time: Spread
    bytes_per_second: float
    tried: dict[str, float]  # each method that could run, and its bytes/s when it was chosen


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One contestant. Rate and share count the case's bytes, so they order rows as time does."""

    name: str
    protocol: str  # "step": by a step of its own; "update": by update and apply_updates, in one jit
    ours: bool
    time: Spread
    bytes_per_second: float | None
    roof_share: float | None
    launches: int | None  # operations that XLA runs: fusions, copies, custom calls
    costs: Costs


@dataclasses.dataclass(frozen=True)
class Ratio:
    """A peer's median over ours; `within_spread` where the interquartile ranges overlap."""

    ours: str
    peer: str
    value: float
    within_spread: bool

    @property
    def peer_wins(self) -> bool:
        return self.value < 1


@dataclasses.dataclass(frozen=True)
class Case:
    """One rule on one tree in one dtype: every contestant, interleaved."""

    case: str
    work: str
    dtype: str
    leaves: int
    parameters: int
    # Gradient, parameter and slots read once, the last two written once.
    floor_bytes_per_parameter: float | None
    planned_bytes_per_parameter: float | None  # what optgen's plan moves
    roof: Roof | None
    measurements: list[Measurement]
    ratios: list[Ratio]
    absent: dict[str, str]  # contestants that were asked for and could not run, with the reason
    failures: list[str]  # what did not hold, such as parameters that differ from optax's
    copy: Roof | None = None  # on a GPU: a copy from one place of its memory to another

    @property
    def bytes_per_parameter(self) -> float | None:
        """Bytes that rates are computed from: the plan's, or the floor's where there is no plan."""
        planned = self.planned_bytes_per_parameter
        return self.floor_bytes_per_parameter if planned is None else planned

    @property
    def roof_seconds(self) -> float | None:
        """The time that the case's bytes need at the measured bandwidth."""
        if self.roof is None or self.bytes_per_parameter is None:
            return None
        return self.bytes_per_parameter * self.parameters / self.roof.bytes_per_second


@dataclasses.dataclass(frozen=True)
class Report:
    """A whole run."""

    date: str  # ISO 8601, UTC
    seconds: float  # the time budget of each case
    machine: Machine
    cases: list[Case]
    schema: str = SCHEMA
    timing: str = "dispatched"  # or "on-device": see `optgen.tools.timing`
