"""Adam with Nesterov's momentum and decoupled weight decay."""

from __future__ import annotations

from optgen import dsl
from optgen.zoo.atoms.moments import scale_by_adam
from optgen.zoo.atoms.scaling import add_decayed_weights, scale_by_learning_rate


@dsl.rule
def nadamw(
    *,
    learning_rate,
    b1=0.9,
    b2=0.999,
    eps=1e-8,
    eps_root=0.0,
    mu_dtype: dsl.DType = None,
    weight_decay=1e-4,
    mask: dsl.Mask = None,
    nesterov: bool = True,
):
    """NAdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101; Dozat, 2016).

    Hyperparameters:
      learning_rate: the size of a step, or a schedule of it.
      b1: decay of the first moment, for each step.
      b2: decay of the second moment, for each step.
      eps: added to the denominator, in units of the gradient.
      eps_root: added below the root, in units of the gradient squared.
      mu_dtype: what ``mu`` is stored in; None for the parameter's dtype.
      weight_decay: what is taken off for each unit of the parameter, times the learning rate; or a
        schedule of it.
      mask: the leaves that decay: None or True for all, or a tree of bools, a prefix of one, or a
        function from the parameters to one.
      nesterov: look ahead by one step (Dozat, 2016).

    Departs from optax where ``mu_dtype`` is narrow: see ``scale_by_adam``.
    """
    return dsl.chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
