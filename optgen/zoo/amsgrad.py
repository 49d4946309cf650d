"""Adam with the largest second moment so far."""

from __future__ import annotations

from optgen import dsl
from optgen.zoo.atoms.moments import scale_by_amsgrad
from optgen.zoo.atoms.scaling import scale_by_learning_rate


@dsl.rule
def amsgrad(
    *,
    learning_rate,
    b1=0.9,
    b2=0.999,
    eps=1e-8,
    eps_root=0.0,
    mu_dtype: dsl.DType = None,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
):
    """AMSGrad (Reddi, Kale and Kumar, 2018, arXiv:1904.09237).

    Hyperparameters:
      learning_rate: the size of a step, or a schedule of it.
      b1: decay of the first moment, for each step.
      b2: decay of the second moment, for each step.
      eps: added to the denominator, in units of the gradient.
      eps_root: added below the root, in units of the gradient squared.
      mu_dtype: what ``mu`` is stored in; None for the parameter's dtype.
      bias_correction_mu: correct the first moment for its start at zero.
      bias_correction_nu: correct the second moment, before the maximum is taken.

    Departs from optax where ``mu_dtype`` is narrow: see ``scale_by_adam``.
    """
    return dsl.chain(
        scale_by_amsgrad(b1, b2, eps, eps_root, mu_dtype, bias_correction_mu, bias_correction_nu),
        scale_by_learning_rate(learning_rate),
    )
