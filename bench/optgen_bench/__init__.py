"""The benchmark of optgen: workloads, peers, the bandwidth roof, and their report.

`bench` is what `optgen bench` calls. `tree`, `materialise` and `gradients` give the tests of the
compiler the same workloads. `costs` measures what comes before the first step.
"""

from optgen_bench.cases import Case
from optgen_bench.suite import DEFAULT_PEERS, bench
from optgen_bench.workloads import DTYPES, TREES, gradients, materialise, parameters, tree

__all__ = [
    "DEFAULT_PEERS",
    "DTYPES",
    "TREES",
    "Case",
    "bench",
    "gradients",
    "materialise",
    "parameters",
    "tree",
]
