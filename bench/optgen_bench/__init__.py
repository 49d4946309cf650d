"""The benchmark of optgen: peers, the bandwidth roof, and their report.

`bench` is what `optgen bench` and `python -m optgen_bench` call. `costs` measures what comes before
the first step. Workloads and timing are in `optgen.tools`, for the commands need them too.
"""

from optgen_bench.cases import Case
from optgen_bench.suite import DEFAULT_PEERS, bench

__all__ = ["DEFAULT_PEERS", "Case", "bench"]
