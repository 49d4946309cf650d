"""Atoms that scale or shift what they are given, and keep nothing."""

from __future__ import annotations

from optgen import dsl
from optgen.zoo.atoms.norms import bounded_root


@dsl.rule
def identity(g, p):
    """Leaves the updates as they are."""
    return g


@dsl.rule
def scale(g, p, *, step_size):
    """Scales by a factor.

    Hyperparameters:
      step_size: the factor, or a schedule of it.
    """
    return step_size * g


@dsl.rule
def scale_by_learning_rate(g, p, *, learning_rate=None, flip_sign: bool = True):
    """Scales by the learning rate, downhill.

    Hyperparameters:
      learning_rate: the factor, or a schedule of it; None leaves the updates as they are.
      flip_sign: scale by minus the learning rate, as descent needs.
    """
    if learning_rate is None:
        return g
    return (-learning_rate if flip_sign else learning_rate) * g


@dsl.rule
def scale_by_sign(g, p):
    """Replaces each element by its sign."""
    return dsl.sign(g)


@dsl.rule
def add_decayed_weights(g, p, *, weight_decay=0.0, mask: dsl.Mask = None):
    """Decoupled weight decay (Loshchilov and Hutter, 2019, arXiv:1711.05101).

    Hyperparameters:
      weight_decay: what is added for each unit of the parameter, or a schedule of it.
      mask: the leaves that decay: None or True for all, or a tree of bools, a prefix of one, or a
        function from the parameters to one.
    """
    return g if mask is False else g + weight_decay * p


@dsl.rule
def scale_by_trust_ratio(g, p, *, min_norm=0.0, trust_coefficient=1.0, eps=0.0):
    """Scales each leaf by its trust ratio (You, Gitman and Ginsburg, 2017, arXiv:1708.03888).

    Hyperparameters:
      min_norm: the least that both norms count as.
      trust_coefficient: what the ratio of the norms is multiplied by.
      eps: added to the norm of the updates, in their units.
    """
    param_squares, update_squares = dsl.sum(p**2), dsl.sum(g**2)
    param_norm = bounded_root(param_squares, min_norm)
    update_norm = bounded_root(update_squares, min_norm)
    ratio = trust_coefficient * param_norm / (update_norm + eps)
    trust_ratio = dsl.where((param_norm == 0) | (update_norm == 0), 1.0, ratio)
    return g * trust_ratio


@dsl.rule
def scale_by_param_block_norm(g, p, *, min_scale=1e-3):
    """Scales each leaf by the norm of its parameter.

    Hyperparameters:
      min_scale: the least that the norm counts as, in units of the parameter.
    """
    param_norm = bounded_root(dsl.sum(p**2), min_scale)
    return g * param_norm


@dsl.rule
def scale_by_param_block_rms(g, p, *, min_scale=1e-3):
    """Scales each leaf by the root mean square of its parameter.

    Hyperparameters:
      min_scale: the least that the root mean square counts as, in units of the parameter.
    """
    param_mean_square = dsl.mean(p**2)
    param_rms = bounded_root(param_mean_square, min_scale)
    return g * param_rms


@dsl.rule
def normalize_by_update_norm(g, p, *, scale_factor=1.0, eps=1e-6):
    """Scales the whole tree to a norm.

    Hyperparameters:
      scale_factor: the norm that results.
      eps: added to the norm that there was, in units of the updates.
    """
    return g / ((dsl.global_norm(g) + eps) / scale_factor)


@dsl.rule
def centralize(g, p):
    """Takes off the mean over all axes but the first (Yong et al., 2020, arXiv:2004.01461)."""
    return g - dsl.mean(g, tuple(range(1, g.ndim))) if g.ndim > 1 else g
