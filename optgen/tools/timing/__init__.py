"""Timing of steps: contestants, interleaved rounds, and the spread of their samples."""

from optgen.tools.timing.contestants import Contestant, Costs, Work
from optgen.tools.timing.modes import DISPATCHED, ON_DEVICE, TIMINGS, Timing, timing
from optgen.tools.timing.rounds import Clock, measure, rest, sample
from optgen.tools.timing.samples import Spread, overlap, spread, uncertainty
from optgen.tools.timing.steps import jit_step, repeated

__all__ = [
    "DISPATCHED",
    "ON_DEVICE",
    "TIMINGS",
    "Clock",
    "Contestant",
    "Costs",
    "Spread",
    "Timing",
    "Work",
    "jit_step",
    "measure",
    "overlap",
    "repeated",
    "rest",
    "sample",
    "spread",
    "timing",
    "uncertainty",
]
