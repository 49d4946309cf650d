"""Second moments factored into rows and columns."""

from __future__ import annotations

from optgen import dsl
from optgen.zoo.atoms.accumulation import ema
from optgen.zoo.atoms.clipping import clip_by_block_rms
from optgen.zoo.atoms.factored import scale_by_factored_rms
from optgen.zoo.atoms.scaling import (
    add_decayed_weights,
    scale,
    scale_by_learning_rate,
    scale_by_param_block_rms,
)


@dsl.rule
def adafactor(
    *,
    learning_rate=None,
    min_dim_size_to_factor: int = 128,
    decay_rate=0.8,
    decay_offset=0.0,
    multiply_by_parameter_scale: bool = True,
    clipping_threshold=1.0,
    momentum=None,
    dtype_momentum: dsl.DType = "float32",
    weight_decay_rate=None,
    eps=1e-30,
    factored: bool = True,
    weight_decay_mask: dsl.Mask = None,
):
    """Adafactor (Shazeer and Stern, 2018, arXiv:1804.04235).

    Hyperparameters:
      learning_rate: the size of a step, or a schedule of it; None for 1.
      min_dim_size_to_factor: length of the second largest axis from which on a leaf is factored.
      decay_rate: exponent of the second moment's decay, ``1 - t**-decay_rate`` at step t.
      decay_offset: subtracted from the step, to fine-tune from a checkpoint.
      multiply_by_parameter_scale: take steps in proportion to the parameter's root mean square.
      clipping_threshold: the largest root mean square of a leaf's update; None for any.
      momentum: decay of the average of the updates, for each step; None for none.
      dtype_momentum: what that average is stored in; None for the parameter's dtype.
      weight_decay_rate: what is taken off for each unit of the parameter, or a schedule of it; not
        times the learning rate.
      eps: added to the squared gradient.
      factored: factor at all.
      weight_decay_mask: the leaves that decay; see ``add_decayed_weights``.

    Departs from optax in how the state is stored: see ``scale_by_factored_rms``.
    """
    links = [scale_by_factored_rms(factored, decay_rate, decay_offset, min_dim_size_to_factor, eps)]
    if clipping_threshold is not None:
        links.append(clip_by_block_rms(clipping_threshold))
    links.append(scale_by_learning_rate(learning_rate, flip_sign=False))
    if multiply_by_parameter_scale:
        links.append(scale_by_param_block_rms())
    if momentum is not None:
        links.append(ema(momentum, debias=False, accumulator_dtype=dtype_momentum))
    if weight_decay_rate is not None:
        links.append(add_decayed_weights(weight_decay_rate, weight_decay_mask))
    return dsl.chain(*links, scale(-1.0))
