"""The gradient over the root of the sum of its squares."""

from __future__ import annotations

from optgen import dsl
from optgen.zoo.atoms.moments import scale_by_rss
from optgen.zoo.atoms.scaling import scale_by_learning_rate


@dsl.rule
def adagrad(*, learning_rate, initial_accumulator_value=0.1, eps=1e-7):
    """Adagrad (Duchi, Hazan and Singer, 2011, JMLR 12).

    Hyperparameters:
      learning_rate: the size of a step, or a schedule of it.
      initial_accumulator_value: where the sum of squares begins.
      eps: added below the root, in units of the gradient squared.
    """
    return dsl.chain(
        scale_by_rss(initial_accumulator_value, eps), scale_by_learning_rate(learning_rate)
    )
