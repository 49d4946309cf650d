"""Adafactor's second moment, factored into rows and columns."""

from __future__ import annotations

from optgen import dsl


@dsl.rule
def scale_by_factored_rms(
    g,
    p,
    *,
    factored: bool = True,
    decay_rate=0.8,
    step_offset=0.0,
    min_dim_size_to_factor: int = 128,
    epsilon=1e-30,
):
    """Adafactor's rescaling (Shazeer and Stern, 2018, arXiv:1804.04235).

    Hyperparameters:
      factored: keep the moment's row and column means where both axes are long.
      decay_rate: exponent of the decay, which is ``1 - t**-decay_rate`` at step t.
      step_offset: subtracted from the step, to fine-tune from a checkpoint.
      min_dim_size_to_factor: length of the second largest axis from which on a leaf is factored.
      epsilon: added to the squared gradient.

    Departs from optax: ``decay_rate_fn`` is not taken; ``v_row`` and ``v_col`` keep the axis that
    they are means over, with extent 1, and are float32 beside narrower parameters; where optax
    stores a dummy of one element the state has None.
    """
    decay = 1 - (dsl.step() - step_offset) ** -decay_rate
    square = g**2 + epsilon
    axes = dsl.factored_axes(p.shape, min_dim_size_to_factor) if factored else None
    if axes is None:
        v = dsl.state("v")
        v.next = decay * v + (1 - decay) * square
        return g * dsl.rsqrt(v.next)
    second, largest = axes
    over_rows, over_columns = dsl.mean(square, largest), dsl.mean(square, second)
    v_row, v_col = dsl.state("v_row", over_rows), dsl.state("v_col", over_columns)
    v_row.next = decay * v_row + (1 - decay) * over_rows
    v_col.next = decay * v_col + (1 - decay) * over_columns
    row_factor = dsl.rsqrt(v_row.next / dsl.mean(v_row.next, second))
    return g * row_factor * dsl.rsqrt(v_col.next)
