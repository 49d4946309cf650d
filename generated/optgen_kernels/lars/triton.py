"""LARS (You, Gitman and Ginsburg, 2017, arXiv:1708.03888).

For leaves with mask None and mask None, or mask None and mask True, or mask True and mask None,
or more:

    add_decayed_weights = g + weight_decay*p
    param_squares = sum(p**2)
    param_norm = sqrt(where(param_squares <= 0, 0, param_squares))
    update_squares = sum(add_decayed_weights**2)
    update_norm = sqrt(where(update_squares <= 0, 0, update_squares))
    ratio = trust_coefficient*param_norm/(update_norm + eps)
    trust_ratio = where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = add_decayed_weights*trust_ratio
    scale_by_learning_rate = -learning_rate*scale_by_trust_ratio
    trace' = scale_by_learning_rate + momentum*trace
    p' = p + trace'

For leaves with mask None and mask False, or mask True and mask False:

    add_decayed_weights = g + weight_decay*p
    scale_by_learning_rate = -learning_rate*add_decayed_weights
    trace' = scale_by_learning_rate + momentum*trace
    p' = p + trace'

Emitted for nesterov=False.

Emitted by optgen: change the rule, not this file. Each function is one kernel, on the part of one
leaf that is a program's own; a launch chooses the leaf.
"""

import triton
import triton.language as tl

from optgen.runtime.execution.triton import device


@triton.jit
def leaf_statistics_tile(g_ptr, p_ptr, offsets, inside, weight_decay):
    """Reads g, p; writes param_squares, update_squares."""
    p = tl.load(p_ptr + offsets, mask=inside)
    p_square = p * p
    g = tl.load(g_ptr + offsets, mask=inside)
    add_decayed_weights = g + weight_decay * p
    add_decayed_weights_square = add_decayed_weights * add_decayed_weights
    return p_square, add_decayed_weights_square


@triton.jit
def leaf_statistics(
    scalars,
    g_ptr,
    p_ptr,
    param_squares_ptr,
    update_squares_ptr,
    size,
    tiles,
    program,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p; writes param_squares, update_squares."""
    weight_decay = tl.load(scalars + 0)
    offsets = tl.arange(0, BLOCK)
    param_squares = tl.full((BLOCK,), 0.0, tl.float32)
    update_squares = tl.full((BLOCK,), 0.0, tl.float32)
    whole = tl.cast(size // BLOCK, tl.int32)
    first = program * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        start = tl.cast(tile, tl.int64) * BLOCK
        param_squares_tile, update_squares_tile = leaf_statistics_tile(
            g_ptr + start, p_ptr + start, offsets, None, weight_decay
        )
        param_squares += param_squares_tile
        update_squares += update_squares_tile
    if (first + tiles > whole) & (size % BLOCK != 0):
        start = tl.cast(whole, tl.int64) * BLOCK
        inside = offsets < size - start
        param_squares_tile, update_squares_tile = leaf_statistics_tile(
            g_ptr + start, p_ptr + start, offsets, inside, weight_decay
        )
        param_squares += tl.where(inside, param_squares_tile, 0.0)
        update_squares += tl.where(inside, update_squares_tile, 0.0)
    tl.store(param_squares_ptr + program, device.sum_of(param_squares))
    tl.store(update_squares_ptr + program, device.sum_of(update_squares))


@triton.jit
def leaf_step_tile(
    g_ptr,
    p_ptr,
    trace_ptr,
    offsets,
    inside,
    minus_learning_rate,
    weight_decay,
    trust_ratio,
    momentum,
):
    """Reads g, p, trace, param_squares, update_squares; writes p, trace."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    add_decayed_weights = g + weight_decay * p
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace = tl.load(trace_ptr + offsets, mask=inside)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(p_ptr + offsets, p + trace_next, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def leaf_step(
    scalars,
    g_ptr,
    p_ptr,
    trace_ptr,
    param_squares_ptr,
    update_squares_ptr,
    size,
    param_squares_parts,
    update_squares_parts,
    program,
    BLOCK: tl.constexpr,
):
    """Reads g, p, trace, param_squares, update_squares; writes p, trace."""
    minus_learning_rate = tl.load(scalars + 0)
    weight_decay = tl.load(scalars + 1)
    param_squares = device.sum_of_parts(param_squares_ptr, param_squares_parts, 1)
    term = tl.where(param_squares <= 0, tl.full((), 0, tl.float32), param_squares)
    param_norm = tl.sqrt_rn(term)
    update_squares = device.sum_of_parts(update_squares_ptr, update_squares_parts, 1)
    term_2 = tl.where(update_squares <= 0, tl.full((), 0, tl.float32), update_squares)
    update_norm = tl.sqrt_rn(term_2)
    trust_coefficient = tl.load(scalars + 2)
    eps = tl.load(scalars + 3)
    ratio = tl.div_rn(trust_coefficient * param_norm, update_norm + eps)
    trust_ratio = tl.where(
        (param_norm == 0) | (update_norm == 0), tl.full((), 1, tl.float32), ratio
    )
    momentum = tl.load(scalars + 4)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            weight_decay,
            trust_ratio,
            momentum,
        )
    else:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            weight_decay,
            trust_ratio,
            momentum,
        )


