"""Adam."""

from __future__ import annotations

from optgen import dsl
from optgen.zoo.atoms.moments import scale_by_adam
from optgen.zoo.atoms.scaling import scale_by_learning_rate


@dsl.rule
def adam(
    *,
    learning_rate,
    b1=0.9,
    b2=0.999,
    eps=1e-8,
    eps_root=0.0,
    mu_dtype: dsl.DType = None,
    nesterov: bool = False,
):
    """Adam (Kingma and Ba, 2015, arXiv:1412.6980).

    Hyperparameters:
      learning_rate: the size of a step, or a schedule of it.
      b1: decay of the first moment, for each step.
      b2: decay of the second moment, for each step.
      eps: added to the denominator, in units of the gradient.
      eps_root: added below the root, in units of the gradient squared.
      mu_dtype: what ``mu`` is stored in; None for the parameter's dtype.
      nesterov: look ahead by one step (Dozat, 2016).

    Departs from optax where ``mu_dtype`` is narrow: see ``scale_by_adam``.
    """
    return dsl.chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov),
        scale_by_learning_rate(learning_rate),
    )
