"""Measurement of the options of GPU kernels: the best serve later launches on such a device.

Steps are taken on copies that are made for it: nobody's own arrays are updated.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from optgen.errors import TargetError
from optgen.optimizer import Optimizer
from optgen.runtime.execution.targets import check_runs
from optgen.runtime.execution.transformation import Transformation, TreeOptimizer
from optgen.runtime.execution.triton import TARGET, status, tuned
from optgen.runtime.execution.triton.options import Options, space
from optgen.runtime.execution.triton.tables import Measured, Table
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.runtime.vocabulary.module import Module, Placement
from optgen.runtime.vocabulary.sequence import Kernel
from optgen.tools.timing import ON_DEVICE, Contestant, Costs, Work, jit_step, repeated, rounds
from optgen.tools.workloads import gradients, materialise

WORTH = 0.005
"""The relative gain from which on options are taken instead of the guessed ones."""

REFINED = {"programs": (512, 1024, 4096, 8192), "stages": (1, 2, 3, 4)}
"""Options tried besides, one after the other, for launches that reduce: their programs take
several tiles."""

_PACKAGES = ("optgen", "jax", "jax-triton", "triton")

Choices = Mapping[str, Options]
"""By what ``tuned.key`` says of a launch."""

Measure = Callable[[Sequence[Choices], float], list[float]]
"""Takes candidates, and the seconds that may be spent; gives the seconds of a step with each."""

Progress = Callable[[int, int, str], None]
"""Is told how many of how many kinds of launches are done, and which is the next."""


def tune(
    optimizer: Optimizer,
    params: Any,
    seconds: float = 5.0,
    measure: Measure | None = None,
    progress: Progress = lambda done, total, what: None,
) -> Table:
    """Finds the best options for each kind of launch that a step makes.

    One kind after another, the others at the best that is known. The candidates of a kind are
    measured interleaved, and compared by their medians.

    Args:
      optimizer: made for the ``triton`` target.
      params: the tree to step over, of ``jax.ShapeDtypeStruct``.
      seconds: of measurement for each kind, without compilation.
      measure: what measures; by default, steps on this GPU.
      progress: called before each kind.

    Raises:
      TargetError: where no GPU is there to be measured.
    """
    device = device_here()
    measure = measure or Scratch(optimizer, params).measure
    kernels = kinds(optimizer, params)
    best: dict[str, Options] = {key: tuned.guess(kernel) for key, kernel in kernels.items()}
    measured: dict[str, Measured] = {}
    for number, (key, kernel) in enumerate(kernels.items()):
        progress(number, len(kernels), key)
        candidates = space(kernel.kind == "finalize", kernel.flat)
        measured[key] = _best(key, best, candidates, measure, seconds)
        best[key] = measured[key].options
        for name, values in REFINED.items() if kernel.reduces else ():
            again = (dataclasses.replace(best[key], **{name: value}) for value in values)
            measured[key] = measured[key].then(_best(key, best, again, measure, seconds))
            best[key] = measured[key].options
    versions = {name: status.version_of(name) or "" for name in _PACKAGES}
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Table(device, date, versions, measured)


def device_here() -> str:
    """The name of the GPU that would be measured.

    Raises:
      TargetError: where there is none, or its kernels cannot run.
    """
    check_runs("triton")
    device = tuned.device_name()
    if device is None:
        raise TargetError(
            f"options are measured on an NVIDIA GPU, and JAX's platform is {jax.default_backend()}"
        )
    return device


def kinds(optimizer: Optimizer, params: Any) -> dict[str, Kernel]:
    """A kernel of each kind that the launches of a step run, by what ``tuned.key`` says of it."""
    specs = optimizer.trees.specs(params)
    module, placements = optimizer.trees.resolve(specs)
    leaves = [
        module.place(TARGET.name, at, spec.shape, module.variants[at.variant].dtypes(spec), "step")
        for spec, at in zip(specs, placements, strict=True)
    ]
    launches = TARGET.launches(leaves, TARGET.limits())
    runs = (run for launch in launches if not launch.by_xla for run in launch.runs)
    return {tuned.key(kernel): kernel for run in runs for kernel in run.kernels}


def _best(
    key: str,
    current: Choices,
    candidates: Iterable[Options],
    measure: Measure,
    seconds: float,
) -> Measured:
    """The fastest options of a kind; what it has stays unless others are clearly faster."""
    every = list(dict.fromkeys([current[key], *candidates]))
    times = measure([{**current, key: options} for options in every], seconds)
    by_options = dict(zip(every, times, strict=True))
    fastest = min(every, key=lambda options: by_options[options])
    if by_options[fastest] > (1 - WORTH) * by_options[current[key]]:
        fastest = current[key]
    return Measured(fastest, by_options[fastest], by_options[current[key]])


class Scratch:
    """Parameters, gradients and state of its own, on which candidates take steps in turn.

    Attributes:
      optimizer: what takes the steps.
      tree: what over, of ``jax.ShapeDtypeStruct``.
      parameters: updated in place by all candidates.
      state: the same.
      gradients: read only.
    """

    def __init__(self, optimizer: Optimizer, params: Any) -> None:
        self.optimizer, self.tree = optimizer, params
        self.gradients = jax.tree.map(jnp.array, gradients(params))
        self.fill()

    def fill(self) -> None:
        """Makes parameters and state anew."""
        self.parameters = jax.tree.map(jnp.array, materialise(self.tree))
        self.state = jax.jit(self.optimizer.init)(self.parameters)

    def measure(self, candidates: Sequence[Choices], seconds: float) -> list[float]:
        """The median seconds of a step with each of the candidates, interleaved.

        One that cannot be compiled or launched, for want of shared memory above all, takes forever;
        the first, which is in use, must run.
        """
        contestants = [Candidate(f"{i}", self, options) for i, options in enumerate(candidates)]
        first = contestants[0]
        able = [each for each in contestants if self._runs(each, needed=each is first)]
        times = rounds.measure(able, seconds, timing=ON_DEVICE)
        for contestant in able:
            contestant.release()
        medians = {name: spread.median for name, spread in times.items()}
        return [medians.get(contestant.name, math.inf) for contestant in contestants]

    def _runs(self, candidate: Candidate, needed: bool) -> bool:
        try:
            candidate.take(1)
            candidate.wait()
        except Exception as error:  # Triton's, jax_triton's or XLA's, at whatever stage
            if needed:
                raise
            warnings.warn(f"left out, as it does not run: {error}".partition("\n")[0], stacklevel=2)
            self.fill()  # what it was given may be gone
            return False
        return True


class Candidate(Contestant):
    """Steps on scratch arrays with some options.

    Attributes:
      name: among the candidates.
      scratch: the arrays.
      options: what is in force whenever something may be compiled.
    """

    def __init__(self, name: str, scratch: Scratch, options: Choices) -> None:
        self.name, self.scratch, self.options = name, scratch, options
        step = jit_step(uncompiled_copy(scratch.optimizer), fused=True)
        self._loop: Any = functools.cache(functools.partial(repeated, step))

    def prepare(self, work: Work) -> Costs:
        """Compiles nothing before the first step."""
        return Costs()

    def allocate(self, work: Work) -> None:
        """The arrays are there already."""

    def step(self) -> None:
        """Takes one step."""
        self.take(1)

    def take(self, count: int) -> None:
        """Takes so many steps in a loop on the device."""
        scratch = self.scratch
        with tuned.forced(self.options):
            scratch.parameters, scratch.state = self._loop(count)(
                scratch.parameters, scratch.state, scratch.gradients
            )

    def wait(self) -> None:
        """Returns when all steps are done."""
        jax.block_until_ready((self.scratch.parameters, self.scratch.state))

    def release(self) -> None:
        """Forgets what was compiled; the arrays are not its own."""
        self._loop.cache_clear()


def uncompiled_copy(optimizer: Optimizer) -> Transformation:
    """The same optimizer, of which JAX has compiled nothing yet."""
    trees = optimizer.trees
    copies: dict[Module, Module] = {}

    def resolve(specs: tuple[LeafSpec, ...]) -> tuple[Module, tuple[Placement, ...]]:
        module, placements = trees.resolve(specs)
        return copies.setdefault(module, dataclasses.replace(module)), placements

    return Transformation(TreeOptimizer(trees.name, trees.hyperparameters, trees.masks, resolve))
