"""Medians, quartiles, and how sure a median is."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Spread:
    """The quartiles of the samples, in seconds for each step; a sample may hold many steps."""

    lower: float
    median: float
    upper: float
    samples: int
    steps_per_sample: int

    @property
    def relative(self) -> float:
        """Half of the interquartile range over the median."""
        return (self.upper - self.lower) / 2 / self.median


def spread(samples: Sequence[float], steps_per_sample: int = 1) -> Spread:
    """Returns the quartiles of samples in seconds for each step."""
    if len(samples) == 1:
        lower = median = upper = samples[0]
    else:
        lower, median, upper = statistics.quantiles(samples, n=4, method="inclusive")
    return Spread(lower, median, upper, len(samples), steps_per_sample)


def uncertainty(samples: Sequence[float]) -> float:
    """Returns the relative standard error of the median, as if the samples were normal.

    That is 1.2533 σ / √n, with σ taken from the interquartile range, which is 1.349 σ; infinite
    below four samples.
    """
    if len(samples) < 4:
        return float("inf")
    quartiles = spread(samples)
    return 0.929 * (quartiles.upper - quartiles.lower) / quartiles.median / len(samples) ** 0.5


def overlap(a: Spread, b: Spread) -> bool:
    """Returns whether the interquartile ranges overlap."""
    return a.lower <= b.upper and b.lower <= a.upper
