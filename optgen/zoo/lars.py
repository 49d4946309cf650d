"""Momentum over gradients that are scaled to each leaf's norm."""

from __future__ import annotations

from optgen import dsl
from optgen.zoo.atoms.accumulation import trace
from optgen.zoo.atoms.scaling import (
    add_decayed_weights,
    identity,
    scale_by_learning_rate,
    scale_by_trust_ratio,
)


@dsl.rule
def lars(
    *,
    learning_rate,
    weight_decay=0.0,
    weight_decay_mask: dsl.Mask = True,
    trust_coefficient=0.001,
    eps=0.0,
    trust_ratio_mask: dsl.Mask = True,
    momentum=0.9,
    nesterov: bool = False,
):
    """LARS (You, Gitman and Ginsburg, 2017, arXiv:1708.03888).

    Hyperparameters:
      learning_rate: the size of a step, or a schedule of it.
      weight_decay: what is added to the gradient for each unit of the parameter, or a schedule.
      weight_decay_mask: the leaves that decay; see ``add_decayed_weights``.
      trust_coefficient: what the ratio of the norms is multiplied by.
      eps: added to the gradient's norm, in its units.
      trust_ratio_mask: the leaves that are scaled; as ``weight_decay_mask``.
      momentum: decay of the accumulated updates, for each step.
      nesterov: look ahead by one step.
    """
    trust_ratio = scale_by_trust_ratio(trust_coefficient=trust_coefficient, eps=eps)
    return dsl.chain(
        add_decayed_weights(weight_decay, weight_decay_mask),
        identity() if trust_ratio_mask is False else trust_ratio,
        scale_by_learning_rate(learning_rate),
        trace(momentum, nesterov),
    )
