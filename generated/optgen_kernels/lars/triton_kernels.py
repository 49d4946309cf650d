"""LARS (You, Gitman and Ginsburg, 2017, arXiv:1708.03888).

For leaves with mask None and mask None, or mask None and mask True, or mask True and mask None,
or more:

    add_decayed_weights = g + weight_decay*p
    param_norm = sqrt(where(sum(p**2) <= 0, 0, sum(p**2)))
    update_norm = sqrt(where(sum(add_decayed_weights**2) <= 0, 0, sum(add_decayed_weights**2)))
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

Emitted by optgen: change the rule, not this file. Each function is one kernel of the plan, on the
part of one leaf that is a program's own; a launch chooses the leaf.
"""

import triton
import triton.language as tl

from optgen.runtime.execution.triton import device


@triton.jit
def leaf_step_1_tile(g_ptr, p_ptr, offsets, inside, weight_decay):
    """Reads g, p; writes sum_1, sum_2."""
    p = tl.load(p_ptr + offsets, mask=inside).to(tl.float32)
    p_squared = p * p
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    add_decayed_weights = g + weight_decay * p
    term = add_decayed_weights * add_decayed_weights
    return p_squared, term


@triton.jit
def leaf_step_1(
    scalars,
    g_ptr,
    p_ptr,
    sum_1_ptr,
    sum_2_ptr,
    size,
    sum_1_offset,
    sum_2_offset,
    tiles,
    program,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p; writes sum_1, sum_2."""
    weight_decay = tl.load(scalars + 0).to(tl.float32)
    offsets = tl.arange(0, BLOCK)
    sum_1_total = tl.full((BLOCK,), 0.0, tl.float32)
    sum_2_total = tl.full((BLOCK,), 0.0, tl.float32)
    whole = tl.cast(size // BLOCK, tl.int32)
    first = program * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        start = tl.cast(tile, tl.int64) * BLOCK
        sum_1_tile, sum_2_tile = leaf_step_1_tile(
            g_ptr + start, p_ptr + start, offsets, None, weight_decay
        )
        sum_1_total += sum_1_tile
        sum_2_total += sum_2_tile
    if (first + tiles > whole) & (size % BLOCK != 0):
        start = tl.cast(whole, tl.int64) * BLOCK
        inside = offsets < size - start
        sum_1_tile, sum_2_tile = leaf_step_1_tile(
            g_ptr + start, p_ptr + start, offsets, inside, weight_decay
        )
        sum_1_total += tl.where(inside, sum_1_tile, 0.0)
        sum_2_total += tl.where(inside, sum_2_tile, 0.0)
    tl.store(sum_1_ptr + sum_1_offset + program, device.sum_of(sum_1_total))
    tl.store(sum_2_ptr + sum_2_offset + program, device.sum_of(sum_2_total))


@triton.jit
def leaf_step_2_tile(
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
    """Reads g, p, trace, sum_1, sum_2; writes p, trace."""
    p = tl.load(p_ptr + offsets, mask=inside).to(tl.float32)
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    add_decayed_weights = g + weight_decay * p
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace = tl.load(trace_ptr + offsets, mask=inside).to(tl.float32)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(p_ptr + offsets, p + trace_next, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def leaf_step_2(
    scalars,
    g_ptr,
    p_ptr,
    trace_ptr,
    sum_1_ptr,
    sum_2_ptr,
    sum_1_parts,
    sum_1_offset,
    sum_2_parts,
    sum_2_offset,
    size,
    program,
    BLOCK: tl.constexpr,
):
    """Reads g, p, trace, sum_1, sum_2; writes p, trace."""
    minus_learning_rate = tl.load(scalars + 0).to(tl.float32)
    weight_decay = tl.load(scalars + 1).to(tl.float32)
    sum_1 = device.sum_of_parts(sum_1_ptr + sum_1_offset, sum_1_parts, tl.float32)
    param_norm = tl.sqrt_rn(tl.where(sum_1 <= 0, tl.full((), 0, tl.float32), sum_1))
    sum_2 = device.sum_of_parts(sum_2_ptr + sum_2_offset, sum_2_parts, tl.float32)
    update_norm = tl.sqrt_rn(tl.where(sum_2 <= 0, tl.full((), 0, tl.float32), sum_2))
    trust_coefficient = tl.load(scalars + 2).to(tl.float32)
    eps = tl.load(scalars + 3).to(tl.float32)
    ratio = tl.div_rn(trust_coefficient * param_norm, update_norm + eps)
    trust_ratio = tl.where(
        (param_norm == 0) | (update_norm == 0), tl.full((), 1, tl.float32), ratio
    )
    momentum = tl.load(scalars + 4).to(tl.float32)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        leaf_step_2_tile(
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
        leaf_step_2_tile(
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
def chosen_left_out_step_1_tile(
    g_ptr, p_ptr, trace_ptr, offsets, inside, minus_learning_rate, weight_decay, momentum
):
    """Reads g, p, trace; writes p, trace."""
    p = tl.load(p_ptr + offsets, mask=inside).to(tl.float32)
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    add_decayed_weights = g + weight_decay * p
    scale_by_learning_rate = minus_learning_rate * add_decayed_weights
    trace = tl.load(trace_ptr + offsets, mask=inside).to(tl.float32)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(p_ptr + offsets, p + trace_next, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def chosen_left_out_step_1(scalars, g_ptr, p_ptr, trace_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p, trace; writes p, trace."""
    minus_learning_rate = tl.load(scalars + 0).to(tl.float32)
    weight_decay = tl.load(scalars + 1).to(tl.float32)
    momentum = tl.load(scalars + 2).to(tl.float32)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        chosen_left_out_step_1_tile(
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
        chosen_left_out_step_1_tile(
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
def left_out_chosen_step_1_tile(g_ptr, p_ptr, offsets, inside):
    """Reads g, p; writes sum_1, sum_2."""
    p = tl.load(p_ptr + offsets, mask=inside).to(tl.float32)
    p_squared = p * p
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    g_squared = g * g
    return p_squared, g_squared


@triton.jit
def left_out_chosen_step_1(
    scalars,
    g_ptr,
    p_ptr,
    sum_1_ptr,
    sum_2_ptr,
    size,
    sum_1_offset,
    sum_2_offset,
    tiles,
    program,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p; writes sum_1, sum_2."""
    offsets = tl.arange(0, BLOCK)
    sum_1_total = tl.full((BLOCK,), 0.0, tl.float32)
    sum_2_total = tl.full((BLOCK,), 0.0, tl.float32)
    whole = tl.cast(size // BLOCK, tl.int32)
    first = program * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        start = tl.cast(tile, tl.int64) * BLOCK
        sum_1_tile, sum_2_tile = left_out_chosen_step_1_tile(
            g_ptr + start, p_ptr + start, offsets, None
        )
        sum_1_total += sum_1_tile
        sum_2_total += sum_2_tile
    if (first + tiles > whole) & (size % BLOCK != 0):
        start = tl.cast(whole, tl.int64) * BLOCK
        inside = offsets < size - start
        sum_1_tile, sum_2_tile = left_out_chosen_step_1_tile(
            g_ptr + start, p_ptr + start, offsets, inside
        )
        sum_1_total += tl.where(inside, sum_1_tile, 0.0)
        sum_2_total += tl.where(inside, sum_2_tile, 0.0)
    tl.store(sum_1_ptr + sum_1_offset + program, device.sum_of(sum_1_total))
    tl.store(sum_2_ptr + sum_2_offset + program, device.sum_of(sum_2_total))


@triton.jit
def left_out_chosen_step_2_tile(
    g_ptr, p_ptr, trace_ptr, offsets, inside, minus_learning_rate, trust_ratio, momentum
):
    """Reads g, p, trace, sum_1, sum_2; writes p, trace."""
    p = tl.load(p_ptr + offsets, mask=inside).to(tl.float32)
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    scale_by_trust_ratio = g * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace = tl.load(trace_ptr + offsets, mask=inside).to(tl.float32)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(p_ptr + offsets, p + trace_next, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def left_out_chosen_step_2(
    scalars,
    g_ptr,
    p_ptr,
    trace_ptr,
    sum_1_ptr,
    sum_2_ptr,
    sum_1_parts,
    sum_1_offset,
    sum_2_parts,
    sum_2_offset,
    size,
    program,
    BLOCK: tl.constexpr,
):
    """Reads g, p, trace, sum_1, sum_2; writes p, trace."""
    minus_learning_rate = tl.load(scalars + 0).to(tl.float32)
    sum_1 = device.sum_of_parts(sum_1_ptr + sum_1_offset, sum_1_parts, tl.float32)
    param_norm = tl.sqrt_rn(tl.where(sum_1 <= 0, tl.full((), 0, tl.float32), sum_1))
    sum_2 = device.sum_of_parts(sum_2_ptr + sum_2_offset, sum_2_parts, tl.float32)
    update_norm = tl.sqrt_rn(tl.where(sum_2 <= 0, tl.full((), 0, tl.float32), sum_2))
    trust_coefficient = tl.load(scalars + 1).to(tl.float32)
    eps = tl.load(scalars + 2).to(tl.float32)
    ratio = tl.div_rn(trust_coefficient * param_norm, update_norm + eps)
    trust_ratio = tl.where(
        (param_norm == 0) | (update_norm == 0), tl.full((), 1, tl.float32), ratio
    )
    momentum = tl.load(scalars + 3).to(tl.float32)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        left_out_chosen_step_2_tile(
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
        left_out_chosen_step_2_tile(
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
def left_out_left_out_step_1_tile(
    g_ptr, p_ptr, trace_ptr, offsets, inside, minus_learning_rate, momentum
):
    """Reads g, p, trace; writes p, trace."""
    p = tl.load(p_ptr + offsets, mask=inside).to(tl.float32)
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    scale_by_learning_rate = minus_learning_rate * g
    trace = tl.load(trace_ptr + offsets, mask=inside).to(tl.float32)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(p_ptr + offsets, p + trace_next, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def left_out_left_out_step_1(scalars, g_ptr, p_ptr, trace_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p, trace; writes p, trace."""
    minus_learning_rate = tl.load(scalars + 0).to(tl.float32)
    momentum = tl.load(scalars + 1).to(tl.float32)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        left_out_left_out_step_1_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            momentum,
        )
    else:
        left_out_left_out_step_1_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            momentum,
        )


@triton.jit
def leaf_update_2_tile(
    g_ptr,
    p_ptr,
    trace_ptr,
    update_ptr,
    offsets,
    inside,
    minus_learning_rate,
    weight_decay,
    trust_ratio,
    momentum,
):
    """Reads g, p, trace, sum_1, sum_2; writes trace, update."""
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    p = tl.load(p_ptr + offsets, mask=inside).to(tl.float32)
    add_decayed_weights = g + weight_decay * p
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace = tl.load(trace_ptr + offsets, mask=inside).to(tl.float32)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(update_ptr + offsets, trace_next, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def leaf_update_2(
    scalars,
    g_ptr,
    p_ptr,
    trace_ptr,
    update_ptr,
    sum_1_ptr,
    sum_2_ptr,
    sum_1_parts,
    sum_1_offset,
    sum_2_parts,
    sum_2_offset,
    size,
    program,
    BLOCK: tl.constexpr,
):
    """Reads g, p, trace, sum_1, sum_2; writes trace, update."""
    minus_learning_rate = tl.load(scalars + 0).to(tl.float32)
    weight_decay = tl.load(scalars + 1).to(tl.float32)
    sum_1 = device.sum_of_parts(sum_1_ptr + sum_1_offset, sum_1_parts, tl.float32)
    param_norm = tl.sqrt_rn(tl.where(sum_1 <= 0, tl.full((), 0, tl.float32), sum_1))
    sum_2 = device.sum_of_parts(sum_2_ptr + sum_2_offset, sum_2_parts, tl.float32)
    update_norm = tl.sqrt_rn(tl.where(sum_2 <= 0, tl.full((), 0, tl.float32), sum_2))
    trust_coefficient = tl.load(scalars + 2).to(tl.float32)
    eps = tl.load(scalars + 3).to(tl.float32)
    ratio = tl.div_rn(trust_coefficient * param_norm, update_norm + eps)
    trust_ratio = tl.where(
        (param_norm == 0) | (update_norm == 0), tl.full((), 1, tl.float32), ratio
    )
    momentum = tl.load(scalars + 4).to(tl.float32)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        leaf_update_2_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            update_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            weight_decay,
            trust_ratio,
            momentum,
        )
    else:
        leaf_update_2_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            update_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            weight_decay,
            trust_ratio,
            momentum,
        )


@triton.jit
def chosen_left_out_update_1_tile(
    g_ptr,
    p_ptr,
    trace_ptr,
    update_ptr,
    offsets,
    inside,
    minus_learning_rate,
    weight_decay,
    momentum,
):
    """Reads g, p, trace; writes trace, update."""
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    p = tl.load(p_ptr + offsets, mask=inside).to(tl.float32)
    add_decayed_weights = g + weight_decay * p
    scale_by_learning_rate = minus_learning_rate * add_decayed_weights
    trace = tl.load(trace_ptr + offsets, mask=inside).to(tl.float32)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(update_ptr + offsets, trace_next, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def chosen_left_out_update_1(
    scalars, g_ptr, p_ptr, trace_ptr, update_ptr, size, program, BLOCK: tl.constexpr
):
    """Reads g, p, trace; writes trace, update."""
    minus_learning_rate = tl.load(scalars + 0).to(tl.float32)
    weight_decay = tl.load(scalars + 1).to(tl.float32)
    momentum = tl.load(scalars + 2).to(tl.float32)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        chosen_left_out_update_1_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            update_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            weight_decay,
            momentum,
        )
    else:
        chosen_left_out_update_1_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            update_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            weight_decay,
            momentum,
        )


