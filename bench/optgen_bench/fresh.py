"""One sample in a process of its own, where neither JAX nor optgen has cached anything."""

from __future__ import annotations

import functools
import itertools
import json
import subprocess
import sys
import time
from typing import Any

import jax

from optgen.tools import workloads
from optgen.tools.timing import jit_step
from optgen_bench import cases

PHASES = ("load", "build", "init", "trace", "lower")

_IMPORT = """
import json, sys, time
import jax, optax
begin = time.perf_counter()
import optgen
print(json.dumps({"seconds": time.perf_counter() - begin, "sympy": "sympy" in sys.modules}))
"""


def importing() -> dict[str, Any]:
    """Returns the `seconds` that optgen adds to importing jax and optax, and if `sympy` came."""
    return run("-c", _IMPORT)


def lowering(library: str, rule: str, tree: str) -> dict[str, Any]:
    """Returns the seconds of each of `PHASES`; see `lower_once`."""
    return run("-m", "optgen_bench.fresh", library, rule, tree)


def lower_once(library: str, rule: str, tree: str) -> dict[str, float]:
    """Builds and lowers one step in this process, and returns the seconds of each phase."""
    case, shapes = cases.case(rule), workloads.tree(tree)
    ours = library == "optgen"
    make = functools.partial(case.make_optgen, "xla") if ours else case.make_optax
    assert make is not None
    jax.jit(lambda x: x * 2 + 1).trace(1.0).lower()  # start JAX's own machinery
    times = [time.perf_counter()]

    def lap(value: Any) -> Any:
        times.append(time.perf_counter())
        return value

    lap(make())
    optimizer = lap(make())
    state = lap(jax.eval_shape(optimizer.init, shapes))
    traced = lap(jit_step(optimizer, ours).trace(shapes, state, shapes))
    lap(traced.lower())
    phases = [after - before for before, after in itertools.pairwise(times)]
    return dict(zip(PHASES, phases, strict=True))


def run(*arguments: str) -> dict[str, Any]:
    """Runs Python anew, and returns the JSON object that it prints last."""
    process = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    if process.returncode:
        raise RuntimeError(f"a process of the benchmark failed:\n{process.stderr}")
    result: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    print(json.dumps(lower_once(*sys.argv[1:])))
