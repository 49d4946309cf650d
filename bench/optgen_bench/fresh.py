"""One sample in a process of its own, where neither JAX nor optgen has cached anything."""

from __future__ import annotations

import functools
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import jax

from optgen.runtime.execution.tpu.chip import lowering_for
from optgen.tools import chips, workloads
from optgen.tools.timing import jit_step
from optgen_bench import cases
from optgen_bench.jax_peer import peak_bytes

PHASES = ("load", "build", "init", "trace", "lower")
COMPILE_PHASES = ("init", "trace", "lower", "compile")

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


def compiling(
    side: str, rule: str, tree: str, chip: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Returns the seconds of each of `COMPILE_PHASES`, and `peak_bytes`; see `compile_once`."""
    return run("-m", "optgen_bench.fresh", side, rule, tree, chip, environment=environment)


def compile_once(side: str, rule: str, tree: str, chip: str) -> dict[str, Any]:
    """Makes an executable of a step in this process, and times it from the optimizer on.

    Args:
      side: "optax", or a target of optgen; with "-update" for a step by the optax protocol.
      rule: see `cases.case`.
      tree: a workload's name or a shape.
      chip: the name of a chip, or "" for this machine.

    Returns:
      The seconds of each of `COMPILE_PHASES`, and `peak_bytes`.
    """
    case, shapes = cases.case(rule), workloads.tree(tree)
    target, fused = side.removesuffix("-update"), not side.endswith("-update")
    make = case.make_optax if side == "optax" else functools.partial(case.make_optgen, target)
    assert make is not None
    optimizer = make()
    _start_jax()
    times = [time.perf_counter()]
    state = jax.eval_shape(optimizer.init, shapes)
    times.append(time.perf_counter())
    step = jit_step(optimizer, fused and side != "optax")
    platforms = (chips.CHIPS[chip].platform,) if chip else None
    held: int | None
    with lowering_for(chip):
        traced = step.trace(shapes, state, shapes)
        times.append(time.perf_counter())
        lowered = traced.lower(lowering_platforms=platforms)
        times.append(time.perf_counter())
        if chip:
            trees = (shapes, state, shapes)
            module = chips.compile_for(chip, step, *trees, donate_argnums=(0, 1))
            times.append(times[-1] + module.compile_seconds)
            memory = module.memory
            held = memory.argument + memory.output - memory.alias + memory.temporary
        else:
            held = peak_bytes(lowered.compile())
            times.append(time.perf_counter())
    phases = [after - before for before, after in itertools.pairwise(times)]
    return dict(zip(COMPILE_PHASES, phases, strict=True)) | {"peak_bytes": held}


def _start_jax() -> None:
    """Starts JAX's own machinery."""
    jax.jit(lambda x: x * 2 + 1).trace(1.0).lower().compile()


def lower_once(library: str, rule: str, tree: str) -> dict[str, float]:
    """Builds and lowers one step in this process, and returns the seconds of each phase."""
    case, shapes = cases.case(rule), workloads.tree(tree)
    ours = library == "optgen"
    make = functools.partial(case.make_optgen, "xla") if ours else case.make_optax
    assert make is not None
    _start_jax()
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


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Runs Python anew, with these variables too, and returns the JSON object that it prints last.

    Raises:
      RuntimeError: where the process fails, with all that it said.
    """
    process = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    if process.returncode:
        raise RuntimeError(f"a process of the benchmark failed:\n{process.stderr}")
    result: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    once = lower_once if len(sys.argv) == 4 else compile_once
    print(json.dumps(once(*sys.argv[1:])))