@triton.jit
def left_out_chosen_update_2_tile(
    g_ptr, trace_ptr, update_ptr, offsets, inside, minus_learning_rate, trust_ratio, momentum
):
    """Reads g, trace, sum_1, sum_2; writes trace, update."""
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    scale_by_trust_ratio = g * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace = tl.load(trace_ptr + offsets, mask=inside).to(tl.float32)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(update_ptr + offsets, trace_next, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def left_out_chosen_update_2(
    scalars,
    g_ptr,
    trace_ptr,
    update_ptr,
    sum_1_ptr,
    sum_2_ptr,
    sum_1_parts,
    sum_1_offset,
    sum_2_parts,
    sum_2_offset,
    size,
    program,
    BLOCK: tl.constexpr,
):
    """Reads g, trace, sum_1, sum_2; writes trace, update."""
    minus_learning_rate = tl.load(scalars + 0).to(tl.float32)
    sum_1 = device.sum_of_parts(sum_1_ptr + sum_1_offset, sum_1_parts, tl.float32)
    param_norm = tl.sqrt_rn(tl.where(sum_1 <= 0, tl.full((), 0, tl.float32), sum_1))
    sum_2 = device.sum_of_parts(sum_2_ptr + sum_2_offset, sum_2_parts, tl.float32)
    update_norm = tl.sqrt_rn(tl.where(sum_2 <= 0, tl.full((), 0, tl.float32), sum_2))
    trust_coefficient = tl.load(scalars + 1).to(tl.float32)
    eps = tl.load(scalars + 2).to(tl.float32)
    ratio = tl.div_rn(trust_coefficient * param_norm, update_norm + eps)
    trust_ratio = tl.where(
        (param_norm == 0) | (update_norm == 0), tl.full((), 1, tl.float32), ratio
    )
    momentum = tl.load(scalars + 3).to(tl.float32)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        left_out_chosen_update_2_tile(
            g_ptr + start,
            trace_ptr + start,
            update_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            trust_ratio,
            momentum,
        )
    else:
        left_out_chosen_update_2_tile(
            g_ptr + start,
            trace_ptr + start,
            update_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            trust_ratio,
            momentum,
        )


@triton.jit
def left_out_left_out_update_1_tile(
    g_ptr, trace_ptr, update_ptr, offsets, inside, minus_learning_rate, momentum
):
    """Reads g, trace; writes trace, update."""
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    scale_by_learning_rate = minus_learning_rate * g
    trace = tl.load(trace_ptr + offsets, mask=inside).to(tl.float32)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(update_ptr + offsets, trace_next, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def left_out_left_out_update_1(
    scalars, g_ptr, trace_ptr, update_ptr, size, program, BLOCK: tl.constexpr
):
    """Reads g, trace; writes trace, update."""
    minus_learning_rate = tl.load(scalars + 0).to(tl.float32)
    momentum = tl.load(scalars + 1).to(tl.float32)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        left_out_left_out_update_1_tile(
            g_ptr + start,
            trace_ptr + start,
            update_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            momentum,
        )
    else:
        left_out_left_out_update_1_tile(
            g_ptr + start,
            trace_ptr + start,
            update_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            momentum,
        )
