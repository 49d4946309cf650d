"""Atoms that keep moments of the gradient, and scale it by them."""

from __future__ import annotations

from optgen import dsl


@dsl.rule
def scale_by_adam(
    g,
    p,
    *,
    b1=0.9,
    b2=0.999,
    eps=1e-8,
    eps_root=0.0,
    mu_dtype: dsl.DType = None,
    nesterov: bool = False,
):
    """Adam's rescaling (Kingma and Ba, 2015, arXiv:1412.6980).

    Hyperparameters:
      b1: decay of the first moment, for each step.
      b2: decay of the second moment, for each step.
      eps: added to the denominator, in units of the gradient.
      eps_root: added below the root, in units of the gradient squared.
      mu_dtype: what ``mu`` is stored in; None for the parameter's dtype.
      nesterov: look ahead by one step (Dozat, 2016).

    Departs from optax where ``mu_dtype`` is narrow: optax also multiplies ``mu`` by ``b1`` in that
    dtype, and rounds ``b1`` to it.
    """
    t = dsl.step()
    mu, nu = dsl.state("mu", dtype=mu_dtype), dsl.state("nu")
    mu.next = (1 - b1) * g + b1 * mu
    nu.next = (1 - b2) * g**2 + b2 * nu
    if nesterov:
        mu_hat = b1 * (mu.next / (1 - b1 ** (t + 1))) + (1 - b1) * (g / (1 - b1**t))
    else:
        mu_hat = mu.next / (1 - b1**t)
    nu_hat = nu.next / (1 - b2**t)
    return mu_hat / (dsl.sqrt(nu_hat + eps_root) + eps)


@dsl.rule
def scale_by_amsgrad(
    g,
    p,
    *,
    b1=0.9,
    b2=0.999,
    eps=1e-8,
    eps_root=0.0,
    mu_dtype: dsl.DType = None,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
):
    """AMSGrad's rescaling (Reddi, Kale and Kumar, 2018, arXiv:1904.09237).

    Hyperparameters:
      b1: decay of the first moment, for each step.
      b2: decay of the second moment, for each step.
      eps: added to the denominator, in units of the gradient.
      eps_root: added below the root, in units of the gradient squared.
      mu_dtype: what ``mu`` is stored in; None for the parameter's dtype.
      bias_correction_mu: correct the first moment for its start at zero.
      bias_correction_nu: correct the second moment, before the maximum is taken.
    """
    t = dsl.step()
    mu, nu, nu_max = dsl.state("mu", dtype=mu_dtype), dsl.state("nu"), dsl.state("nu_max")
    mu.next = (1 - b1) * g + b1 * mu
    nu.next = (1 - b2) * g**2 + b2 * nu
    mu_hat = mu.next / (1 - b1**t) if bias_correction_mu else mu.next
    nu_max.next = dsl.maximum(nu_max, nu.next / (1 - b2**t) if bias_correction_nu else nu.next)
    return mu_hat / (dsl.sqrt(nu_max.next + eps_root) + eps)


@dsl.rule
def scale_by_adamax(g, p, *, b1=0.9, b2=0.999, eps=1e-8):
    """Adam's rescaling by the infinity norm (Kingma and Ba, 2015, arXiv:1412.6980).

    Hyperparameters:
      b1: decay of the first moment, for each step.
      b2: decay of the largest gradient, for each step.
      eps: added to the gradient's magnitude, in units of the gradient.
    """
    mu, nu = dsl.state("mu"), dsl.state("nu")
    mu.next = (1 - b1) * g + b1 * mu
    nu.next = dsl.maximum(dsl.abs(g) + eps, b2 * nu)
    return mu.next / (1 - b1 ** dsl.step()) / nu.next


@dsl.rule
def scale_by_belief(g, p, *, b1=0.9, b2=0.999, eps=1e-16, eps_root=1e-16, nesterov: bool = False):
    """AdaBelief's rescaling (Zhuang et al., 2020, arXiv:2010.07468).

    Hyperparameters:
      b1: decay of the first moment, for each step.
      b2: decay of the squared deviation from it, for each step.
      eps: added to the denominator, in units of the gradient.
      eps_root: added to the squared deviation at each step, in units of the gradient squared.
      nesterov: look ahead by one step.
    """
    t = dsl.step()
    mu, nu = dsl.state("mu"), dsl.state("nu")
    mu.next = (1 - b1) * g + b1 * mu
    nu.next = (1 - b2) * (g - mu.next) ** 2 + b2 * nu + eps_root
    if nesterov:
        mu_hat = b1 * (mu.next / (1 - b1 ** (t + 1))) + (1 - b1) * (g / (1 - b1**t))
    else:
        mu_hat = mu.next / (1 - b1**t)
    return mu_hat / (dsl.sqrt(nu.next / (1 - b2**t)) + eps)


