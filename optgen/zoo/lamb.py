"""Adam's update, scaled to each leaf's norm."""

from __future__ import annotations

from optgen import dsl
from optgen.zoo.atoms.moments import scale_by_adam
from optgen.zoo.atoms.scaling import (
    add_decayed_weights,
    scale_by_learning_rate,
    scale_by_trust_ratio,
)


@dsl.rule
def lamb(
    *,
    learning_rate,
    b1=0.9,
    b2=0.999,
    eps=1e-6,
    eps_root=0.0,
    weight_decay=0.0,
    mask: dsl.Mask = None,
):
    """LAMB (You et al., 2020, arXiv:1904.00962).

    Hyperparameters:
      learning_rate: the size of a step, or a schedule of it.
      b1: decay of the first moment, for each step.
      b2: decay of the second moment, for each step.
      eps: added to the denominator, in units of the gradient.
      eps_root: added below the root, in units of the gradient squared.
      weight_decay: what is taken off for each unit of the parameter, times the learning rate; or a
        schedule of it.
      mask: the leaves that decay: None or True for all, or a tree of bools, a prefix of one, or a
        function from the parameters to one.
    """
    return dsl.chain(
        scale_by_adam(b1, b2, eps, eps_root),
        add_decayed_weights(weight_decay, mask),
        scale_by_trust_ratio(),
        scale_by_learning_rate(learning_rate),
    )