@triton.jit
def chosen_left_out_step_tile(
    g_ptr, p_ptr, trace_ptr, offsets, inside, minus_learning_rate, weight_decay, momentum
):
    """Reads g, p, trace; writes p, trace."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    add_decayed_weights = g + weight_decay * p
    scale_by_learning_rate = minus_learning_rate * add_decayed_weights
    trace = tl.load(trace_ptr + offsets, mask=inside)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(p_ptr + offsets, p + trace_next, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def chosen_left_out_step(scalars, g_ptr, p_ptr, trace_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p, trace; writes p, trace."""
    minus_learning_rate = tl.load(scalars + 0)
    weight_decay = tl.load(scalars + 1)
    momentum = tl.load(scalars + 2)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        chosen_left_out_step_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            weight_decay,
            momentum,
        )
    else:
        chosen_left_out_step_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            weight_decay,
            momentum,
        )


@triton.jit
def left_out_chosen_statistics_tile(g_ptr, p_ptr, offsets, inside):
    """Reads g, p; writes param_squares, update_squares."""
    p = tl.load(p_ptr + offsets, mask=inside)
    p_square = p * p
    g = tl.load(g_ptr + offsets, mask=inside)
    g_square = g * g
    return p_square, g_square


@triton.jit
def left_out_chosen_statistics(
    g_ptr,
    p_ptr,
    param_squares_ptr,
    update_squares_ptr,
    size,
    tiles,
    program,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p; writes param_squares, update_squares."""
    offsets = tl.arange(0, BLOCK)
    param_squares = tl.full((BLOCK,), 0.0, tl.float32)
    update_squares = tl.full((BLOCK,), 0.0, tl.float32)
    whole = tl.cast(size // BLOCK, tl.int32)
    first = program * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        start = tl.cast(tile, tl.int64) * BLOCK
        param_squares_tile, update_squares_tile = left_out_chosen_statistics_tile(
            g_ptr + start, p_ptr + start, offsets, None
        )
        param_squares += param_squares_tile
        update_squares += update_squares_tile
    if (first + tiles > whole) & (size % BLOCK != 0):
        start = tl.cast(whole, tl.int64) * BLOCK
        inside = offsets < size - start
        param_squares_tile, update_squares_tile = left_out_chosen_statistics_tile(
            g_ptr + start, p_ptr + start, offsets, inside
        )
        param_squares += tl.where(inside, param_squares_tile, 0.0)
        update_squares += tl.where(inside, update_squares_tile, 0.0)
    tl.store(param_squares_ptr + program, device.sum_of(param_squares))
    tl.store(update_squares_ptr + program, device.sum_of(update_squares))


@triton.jit
def left_out_chosen_step_tile(
    g_ptr, p_ptr, trace_ptr, offsets, inside, minus_learning_rate, trust_ratio, momentum
):
    """Reads g, p, trace, param_squares, update_squares; writes p, trace."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    scale_by_trust_ratio = g * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace = tl.load(trace_ptr + offsets, mask=inside)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(p_ptr + offsets, p + trace_next, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def left_out_chosen_step(
    scalars,
    g_ptr,
    p_ptr,
    trace_ptr,
    param_squares_ptr,
    update_squares_ptr,
    size,
    param_squares_parts,
    update_squares_parts,
    program,
    BLOCK: tl.constexpr,
):
    """Reads g, p, trace, param_squares, update_squares; writes p, trace."""
    minus_learning_rate = tl.load(scalars + 0)
    param_squares = device.sum_of_parts(param_squares_ptr, param_squares_parts, 1)
    term = tl.where(param_squares <= 0, tl.full((), 0, tl.float32), param_squares)
    param_norm = tl.sqrt_rn(term)
    update_squares = device.sum_of_parts(update_squares_ptr, update_squares_parts, 1)
    term_2 = tl.where(update_squares <= 0, tl.full((), 0, tl.float32), update_squares)
    update_norm = tl.sqrt_rn(term_2)
    trust_coefficient = tl.load(scalars + 1)
    eps = tl.load(scalars + 2)
    ratio = tl.div_rn(trust_coefficient * param_norm, update_norm + eps)
    trust_ratio = tl.where(
        (param_norm == 0) | (update_norm == 0), tl.full((), 1, tl.float32), ratio
    )
    momentum = tl.load(scalars + 3)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        left_out_chosen_step_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            trust_ratio,
            momentum,
        )
    else:
        left_out_chosen_step_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            trust_ratio,
            momentum,
        )


