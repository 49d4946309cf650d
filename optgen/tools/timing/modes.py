"""Ways of timing a step: with its dispatch from Python, or only the work of the device."""

from __future__ import annotations

import dataclasses

import jax

from optgen.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Timing:
    """A way of timing steps.

    Attributes:
      name: as `--timing` takes it and reports have it.
      on_device: whether the steps of a sample are repeated on the device: in a loop of the
        compiled function (JAX) or by replaying a CUDA graph (torch). Otherwise each is called.
      least_sample: seconds; shorter steps are timed many at a time.
      most_steps: in one sample.
      about: what a reader should know.
    """

    name: str
    on_device: bool
    least_sample: float
    most_steps: int
    about: str


DISPATCHED = Timing(
    "dispatched", False, 2e-3, 500, "each step is called from Python, the last of a sample awaited"
)
# A tree of hundreds of leaves takes milliseconds to dispatch, and a GPU less than one to update:
# samples are so long that dispatching the one call is a few percent of them at most.
ON_DEVICE = Timing(
    "on-device", True, 0.1, 2000, "steps are repeated on the device: dispatching them costs nothing"
)
TIMINGS = {timing.name: timing for timing in (DISPATCHED, ON_DEVICE)}


def timing(name: str) -> Timing:
    """Returns the timing of this name; "auto" is `on-device` on a GPU, else `dispatched`.

    Raises:
      UsageError: for an unknown name.
    """
    if name == "auto":
        return ON_DEVICE if jax.default_backend() == "gpu" else DISPATCHED
    if name not in TIMINGS:
        raise UsageError(f"unknown timing {name!r}. Give auto or one of {', '.join(TIMINGS)}.")
    return TIMINGS[name]
