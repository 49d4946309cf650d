"""The gradient over its root mean square."""

from __future__ import annotations

from optgen import dsl
from optgen.zoo.atoms.accumulation import trace
from optgen.zoo.atoms.moments import scale_by_rms, scale_by_stddev
from optgen.zoo.atoms.scaling import scale_by_learning_rate


@dsl.rule
def rmsprop(
    *,
    learning_rate,
    decay=0.9,
    eps=1e-8,
    initial_scale=0.0,
    eps_in_sqrt: bool = True,
    centered: bool = False,
    momentum=None,
    nesterov: bool = False,
    bias_correction: bool = False,
):
    """RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).

    Hyperparameters:
      learning_rate: the size of a step, or a schedule of it.
      decay: of the second moment, for each step.
      eps: keeps the denominator from zero; in units of the gradient, squared if within the root.
      initial_scale: where the second moment begins, in units of the gradient squared.
      eps_in_sqrt: add ``eps`` within the root rather than to it.
      centered: divide by the standard deviation instead (Graves, 2013, arXiv:1308.0850).
      momentum: decay of the accumulated updates, for each step; None for none.
      nesterov: look ahead by one step.
      bias_correction: correct the moments for their start at zero.
    """
    scaled = scale_by_stddev if centered else scale_by_rms
    descent = dsl.chain(
        scaled(decay, eps, initial_scale, eps_in_sqrt, bias_correction),
        scale_by_learning_rate(learning_rate),
    )
    return descent if momentum is None else dsl.chain(descent, trace(momentum, nesterov))