@triton.jit
def left_out_left_out_step_tile(
    g_ptr, p_ptr, trace_ptr, offsets, inside, minus_learning_rate, momentum
):
    """Reads g, p, trace; writes p, trace."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    scale_by_learning_rate = minus_learning_rate * g
    trace = tl.load(trace_ptr + offsets, mask=inside)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(p_ptr + offsets, p + trace_next, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def left_out_left_out_step(scalars, g_ptr, p_ptr, trace_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p, trace; writes p, trace."""
    minus_learning_rate = tl.load(scalars + 0)
    momentum = tl.load(scalars + 1)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        left_out_left_out_step_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            momentum,
        )
    else:
        left_out_left_out_step_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            momentum,
        )


@triton.jit
def leaf_finalize(
    scalars,
    param_squares_ptr,
    update_squares_ptr,
    trust_ratio_ptr,
    param_squares_parts,
    update_squares_parts,
    program,
    BLOCK: tl.constexpr,
):
    """Reads param_squares, update_squares; writes trust_ratio."""
    param_squares = device.sum_of_parts(param_squares_ptr, param_squares_parts, 1)
    term = tl.where(param_squares <= 0, tl.full((), 0, tl.float32), param_squares)
    param_norm = tl.sqrt_rn(term)
    update_squares = device.sum_of_parts(update_squares_ptr, update_squares_parts, 1)
    term_2 = tl.where(update_squares <= 0, tl.full((), 0, tl.float32), update_squares)
    update_norm = tl.sqrt_rn(term_2)
    trust_coefficient = tl.load(scalars + 0)
    eps = tl.load(scalars + 1)
    ratio = tl.div_rn(trust_coefficient * param_norm, update_norm + eps)
    trust_ratio = tl.where(
        (param_norm == 0) | (update_norm == 0), tl.full((), 1, tl.float32), ratio
    )
    tl.store(trust_ratio_ptr, trust_ratio)
