"""Atoms that bound what they are given."""

from __future__ import annotations

from optgen import dsl


@dsl.rule
def clip(g, p, *, max_delta):
    """Bounds each element.

    Hyperparameters:
      max_delta: the largest magnitude, in units of the gradient.
    """
    return dsl.clip(g, -max_delta, max_delta)


@dsl.rule
def clip_by_block_rms(g, p, *, threshold):
    """Bounds the root mean square of each leaf (Shazeer and Stern, 2018, arXiv:1804.04235).

    Hyperparameters:
      threshold: the largest root mean square, in units of the gradient.
    """
    update_rms = dsl.rms(g)
    return g / dsl.maximum(1.0, update_rms / threshold)


@dsl.rule
def clip_by_global_norm(g, p, *, max_norm):
    """Bounds the norm of the whole tree (Pascanu, Mikolov and Bengio, 2013, arXiv:1211.5063).

    Hyperparameters:
      max_norm: the largest norm, in units of the gradient.
    """
    global_norm = dsl.global_norm(g)
    clip_factor = dsl.where(global_norm < max_norm, 1.0, max_norm / global_norm)
    return g * clip_factor  # one factor for all, where optax divides each element


@dsl.rule
def adaptive_grad_clip(g, p, *, clipping, eps=1e-3, axis: int | None = None):
    """Bounds each unit's gradient by its weights (Brock et al., 2021, arXiv:2102.06171).

    A unit is what one output is computed from: all axes but the last of a matrix or a convolution.

    Hyperparameters:
      clipping: the largest ratio of a unit's gradient norm to its weights' norm.
      eps: the least that the weights' norm counts as, in units of the parameter.
      axis: what a unit extends along; None as optax chooses by rank, which leaves of more than
        five axes have none for.

    Departs from optax: ``axis`` takes one axis, not a tuple of them.
    """
    along = _unit_axes(p.shape) if axis is None else axis
    grad_norm, param_norm = dsl.norm(g, along), dsl.norm(p, along)
    max_norm = clipping * dsl.maximum(param_norm, eps)
    clipped = g * (max_norm / dsl.maximum(grad_norm, 1e-6))
    return dsl.where(grad_norm < max_norm, g, clipped)


def _unit_axes(shape):
    if sum(extent != 1 for extent in shape) <= 1:
        return None
    if len(shape) > 5:
        raise ValueError(f"a leaf of {len(shape)} axes has no usual units: name their axis")
    return 0 if len(shape) < 4 else tuple(range(len(shape) - 1))
