"""The sign of an interpolated momentum."""

from __future__ import annotations

from optgen import dsl
from optgen.zoo.atoms.moments import scale_by_lion
from optgen.zoo.atoms.scaling import add_decayed_weights, scale_by_learning_rate


@dsl.rule
def lion(
    *,
    learning_rate,
    b1=0.9,
    b2=0.99,
    mu_dtype: dsl.DType = None,
    weight_decay=1e-3,
    mask: dsl.Mask = None,
):
    """Lion (Chen et al., 2023, arXiv:2302.06675).

    Hyperparameters:
      learning_rate: the size of a step, or a schedule of it.
      b1: weight of the momentum in the direction.
      b2: decay of the momentum, for each step.
      mu_dtype: what ``mu`` is stored in; None for the parameter's dtype.
      weight_decay: what is taken off for each unit of the parameter, times the learning rate; or a
        schedule of it.
      mask: the leaves that decay: None or True for all, or a tree of bools, a prefix of one, or a
        function from the parameters to one.

    Departs from optax where ``mu_dtype`` is narrow: see ``scale_by_adam``.
    """
    return dsl.chain(
        scale_by_lion(b1, b2, mu_dtype),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
