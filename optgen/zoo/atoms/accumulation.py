"""Atoms that accumulate what they are given over the steps."""

from __future__ import annotations

from optgen import dsl


@dsl.rule
def trace(g, p, *, decay, nesterov: bool = False, accumulator_dtype: dsl.DType = None):
    """Momentum (Polyak, 1964; Nesterov's: Sutskever et al., 2013, ICML 28).

    Hyperparameters:
      decay: of what was accumulated, for each step.
      nesterov: look ahead by one step.
      accumulator_dtype: what ``trace`` is stored in; None for the parameter's dtype.
    """
    accumulated = dsl.state("trace", dtype=accumulator_dtype)
    accumulated.next = g + decay * accumulated
    return g + decay * accumulated.next if nesterov else accumulated.next


@dsl.rule
def ema(g, p, *, decay, debias: bool = True, accumulator_dtype: dsl.DType = None):
    """An exponential moving average of the updates.

    Hyperparameters:
      decay: of the average, for each step.
      debias: correct the average for its start at zero.
      accumulator_dtype: what ``ema`` is stored in; None for the parameter's dtype.
    """
    average = dsl.state("ema", dtype=accumulator_dtype)
    average.next = (1 - decay) * g + decay * average
    return average.next / (1 - decay ** dsl.step()) if debias else average.next
