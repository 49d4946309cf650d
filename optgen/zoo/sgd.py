"""Stochastic gradient descent."""

from __future__ import annotations

from optgen import dsl
from optgen.zoo.atoms.accumulation import trace
from optgen.zoo.atoms.scaling import scale_by_learning_rate


@dsl.rule
def sgd(
    *, learning_rate, momentum=None, nesterov: bool = False, accumulator_dtype: dsl.DType = None
):
    """Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).

    Hyperparameters:
      learning_rate: the size of a step, or a schedule of it.
      momentum: decay of the accumulated gradient, for each step; None for none.
      nesterov: look ahead by one step (Sutskever et al., 2013, ICML 28).
      accumulator_dtype: what ``trace`` is stored in; None for the parameter's dtype.
    """
    descent = scale_by_learning_rate(learning_rate)
    if momentum is None:
        return descent
    return dsl.chain(trace(momentum, nesterov, accumulator_dtype), descent)
