"""Cases and reports of the benchmark, made up."""

import datetime

import optax
import pytest

from optgen.tools.timing import Costs, spread
from optgen_bench import records
from optgen_bench.cases import Case
from optgen_bench.results import ratios
from tests.command_line import rules
from tests.contestants import clock, fake

__all__ = ["clock", "fake", "rules"]  # fixtures


class Stepping(optax.GradientTransformationExtraArgs):
    """optax's optimizer with optgen's `step`."""

    __slots__ = ()

    def step(self, parameters, state, *, grads):
        updates, state = self.update(grads, state, parameters)
        return optax.apply_updates(parameters, updates), state


@pytest.fixture
def sgd_case():
    """Makes a case whose optgen is optax behind optgen's interface, at a learning rate."""

    def make(ours=0.1, theirs=0.1):
        inner = optax.sgd(ours, momentum=0.9)
        return Case(
            "sgd",
            lambda target: Stepping(inner.init, inner.update),
            lambda: optax.sgd(theirs, momentum=0.9),
        )

    return make


@pytest.fixture
def make_report():
    """Makes a report of one case from the median of each contestant, in seconds."""

    def make(medians=None, planned=28.0):
        medians = medians or {"optgen": 0.010, "optax": 0.020, "torch-fused": 0.008}
        measured = [
            records.Measurement(
                name=name,
                protocol="step",
                ours=name.startswith("optgen"),
                time=spread([0.99 * seconds, seconds, 1.01 * seconds]),
                bytes_per_second=28e6 / seconds,
                roof_share=28e6 / seconds / 4e9,
                launches=1 if name == "optgen" else None,
                costs=Costs(0.1, 0.2, 0.3, 0.4, 10**8),
            )
            for name, seconds in medians.items()
        ]
        roof = records.Roof("c", 4, 3, 4 * 10**6, spread([0.007]), 4e9, {"c": 4e9, "jnp": 1e9})
        case = records.Case(
            case="adamw",
            work="1000x1000",
            dtype="float32",
            leaves=1,
            parameters=10**6,
            floor_bytes_per_parameter=28.0,
            planned_bytes_per_parameter=planned,
            roof=roof,
            measurements=measured,
            ratios=ratios(measured),
            absent={"torch-foreach": "torch is not installed"},
            failures=[],
        )
        host = records.Machine(
            "A CPU", 8, 8, 2**33, "Linux 6", "3.11.9", "cpu", "cpu", 0.0, {"jax": "1.0"}, {}
        )
        date = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC).isoformat()
        return records.Report(date, 10.0, host, [case])

    return make