@dsl.rule
def scale_by_yogi(
    g, p, *, b1=0.9, b2=0.999, eps=1e-3, eps_root=0.0, initial_accumulator_value=1e-6
):
    """Yogi's rescaling (Zaheer et al., 2018, NeurIPS 31).

    Hyperparameters:
      b1: decay of the first moment, for each step.
      b2: how slowly the second moment follows the squared gradient.
      eps: added to the denominator, in units of the gradient.
      eps_root: added below the root, in units of the gradient squared.
      initial_accumulator_value: where both moments begin.
    """
    t = dsl.step()
    mu = dsl.state("mu", init=initial_accumulator_value)
    nu = dsl.state("nu", init=initial_accumulator_value)
    mu.next = (1 - b1) * g + b1 * mu
    nu.next = nu - (1 - b2) * dsl.sign(nu - g**2) * g**2
    return mu.next / (1 - b1**t) / (dsl.sqrt(nu.next / (1 - b2**t) + eps_root) + eps)


@dsl.rule
def scale_by_lion(
    g, p, *, b1=0.9, b2=0.99, mu_dtype: dsl.DType = None, mode: str = "hard", smooth_beta=1.0
):
    """Lion's direction (Chen et al., 2023, arXiv:2302.06675).

    Hyperparameters:
      b1: weight of the momentum in the direction.
      b2: decay of the momentum, for each step.
      mu_dtype: what ``mu`` is stored in; None for the parameter's dtype.
      mode: ``hard`` for the sign, ``smooth`` for tanh, ``refined`` for the sign of large values.
      smooth_beta: steepness of the tanh.

    Departs from optax where ``mu_dtype`` is narrow: see ``scale_by_adam``.
    """
    mu = dsl.state("mu", dtype=mu_dtype)
    mu.next = (1 - b2) * g + b2 * mu
    direction = (1 - b1) * g + b1 * mu
    if mode == "hard":
        return dsl.sign(direction)
    if mode == "smooth":
        return dsl.tanh(smooth_beta * direction)
    if mode == "refined":
        return dsl.where(dsl.abs(direction) < 1.0, direction, dsl.sign(direction))
    raise ValueError(f"mode={mode!r} is none of 'hard', 'smooth', 'refined'")


@dsl.rule
def scale_by_rms(
    g,
    p,
    *,
    decay=0.9,
    eps=1e-8,
    initial_scale=0.0,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
):
    """RMSProp's rescaling (Tieleman and Hinton, 2012, Coursera lecture 6.5).

    Hyperparameters:
      decay: of the second moment, for each step.
      eps: keeps the denominator from zero; in units of the gradient, squared if within the root.
      initial_scale: where the second moment begins, in units of the gradient squared.
      eps_in_sqrt: add ``eps`` within the root rather than to it.
      bias_correction: correct the moment for its start at zero.
    """
    nu = dsl.state("nu", init=initial_scale)
    nu.next = (1 - decay) * g**2 + decay * nu
    nu_hat = nu.next / (1 - decay ** dsl.step()) if bias_correction else nu.next
    scaling = dsl.rsqrt(nu_hat + eps) if eps_in_sqrt else 1 / (dsl.sqrt(nu_hat) + eps)
    return scaling * g


@dsl.rule
def scale_by_stddev(
    g,
    p,
    *,
    decay=0.9,
    eps=1e-8,
    initial_scale=0.0,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
):
    """Centred RMSProp's rescaling (Graves, 2013, arXiv:1308.0850).

    Hyperparameters:
      decay: of both moments, for each step.
      eps: keeps the denominator from zero; in units of the gradient, squared if within the root.
      initial_scale: where the second moment begins, in units of the gradient squared.
      eps_in_sqrt: add ``eps`` within the root rather than to it.
      bias_correction: correct the moments for their start at zero.
    """
    mu, nu = dsl.state("mu"), dsl.state("nu", init=initial_scale)
    mu.next = (1 - decay) * g + decay * mu
    nu.next = (1 - decay) * g**2 + decay * nu
    correction = 1 - decay ** dsl.step()
    mu_hat, nu_hat = mu.next, nu.next
    if bias_correction:
        mu_hat, nu_hat = mu.next / correction, nu.next / correction
    variance = nu_hat - mu_hat**2
    scaling = dsl.rsqrt(variance + eps) if eps_in_sqrt else 1 / (dsl.sqrt(variance) + eps)
    return scaling * g


@dsl.rule
def scale_by_rss(g, p, *, initial_accumulator_value=0.1, eps=1e-7):
    """Adagrad's rescaling (Duchi, Hazan and Singer, 2011, JMLR 12).

    Hyperparameters:
      initial_accumulator_value: where the sum begins, in units of the gradient squared.
      eps: added below the root, in units of the gradient squared.
    """
    total = dsl.state("sum_of_squares", init=initial_accumulator_value)
    total.next = g**2 + total
    # A sum of zero belongs to a gradient that has always been zero: there is nothing to scale.
    scaling = dsl.where(total.next > 0, dsl.rsqrt(total.next + eps), 0.0)
    return scaling * g


@dsl.rule
def scale_by_adadelta(g, p, *, rho=0.9, eps=1e-6):
    """Adadelta's rescaling (Zeiler, 2012, arXiv:1212.5701).

    Hyperparameters:
      rho: decay of both mean squares, for each step.
      eps: added to each mean square below its root.
    """
    e_g, e_x = dsl.state("e_g"), dsl.state("e_x")
    e_g.next = (1 - rho) * g**2 + rho * e_g
    update = dsl.sqrt(e_x + eps) / dsl.sqrt(e_g.next + eps) * g
    e_x.next = (1 - rho) * update**2 + rho * e_x
    return update
