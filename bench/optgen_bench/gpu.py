"""The benchmark of `make bench-gpu`: `triton` against optax, torch and flashoptim-jax.

Needs an NVIDIA GPU. Models' trees in float32 and bfloat16, and AdamW on one leaf of 2^28 elements,
which is to come close to what a copy of the GPU's memory reaches. Run it as
`python -m optgen_bench.gpu`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import jax

from optgen.errors import OptgenError
from optgen_bench.suite import bench

RULES = ("adamw", "lion", "sgd", "lamb", "adafactor", "clip+adamw")
TREES = ("matrix", "gpt2-small", "resnet50", "llama3-8b-layer")
DTYPES = ("float32", "bfloat16")
LARGE = str(2**28)  # the shape of the leaf
PEERS = ("optax", "torch", "flashoptim")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs both parts, and returns the exit status: 1 where parameters differ from optax's."""
    parser = argparse.ArgumentParser(prog="optgen_bench.gpu", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of measurement for each case")
    parser.add_argument("--results", default="bench/results", help="the directory of the JSON")
    chosen = parser.parse_args(arguments)
    if jax.default_backend() != "gpu":
        print(
            f"JAX's platform is {jax.default_backend()}: this benchmark needs an NVIDIA GPU, and "
            "jax[cuda13]. For a CPU there is `make bench`.",
            file=sys.stderr,
        )
        return 2
    try:
        return max(
            bench(
                rules,
                PEERS,
                trees,
                dtypes,
                chosen.seconds,
                targets=("triton",),
                results=chosen.results,
            )
            for rules, trees, dtypes in (
                (("adamw",), (LARGE,), ("float32",)),
                (RULES, TREES, DTYPES),
            )
        )
    except OptgenError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    # The other half of the memory is torch's.
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.5")
    sys.exit(main())
