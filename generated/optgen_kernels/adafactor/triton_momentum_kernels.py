"""Adafactor (Shazeer and Stern, 2018, arXiv:1804.04235).

For leaves with factored_axes(128) = None:

    decay = 1 - (t - decay_offset)**-decay_rate
    square = g**2 + eps
    v' = decay*v + (1 - decay)*square
    scale_by_factored_rms = g*rsqrt(v')
    clip_by_block_rms = scale_by_factored_rms/maximum(1,
        sqrt(mean(scale_by_factored_rms**2))/clipping_threshold)
    scale_by_learning_rate = learning_rate*clip_by_block_rms
    rms = sqrt(where(mean(p**2) <= 1e-06, 1e-06, mean(p**2)))
    scale_by_param_block_rms = scale_by_learning_rate*rms
    ema' = (1 - momentum)*scale_by_param_block_rms + momentum*ema
    p' = p - ema'

For leaves with factored_axes(128) = (0, 1) and ndim 2:

    decay = 1 - (t - decay_offset)**-decay_rate
    square = g**2 + eps
    over_rows = mean(square, axis=1)
    v_row' = decay*v_row + (1 - decay)*over_rows
    row_factor = rsqrt(v_row'/mean(v_row'))
    over_columns = mean(square, axis=0)
    v_col' = decay*v_col + (1 - decay)*over_columns
    scale_by_factored_rms = g*row_factor*rsqrt(v_col')
    clip_by_block_rms = scale_by_factored_rms/maximum(1,
        sqrt(mean(scale_by_factored_rms**2))/clipping_threshold)
    scale_by_learning_rate = learning_rate*clip_by_block_rms
    rms = sqrt(where(mean(p**2) <= 1e-06, 1e-06, mean(p**2)))
    scale_by_param_block_rms = scale_by_learning_rate*rms
    ema' = (1 - momentum)*scale_by_param_block_rms + momentum*ema
    p' = p - ema'

Emitted for min_dim_size_to_factor=128, multiply_by_parameter_scale=True,
dtype_momentum='float32', weight_decay_rate=None, factored=True.

Emitted by optgen: change the rule, not this file. Each function is one kernel of the plan, on the
part of one leaf that is a program's own; a launch chooses the leaf.
"""

import triton
import triton.language as tl

from optgen.runtime.execution.triton import device


@triton.jit
def whole_step_1_tile(g_ptr, p_ptr, v_ptr, offsets, inside, decay, one_minus_decay, eps):
    """Reads g, p, v; writes v, sum_1, sum_2."""
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    v = tl.load(v_ptr + offsets, mask=inside).to(tl.float32)
    square = g * g + eps
    v_next = decay * v + one_minus_decay * square
    scale_by_factored_rms = g * tl.div_rn(1.0, tl.sqrt_rn(v_next))
    term = scale_by_factored_rms * scale_by_factored_rms
    p = tl.load(p_ptr + offsets, mask=inside).to(tl.float32)
    p_squared = p * p
    tl.store(v_ptr + offsets, v_next, mask=inside)
    return term, p_squared


@triton.jit
def whole_step_1(
    scalars,
    g_ptr,
    p_ptr,
    v_ptr,
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
    """Reads g, p, v; writes v, sum_1, sum_2."""
    decay = tl.load(scalars + 0).to(tl.float32)
    one_minus_decay = tl.load(scalars + 1).to(tl.float32)
    eps = tl.load(scalars + 2).to(tl.float32)
    offsets = tl.arange(0, BLOCK)
    sum_1_total = tl.full((BLOCK,), 0.0, tl.float32)
    sum_2_total = tl.full((BLOCK,), 0.0, tl.float32)
    whole = tl.cast(size // BLOCK, tl.int32)
    first = program * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        start = tl.cast(tile, tl.int64) * BLOCK
        sum_1_tile, sum_2_tile = whole_step_1_tile(
            g_ptr + start, p_ptr + start, v_ptr + start, offsets, None, decay, one_minus_decay, eps
        )
        sum_1_total += sum_1_tile
        sum_2_total += sum_2_tile
    if (first + tiles > whole) & (size % BLOCK != 0):
        start = tl.cast(whole, tl.int64) * BLOCK
        inside = offsets < size - start
        sum_1_tile, sum_2_tile = whole_step_1_tile(
            g_ptr + start,
            p_ptr + start,
            v_ptr + start,
            offsets,
            inside,
            decay,
            one_minus_decay,
            eps,
        )
        sum_1_total += tl.where(inside, sum_1_tile, 0.0)
        sum_2_total += tl.where(inside, sum_2_tile, 0.0)
    tl.store(sum_1_ptr + sum_1_offset + program, device.sum_of(sum_1_total))
    tl.store(sum_2_ptr + sum_2_offset + program, device.sum_of(sum_2_total))


@triton.jit
def whole_step_2_tile(
    g_ptr,
    p_ptr,
    v_ptr,
    ema_ptr,
    offsets,
    inside,
    one_minus_momentum,
    learning_rate,
    factor,
    rms_2,
    momentum,
):
    """Reads g, p, v, ema, sum_1, sum_2; writes p, ema."""
    p = tl.load(p_ptr + offsets, mask=inside).to(tl.float32)
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    v = tl.load(v_ptr + offsets, mask=inside).to(tl.float32)
    scale_by_factored_rms = g * tl.div_rn(1.0, tl.sqrt_rn(v))
    clip_by_block_rms = tl.div_rn(scale_by_factored_rms, factor)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    ema = tl.load(ema_ptr + offsets, mask=inside).to(tl.float32)
    ema_2 = one_minus_momentum * scale_by_param_block_rms + momentum * ema
    tl.store(p_ptr + offsets, p + -ema_2, mask=inside)
    tl.store(ema_ptr + offsets, ema_2, mask=inside)


@triton.jit
def whole_step_2(
    scalars,
    g_ptr,
    p_ptr,
    v_ptr,
    ema_ptr,
    sum_1_ptr,
    sum_2_ptr,
    sum_1_parts,
    sum_1_offset,
    size,
    sum_2_parts,
    sum_2_offset,
    program,
    BLOCK: tl.constexpr,
):
    """Reads g, p, v, ema, sum_1, sum_2; writes p, ema."""
    one_minus_momentum = tl.load(scalars + 0).to(tl.float32)
    learning_rate = tl.load(scalars + 1).to(tl.float32)
    sum_1 = device.sum_of_parts(sum_1_ptr + sum_1_offset, sum_1_parts, tl.float32)
    size_2 = tl.cast(size, tl.float32)
    rms = tl.sqrt_rn(tl.div_rn(sum_1, size_2))
    clipping_threshold = tl.load(scalars + 2).to(tl.float32)
    factor = device.maximum(tl.full((), 1, tl.float32), tl.div_rn(rms, clipping_threshold))
    sum_2 = device.sum_of_parts(sum_2_ptr + sum_2_offset, sum_2_parts, tl.float32)
    factor_2 = tl.div_rn(sum_2, size_2)
    term = tl.where(factor_2 <= 1e-06, tl.full((), 1e-06, tl.float32), factor_2)
    rms_2 = tl.sqrt_rn(term)
    momentum = tl.load(scalars + 3).to(tl.float32)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        whole_step_2_tile(
            g_ptr + start,
            p_ptr + start,
            v_ptr + start,
            ema_ptr + start,
            offsets,
            None,
            one_minus_momentum,
            learning_rate,
            factor,
            rms_2,
            momentum,
        )
    else:
        whole_step_2_tile(
            g_ptr + start,
            p_ptr + start,
            v_ptr + start,
            ema_ptr + start,
            offsets,
            offsets < size - start,
            one_minus_momentum,
            learning_rate,
            factor,
            rms_2,
            momentum,
        )


@triton.jit
def factored_0_1_step_1(
    scalars,
    g_ptr,
    p_ptr,
    sum_1_ptr,
    sum_3_ptr,
    sum_5_ptr,
    rows,
    columns,
    row_stride,
    column_stride,
    sum_1_elements,
    sum_1_row_stride,
    sum_1_offset,
    sum_3_elements,
    sum_3_column_stride,
    sum_3_offset,
    sum_5_offset,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p; writes sum_1, sum_3, sum_5."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    eps = tl.load(scalars + 0).to(tl.float32)
    sum_3_total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    sum_5_total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        square = g * g + eps
        p = tl.load(p_ptr + start + offsets, mask=inside).to(tl.float32)
        p_squared = p * p
        sum_1_at = sum_1_ptr + sum_1_offset + column_tile * sum_1_elements + row * sum_1_row_stride
        tl.store(sum_1_at, device.sum_of(tl.where(inside, square, 0.0), 1), mask=row < rows)
        sum_3_total += tl.where(inside, square, 0.0)
        sum_5_total += tl.where(inside, p_squared, 0.0)
    sum_3_at = sum_3_ptr + sum_3_offset + row_chunk * sum_3_elements
    sum_3_at += column * sum_3_column_stride
    tl.store(sum_3_at, device.sum_of(sum_3_total, 0), mask=inside_columns)
    sum_5_at = sum_5_ptr + sum_5_offset + row_chunk * column_tiles + column_tile
    tl.store(sum_5_at, device.sum_of(sum_5_total))


@triton.jit
def factored_0_1_step_2(
    scalars,
    v_row_ptr,
    v_col_ptr,
    sum_1_ptr,
    sum_3_ptr,
    sum_2_ptr,
    v_row_row_stride,
    sum_1_row_stride,
    sum_1_offset,
    sum_1_parts,
    sum_1_elements,
    columns,
    sum_2_offset,
    rows,
    v_col_column_stride,
    sum_3_column_stride,
    sum_3_offset,
    sum_3_parts,
    sum_3_elements,
    program,
    BLOCK: tl.constexpr,
):
    """Reads v_row, v_col, sum_1, sum_3; writes v_row, v_col, sum_2."""
    blocks = tl.cdiv(rows, BLOCK)
    if (program >= 0) & (program < blocks):
        index = program * BLOCK + tl.arange(0, BLOCK)
        inside = index < rows
        row = index
        decay = tl.load(scalars + 0).to(tl.float32)
        v_row = tl.load(v_row_ptr + row * v_row_row_stride, mask=inside).to(tl.float32)
        one_minus_decay = tl.load(scalars + 1).to(tl.float32)
        sum_1 = device.sum_of_parts_along(
            sum_1_ptr + sum_1_offset + row * sum_1_row_stride,
            sum_1_parts,
            sum_1_elements,
            inside,
            tl.float32,
            BLOCK,
        )
        size_2 = tl.cast(columns, tl.float32)
        over_columns = tl.div_rn(sum_1, size_2)
        v_row_next = decay * v_row + one_minus_decay * over_columns
        tl.store(
            sum_2_ptr + sum_2_offset + program, device.sum_of(tl.where(inside, v_row_next, 0.0))
        )
        tl.store(v_row_ptr + row * v_row_row_stride, v_row_next, mask=inside)
    program -= blocks
    blocks = tl.cdiv(columns, BLOCK)
    if (program >= 0) & (program < blocks):
        index = program * BLOCK + tl.arange(0, BLOCK)
        inside = index < columns
        column = index
        decay = tl.load(scalars + 0).to(tl.float32)
        v_col = tl.load(v_col_ptr + column * v_col_column_stride, mask=inside).to(tl.float32)
        one_minus_decay = tl.load(scalars + 1).to(tl.float32)
        sum_3 = device.sum_of_parts_along(
            sum_3_ptr + sum_3_offset + column * sum_3_column_stride,
            sum_3_parts,
            sum_3_elements,
            inside,
            tl.float32,
            BLOCK,
        )
        size_2 = tl.cast(rows, tl.float32)
        over_rows = tl.div_rn(sum_3, size_2)
        v_col_next = decay * v_col + one_minus_decay * over_rows
        tl.store(v_col_ptr + column * v_col_column_stride, v_col_next, mask=inside)


@triton.jit
def factored_0_1_step_3(
    scalars,
    g_ptr,
    v_row_ptr,
    v_col_ptr,
    sum_2_ptr,
    sum_4_ptr,
    v_row_row_stride,
    rows,
    sum_2_offset,
    sum_2_parts,
    v_col_column_stride,
    columns,
    row_stride,
    column_stride,
    sum_4_offset,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, v_row, v_col, sum_2; writes sum_4."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    sum_2 = device.sum_of_parts(sum_2_ptr + sum_2_offset, sum_2_parts, tl.float32)
    size_2 = tl.cast(rows, tl.float32)
    factor = tl.div_rn(sum_2, size_2)
    v_col = tl.load(v_col_ptr + column * v_col_column_stride, mask=inside_columns).to(tl.float32)
    term = tl.div_rn(1.0, tl.sqrt_rn(v_col))
    sum_4_total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        v_row = tl.load(v_row_ptr + row * v_row_row_stride, mask=row < rows).to(tl.float32)
        row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, factor)))
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        scale_by_factored_rms = g * row_factor * term
        term_2 = scale_by_factored_rms * scale_by_factored_rms
        sum_4_total += tl.where(inside, term_2, 0.0)
    sum_4_at = sum_4_ptr + sum_4_offset + row_chunk * column_tiles + column_tile
    tl.store(sum_4_at, device.sum_of(sum_4_total))


@triton.jit
def factored_0_1_step_4(
    scalars,
    g_ptr,
    p_ptr,
    ema_ptr,
    v_row_ptr,
    v_col_ptr,
    sum_2_ptr,
    sum_4_ptr,
    sum_5_ptr,
    v_row_row_stride,
    rows,
    sum_2_offset,
    sum_2_parts,
    v_col_column_stride,
    sum_4_offset,
    sum_4_parts,
    columns,
    sum_5_offset,
    sum_5_parts,
    row_stride,
    column_stride,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p, ema, v_row, v_col, sum_2, sum_4, sum_5; writes p, ema."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    one_minus_momentum = tl.load(scalars + 0).to(tl.float32)
    learning_rate = tl.load(scalars + 1).to(tl.float32)
    sum_2 = device.sum_of_parts(sum_2_ptr + sum_2_offset, sum_2_parts, tl.float32)
    size_2 = tl.cast(rows, tl.float32)
    factor = tl.div_rn(sum_2, size_2)
    sum_4 = device.sum_of_parts(sum_4_ptr + sum_4_offset, sum_4_parts, tl.float32)
    size_3 = tl.cast(tl.cast(rows, tl.int64) * columns, tl.float32)
    rms = tl.sqrt_rn(tl.div_rn(sum_4, size_3))
    clipping_threshold = tl.load(scalars + 2).to(tl.float32)
    factor_2 = device.maximum(tl.full((), 1, tl.float32), tl.div_rn(rms, clipping_threshold))
    sum_5 = device.sum_of_parts(sum_5_ptr + sum_5_offset, sum_5_parts, tl.float32)
    factor_3 = tl.div_rn(sum_5, size_3)
    term_2 = tl.where(factor_3 <= 1e-06, tl.full((), 1e-06, tl.float32), factor_3)
    rms_2 = tl.sqrt_rn(term_2)
    momentum = tl.load(scalars + 3).to(tl.float32)
    v_col = tl.load(v_col_ptr + column * v_col_column_stride, mask=inside_columns).to(tl.float32)
    term = tl.div_rn(1.0, tl.sqrt_rn(v_col))
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        v_row = tl.load(v_row_ptr + row * v_row_row_stride, mask=row < rows).to(tl.float32)
        row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, factor)))
        p = tl.load(p_ptr + start + offsets, mask=inside).to(tl.float32)
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        scale_by_factored_rms = g * row_factor * term
        clip_by_block_rms = tl.div_rn(scale_by_factored_rms, factor_2)
        scale_by_learning_rate = learning_rate * clip_by_block_rms
        scale_by_param_block_rms = scale_by_learning_rate * rms_2
        ema = tl.load(ema_ptr + start + offsets, mask=inside).to(tl.float32)
        ema_2 = one_minus_momentum * scale_by_param_block_rms + momentum * ema
        tl.store(p_ptr + start + offsets, p + -ema_2, mask=inside)
        tl.store(ema_ptr + start + offsets, ema_2, mask=inside)


@triton.jit
def factored_1_0_step_1(
    scalars,
    g_ptr,
    p_ptr,
    sum_1_ptr,
    sum_3_ptr,
    sum_5_ptr,
    rows,
    columns,
    row_stride,
    column_stride,
    sum_1_elements,
    sum_1_column_stride,
    sum_1_offset,
    sum_3_elements,
    sum_3_row_stride,
    sum_3_offset,
    sum_5_offset,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p; writes sum_1, sum_3, sum_5."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    eps = tl.load(scalars + 0).to(tl.float32)
    sum_1_total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    sum_5_total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        square = g * g + eps
        p = tl.load(p_ptr + start + offsets, mask=inside).to(tl.float32)
        p_squared = p * p
        sum_1_total += tl.where(inside, square, 0.0)
        sum_3_at = sum_3_ptr + sum_3_offset + column_tile * sum_3_elements + row * sum_3_row_stride
        tl.store(sum_3_at, device.sum_of(tl.where(inside, square, 0.0), 1), mask=row < rows)
        sum_5_total += tl.where(inside, p_squared, 0.0)
    sum_1_at = sum_1_ptr + sum_1_offset + row_chunk * sum_1_elements
    sum_1_at += column * sum_1_column_stride
    tl.store(sum_1_at, device.sum_of(sum_1_total, 0), mask=inside_columns)
    sum_5_at = sum_5_ptr + sum_5_offset + row_chunk * column_tiles + column_tile
    tl.store(sum_5_at, device.sum_of(sum_5_total))


@triton.jit
def factored_1_0_step_2(
    scalars,
    v_row_ptr,
    v_col_ptr,
    sum_1_ptr,
    sum_3_ptr,
    sum_2_ptr,
    v_row_column_stride,
    sum_1_column_stride,
    sum_1_offset,
    sum_1_parts,
    sum_1_elements,
    rows,
    sum_2_offset,
    columns,
    v_col_row_stride,
    sum_3_row_stride,
    sum_3_offset,
    sum_3_parts,
    sum_3_elements,
    program,
    BLOCK: tl.constexpr,
):
    """Reads v_row, v_col, sum_1, sum_3; writes v_row, v_col, sum_2."""
    blocks = tl.cdiv(columns, BLOCK)
    if (program >= 0) & (program < blocks):
        index = program * BLOCK + tl.arange(0, BLOCK)
        inside = index < columns
        column = index
        decay = tl.load(scalars + 0).to(tl.float32)
        v_row = tl.load(v_row_ptr + column * v_row_column_stride, mask=inside).to(tl.float32)
        one_minus_decay = tl.load(scalars + 1).to(tl.float32)
        sum_1 = device.sum_of_parts_along(
            sum_1_ptr + sum_1_offset + column * sum_1_column_stride,
            sum_1_parts,
            sum_1_elements,
            inside,
            tl.float32,
            BLOCK,
        )
        size_2 = tl.cast(rows, tl.float32)
        over_rows = tl.div_rn(sum_1, size_2)
        v_row_next = decay * v_row + one_minus_decay * over_rows
        tl.store(
            sum_2_ptr + sum_2_offset + program, device.sum_of(tl.where(inside, v_row_next, 0.0))
        )
        tl.store(v_row_ptr + column * v_row_column_stride, v_row_next, mask=inside)
    program -= blocks
    blocks = tl.cdiv(rows, BLOCK)
    if (program >= 0) & (program < blocks):
        index = program * BLOCK + tl.arange(0, BLOCK)
        inside = index < rows
        row = index
        decay = tl.load(scalars + 0).to(tl.float32)
        v_col = tl.load(v_col_ptr + row * v_col_row_stride, mask=inside).to(tl.float32)
        one_minus_decay = tl.load(scalars + 1).to(tl.float32)
        sum_3 = device.sum_of_parts_along(
            sum_3_ptr + sum_3_offset + row * sum_3_row_stride,
            sum_3_parts,
            sum_3_elements,
            inside,
            tl.float32,
            BLOCK,
        )
        size_2 = tl.cast(columns, tl.float32)
        over_columns = tl.div_rn(sum_3, size_2)
        v_col_next = decay * v_col + one_minus_decay * over_columns
        tl.store(v_col_ptr + row * v_col_row_stride, v_col_next, mask=inside)


@triton.jit
def factored_1_0_step_3(
    scalars,
    g_ptr,
    v_row_ptr,
    v_col_ptr,
    sum_2_ptr,
    sum_4_ptr,
    v_row_column_stride,
    sum_2_offset,
    sum_2_parts,
    columns,
    v_col_row_stride,
    rows,
    row_stride,
    column_stride,
    sum_4_offset,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, v_row, v_col, sum_2; writes sum_4."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    sum_2 = device.sum_of_parts(sum_2_ptr + sum_2_offset, sum_2_parts, tl.float32)
    size_2 = tl.cast(columns, tl.float32)
    factor = tl.div_rn(sum_2, size_2)
    v_row = tl.load(v_row_ptr + column * v_row_column_stride, mask=inside_columns).to(tl.float32)
    row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, factor)))
    sum_4_total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        v_col = tl.load(v_col_ptr + row * v_col_row_stride, mask=row < rows).to(tl.float32)
        term = tl.div_rn(1.0, tl.sqrt_rn(v_col))
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        scale_by_factored_rms = g * row_factor * term
        term_2 = scale_by_factored_rms * scale_by_factored_rms
        sum_4_total += tl.where(inside, term_2, 0.0)
    sum_4_at = sum_4_ptr + sum_4_offset + row_chunk * column_tiles + column_tile
    tl.store(sum_4_at, device.sum_of(sum_4_total))


@triton.jit
def factored_1_0_step_4(
    scalars,
    g_ptr,
    p_ptr,
    ema_ptr,
    v_row_ptr,
    v_col_ptr,
    sum_2_ptr,
    sum_4_ptr,
    sum_5_ptr,
    v_row_column_stride,
    sum_2_offset,
    sum_2_parts,
    columns,
    v_col_row_stride,
    rows,
    sum_4_offset,
    sum_4_parts,
    sum_5_offset,
    sum_5_parts,
    row_stride,
    column_stride,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p, ema, v_row, v_col, sum_2, sum_4, sum_5; writes p, ema."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    one_minus_momentum = tl.load(scalars + 0).to(tl.float32)
    learning_rate = tl.load(scalars + 1).to(tl.float32)
    sum_2 = device.sum_of_parts(sum_2_ptr + sum_2_offset, sum_2_parts, tl.float32)
    size_2 = tl.cast(columns, tl.float32)
    factor = tl.div_rn(sum_2, size_2)
    sum_4 = device.sum_of_parts(sum_4_ptr + sum_4_offset, sum_4_parts, tl.float32)
    size_3 = tl.cast(tl.cast(rows, tl.int64) * columns, tl.float32)
    rms = tl.sqrt_rn(tl.div_rn(sum_4, size_3))
    clipping_threshold = tl.load(scalars + 2).to(tl.float32)
    factor_2 = device.maximum(tl.full((), 1, tl.float32), tl.div_rn(rms, clipping_threshold))
    sum_5 = device.sum_of_parts(sum_5_ptr + sum_5_offset, sum_5_parts, tl.float32)
    factor_3 = tl.div_rn(sum_5, size_3)
    term_2 = tl.where(factor_3 <= 1e-06, tl.full((), 1e-06, tl.float32), factor_3)
    rms_2 = tl.sqrt_rn(term_2)
    momentum = tl.load(scalars + 3).to(tl.float32)
    v_row = tl.load(v_row_ptr + column * v_row_column_stride, mask=inside_columns).to(tl.float32)
    row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, factor)))
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        v_col = tl.load(v_col_ptr + row * v_col_row_stride, mask=row < rows).to(tl.float32)
        term = tl.div_rn(1.0, tl.sqrt_rn(v_col))
        p = tl.load(p_ptr + start + offsets, mask=inside).to(tl.float32)
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        scale_by_factored_rms = g * row_factor * term
        clip_by_block_rms = tl.div_rn(scale_by_factored_rms, factor_2)
        scale_by_learning_rate = learning_rate * clip_by_block_rms
        scale_by_param_block_rms = scale_by_learning_rate * rms_2
        ema = tl.load(ema_ptr + start + offsets, mask=inside).to(tl.float32)
        ema_2 = one_minus_momentum * scale_by_param_block_rms + momentum * ema
        tl.store(p_ptr + start + offsets, p + -ema_2, mask=inside)
        tl.store(ema_ptr + start + offsets, ema_2, mask=inside)


@triton.jit
def factored_1_2_step_1(
    scalars,
    g_ptr,
    p_ptr,
    sum_1_ptr,
    sum_3_ptr,
    sum_5_ptr,
    rows,
    columns,
    row_stride,
    column_stride,
    sum_1_elements,
    sum_1_batch_stride,
    sum_1_row_stride,
    sum_1_offset,
    sum_3_elements,
    sum_3_batch_stride,
    sum_3_column_stride,
    sum_3_offset,
    batches,
    sum_5_offset,
    batch_stride,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p; writes sum_1, sum_3, sum_5."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    batch = program // column_tiles // row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    eps = tl.load(scalars + 0).to(tl.float32)
    sum_3_total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    sum_5_total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(batch, tl.int64) * batch_stride
        start += tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        square = g * g + eps
        p = tl.load(p_ptr + start + offsets, mask=inside).to(tl.float32)
        p_squared = p * p
        sum_1_at = sum_1_ptr + sum_1_offset + column_tile * sum_1_elements
        sum_1_at += batch * sum_1_batch_stride + row * sum_1_row_stride
        tl.store(sum_1_at, device.sum_of(tl.where(inside, square, 0.0), 1), mask=row < rows)
        sum_3_total += tl.where(inside, square, 0.0)
        sum_5_total += tl.where(inside, p_squared, 0.0)
    sum_3_at = sum_3_ptr + sum_3_offset + row_chunk * sum_3_elements
    sum_3_at += batch * sum_3_batch_stride + column * sum_3_column_stride
    tl.store(sum_3_at, device.sum_of(sum_3_total, 0), mask=inside_columns)
    sum_5_at = sum_5_ptr + sum_5_offset
    sum_5_at += (batch * row_chunks + row_chunk) * column_tiles + column_tile
    tl.store(sum_5_at, device.sum_of(sum_5_total))


@triton.jit
def factored_1_2_step_2(
    scalars,
    v_row_ptr,
    v_col_ptr,
    sum_1_ptr,
    sum_3_ptr,
    sum_2_ptr,
    v_row_batch_stride,
    v_row_row_stride,
    sum_1_batch_stride,
    sum_1_row_stride,
    sum_1_offset,
    sum_1_parts,
    sum_1_elements,
    columns,
    rows,
    sum_2_batch_stride,
    sum_2_offset,
    v_col_batch_stride,
    v_col_column_stride,
    sum_3_batch_stride,
    sum_3_column_stride,
    sum_3_offset,
    sum_3_parts,
    sum_3_elements,
    program,
    BLOCK: tl.constexpr,
):
    """Reads v_row, v_col, sum_1, sum_3; writes v_row, v_col, sum_2."""
    batch = program
    reduced_1_total = tl.full((BLOCK,), 0.0, tl.float32)
    for block in range(tl.cdiv(rows, BLOCK)):
        index = block * BLOCK + tl.arange(0, BLOCK)
        inside = index < rows
        row = index
        decay = tl.load(scalars + 0).to(tl.float32)
        v_row_at = v_row_ptr + batch * v_row_batch_stride + row * v_row_row_stride
        v_row = tl.load(v_row_at, mask=inside).to(tl.float32)
        one_minus_decay = tl.load(scalars + 1).to(tl.float32)
        sum_1_at = sum_1_ptr + sum_1_offset + batch * sum_1_batch_stride + row * sum_1_row_stride
        sum_1 = device.sum_of_parts_along(
            sum_1_at, sum_1_parts, sum_1_elements, inside, tl.float32, BLOCK
        )
        size_2 = tl.cast(columns, tl.float32)
        over_columns = tl.div_rn(sum_1, size_2)
        v_row_next = decay * v_row + one_minus_decay * over_columns
        reduced_1_total += tl.where(inside, v_row_next, 0.0)
    reduced_1 = device.sum_of(reduced_1_total)
    tl.store(sum_2_ptr + sum_2_offset + batch * sum_2_batch_stride, reduced_1)
    tl.debug_barrier()
    for block in range(tl.cdiv(rows, BLOCK)):
        index = block * BLOCK + tl.arange(0, BLOCK)
        inside = index < rows
        row = index
        decay = tl.load(scalars + 0).to(tl.float32)
        v_row_at = v_row_ptr + batch * v_row_batch_stride + row * v_row_row_stride
        v_row = tl.load(v_row_at, mask=inside).to(tl.float32)
        one_minus_decay = tl.load(scalars + 1).to(tl.float32)
        sum_1_at = sum_1_ptr + sum_1_offset + batch * sum_1_batch_stride + row * sum_1_row_stride
        sum_1 = device.sum_of_parts_along(
            sum_1_at, sum_1_parts, sum_1_elements, inside, tl.float32, BLOCK
        )
        size_2 = tl.cast(columns, tl.float32)
        over_columns = tl.div_rn(sum_1, size_2)
        v_row_next = decay * v_row + one_minus_decay * over_columns
        v_row_at = v_row_ptr + batch * v_row_batch_stride + row * v_row_row_stride
        tl.store(v_row_at, v_row_next, mask=inside)
    tl.debug_barrier()
    for block in range(tl.cdiv(columns, BLOCK)):
        index = block * BLOCK + tl.arange(0, BLOCK)
        inside = index < columns
        column = index
        decay = tl.load(scalars + 0).to(tl.float32)
        v_col_at = v_col_ptr + batch * v_col_batch_stride + column * v_col_column_stride
        v_col = tl.load(v_col_at, mask=inside).to(tl.float32)
        one_minus_decay = tl.load(scalars + 1).to(tl.float32)
        sum_3_at = sum_3_ptr + sum_3_offset + batch * sum_3_batch_stride
        sum_3_at += column * sum_3_column_stride
        sum_3 = device.sum_of_parts_along(
            sum_3_at, sum_3_parts, sum_3_elements, inside, tl.float32, BLOCK
        )
        size_2 = tl.cast(rows, tl.float32)
        over_rows = tl.div_rn(sum_3, size_2)
        v_col_next = decay * v_col + one_minus_decay * over_rows
        v_col_at = v_col_ptr + batch * v_col_batch_stride + column * v_col_column_stride
        tl.store(v_col_at, v_col_next, mask=inside)


@triton.jit
def factored_1_2_step_3(
    scalars,
    g_ptr,
    v_row_ptr,
    v_col_ptr,
    sum_2_ptr,
    sum_4_ptr,
    v_row_batch_stride,
    v_row_row_stride,
    rows,
    sum_2_batch_stride,
    sum_2_offset,
    v_col_batch_stride,
    v_col_column_stride,
    columns,
    row_stride,
    column_stride,
    batches,
    sum_4_offset,
    batch_stride,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, v_row, v_col, sum_2; writes sum_4."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    batch = program // column_tiles // row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    sum_2 = tl.load(sum_2_ptr + sum_2_offset + batch * sum_2_batch_stride).to(tl.float32)
    size_2 = tl.cast(rows, tl.float32)
    term = tl.div_rn(sum_2, size_2)
    v_col_at = v_col_ptr + batch * v_col_batch_stride + column * v_col_column_stride
    v_col = tl.load(v_col_at, mask=inside_columns).to(tl.float32)
    term_2 = tl.div_rn(1.0, tl.sqrt_rn(v_col))
    sum_4_total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(batch, tl.int64) * batch_stride
        start += tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        v_row_at = v_row_ptr + batch * v_row_batch_stride + row * v_row_row_stride
        v_row = tl.load(v_row_at, mask=row < rows).to(tl.float32)
        row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, term)))
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        scale_by_factored_rms = g * row_factor * term_2
        term_3 = scale_by_factored_rms * scale_by_factored_rms
        sum_4_total += tl.where(inside, term_3, 0.0)
    sum_4_at = sum_4_ptr + sum_4_offset
    sum_4_at += (batch * row_chunks + row_chunk) * column_tiles + column_tile
    tl.store(sum_4_at, device.sum_of(sum_4_total))


@triton.jit
def factored_1_2_step_4(
    scalars,
    g_ptr,
    p_ptr,
    ema_ptr,
    v_row_ptr,
    v_col_ptr,
    sum_2_ptr,
    sum_4_ptr,
    sum_5_ptr,
    v_row_batch_stride,
    v_row_row_stride,
    rows,
    sum_2_batch_stride,
    sum_2_offset,
    v_col_batch_stride,
    v_col_column_stride,
    sum_4_offset,
    sum_4_parts,
    batches,
    columns,
    sum_5_offset,
    sum_5_parts,
    row_stride,
    column_stride,
    batch_stride,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p, ema, v_row, v_col, sum_2, sum_4, sum_5; writes p, ema."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    batch = program // column_tiles // row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    one_minus_momentum = tl.load(scalars + 0).to(tl.float32)
    learning_rate = tl.load(scalars + 1).to(tl.float32)
    sum_2 = tl.load(sum_2_ptr + sum_2_offset + batch * sum_2_batch_stride).to(tl.float32)
    size_2 = tl.cast(rows, tl.float32)
    term = tl.div_rn(sum_2, size_2)
    sum_4 = device.sum_of_parts(sum_4_ptr + sum_4_offset, sum_4_parts, tl.float32)
    size_3 = tl.cast(tl.cast(batches, tl.int64) * rows * columns, tl.float32)
    rms = tl.sqrt_rn(tl.div_rn(sum_4, size_3))
    clipping_threshold = tl.load(scalars + 2).to(tl.float32)
    factor = device.maximum(tl.full((), 1, tl.float32), tl.div_rn(rms, clipping_threshold))
    sum_5 = device.sum_of_parts(sum_5_ptr + sum_5_offset, sum_5_parts, tl.float32)
    factor_2 = tl.div_rn(sum_5, size_3)
    term_3 = tl.where(factor_2 <= 1e-06, tl.full((), 1e-06, tl.float32), factor_2)
    rms_2 = tl.sqrt_rn(term_3)
    momentum = tl.load(scalars + 3).to(tl.float32)
    v_col_at = v_col_ptr + batch * v_col_batch_stride + column * v_col_column_stride
    v_col = tl.load(v_col_at, mask=inside_columns).to(tl.float32)
    term_2 = tl.div_rn(1.0, tl.sqrt_rn(v_col))
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(batch, tl.int64) * batch_stride
        start += tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        v_row_at = v_row_ptr + batch * v_row_batch_stride + row * v_row_row_stride
        v_row = tl.load(v_row_at, mask=row < rows).to(tl.float32)
        row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, term)))
        p = tl.load(p_ptr + start + offsets, mask=inside).to(tl.float32)
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        scale_by_factored_rms = g * row_factor * term_2
        clip_by_block_rms = tl.div_rn(scale_by_factored_rms, factor)
        scale_by_learning_rate = learning_rate * clip_by_block_rms
        scale_by_param_block_rms = scale_by_learning_rate * rms_2
        ema = tl.load(ema_ptr + start + offsets, mask=inside).to(tl.float32)
        ema_2 = one_minus_momentum * scale_by_param_block_rms + momentum * ema
        tl.store(p_ptr + start + offsets, p + -ema_2, mask=inside)
        tl.store(ema_ptr + start + offsets, ema_2, mask=inside)


@triton.jit
def factored_2_1_step_1(
    scalars,
    g_ptr,
    p_ptr,
    sum_1_ptr,
    sum_3_ptr,
    sum_5_ptr,
    rows,
    columns,
    row_stride,
    column_stride,
    sum_1_elements,
    sum_1_batch_stride,
    sum_1_column_stride,
    sum_1_offset,
    sum_3_elements,
    sum_3_batch_stride,
    sum_3_row_stride,
    sum_3_offset,
    batches,
    sum_5_offset,
    batch_stride,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p; writes sum_1, sum_3, sum_5."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    batch = program // column_tiles // row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    eps = tl.load(scalars + 0).to(tl.float32)
    sum_1_total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    sum_5_total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(batch, tl.int64) * batch_stride
        start += tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        square = g * g + eps
        p = tl.load(p_ptr + start + offsets, mask=inside).to(tl.float32)
        p_squared = p * p
        sum_1_total += tl.where(inside, square, 0.0)
        sum_3_at = sum_3_ptr + sum_3_offset + column_tile * sum_3_elements
        sum_3_at += batch * sum_3_batch_stride + row * sum_3_row_stride
        tl.store(sum_3_at, device.sum_of(tl.where(inside, square, 0.0), 1), mask=row < rows)
        sum_5_total += tl.where(inside, p_squared, 0.0)
    sum_1_at = sum_1_ptr + sum_1_offset + row_chunk * sum_1_elements
    sum_1_at += batch * sum_1_batch_stride + column * sum_1_column_stride
    tl.store(sum_1_at, device.sum_of(sum_1_total, 0), mask=inside_columns)
    sum_5_at = sum_5_ptr + sum_5_offset
    sum_5_at += (batch * row_chunks + row_chunk) * column_tiles + column_tile
    tl.store(sum_5_at, device.sum_of(sum_5_total))


@triton.jit
def factored_2_1_step_2(
    scalars,
    v_row_ptr,
    v_col_ptr,
    sum_1_ptr,
    sum_3_ptr,
    sum_2_ptr,
    v_row_batch_stride,
    v_row_column_stride,
    sum_1_batch_stride,
    sum_1_column_stride,
    sum_1_offset,
    sum_1_parts,
    sum_1_elements,
    rows,
    columns,
    sum_2_batch_stride,
    sum_2_offset,
    v_col_batch_stride,
    v_col_row_stride,
    sum_3_batch_stride,
    sum_3_row_stride,
    sum_3_offset,
    sum_3_parts,
    sum_3_elements,
    program,
    BLOCK: tl.constexpr,
):
    """Reads v_row, v_col, sum_1, sum_3; writes v_row, v_col, sum_2."""
    batch = program
    reduced_1_total = tl.full((BLOCK,), 0.0, tl.float32)
    for block in range(tl.cdiv(columns, BLOCK)):
        index = block * BLOCK + tl.arange(0, BLOCK)
        inside = index < columns
        column = index
        decay = tl.load(scalars + 0).to(tl.float32)
        v_row_at = v_row_ptr + batch * v_row_batch_stride + column * v_row_column_stride
        v_row = tl.load(v_row_at, mask=inside).to(tl.float32)
        one_minus_decay = tl.load(scalars + 1).to(tl.float32)
        sum_1_at = sum_1_ptr + sum_1_offset + batch * sum_1_batch_stride
        sum_1_at += column * sum_1_column_stride
        sum_1 = device.sum_of_parts_along(
            sum_1_at, sum_1_parts, sum_1_elements, inside, tl.float32, BLOCK
        )
        size_2 = tl.cast(rows, tl.float32)
        over_rows = tl.div_rn(sum_1, size_2)
        v_row_next = decay * v_row + one_minus_decay * over_rows
        reduced_1_total += tl.where(inside, v_row_next, 0.0)
    reduced_1 = device.sum_of(reduced_1_total)
    tl.store(sum_2_ptr + sum_2_offset + batch * sum_2_batch_stride, reduced_1)
    tl.debug_barrier()
    for block in range(tl.cdiv(columns, BLOCK)):
        index = block * BLOCK + tl.arange(0, BLOCK)
        inside = index < columns
        column = index
        decay = tl.load(scalars + 0).to(tl.float32)
        v_row_at = v_row_ptr + batch * v_row_batch_stride + column * v_row_column_stride
        v_row = tl.load(v_row_at, mask=inside).to(tl.float32)
        one_minus_decay = tl.load(scalars + 1).to(tl.float32)
        sum_1_at = sum_1_ptr + sum_1_offset + batch * sum_1_batch_stride
        sum_1_at += column * sum_1_column_stride
        sum_1 = device.sum_of_parts_along(
            sum_1_at, sum_1_parts, sum_1_elements, inside, tl.float32, BLOCK
        )
        size_2 = tl.cast(rows, tl.float32)
        over_rows = tl.div_rn(sum_1, size_2)
        v_row_next = decay * v_row + one_minus_decay * over_rows
        v_row_at = v_row_ptr + batch * v_row_batch_stride + column * v_row_column_stride
        tl.store(v_row_at, v_row_next, mask=inside)
    tl.debug_barrier()
    for block in range(tl.cdiv(rows, BLOCK)):
        index = block * BLOCK + tl.arange(0, BLOCK)
        inside = index < rows
        row = index
        decay = tl.load(scalars + 0).to(tl.float32)
        v_col_at = v_col_ptr + batch * v_col_batch_stride + row * v_col_row_stride
        v_col = tl.load(v_col_at, mask=inside).to(tl.float32)
        one_minus_decay = tl.load(scalars + 1).to(tl.float32)
        sum_3_at = sum_3_ptr + sum_3_offset + batch * sum_3_batch_stride + row * sum_3_row_stride
        sum_3 = device.sum_of_parts_along(
            sum_3_at, sum_3_parts, sum_3_elements, inside, tl.float32, BLOCK
        )
        size_2 = tl.cast(columns, tl.float32)
        over_columns = tl.div_rn(sum_3, size_2)
        v_col_next = decay * v_col + one_minus_decay * over_columns
        v_col_at = v_col_ptr + batch * v_col_batch_stride + row * v_col_row_stride
        tl.store(v_col_at, v_col_next, mask=inside)


@triton.jit
def factored_2_1_step_3(
    scalars,
    g_ptr,
    v_row_ptr,
    v_col_ptr,
    sum_2_ptr,
    sum_4_ptr,
    v_row_batch_stride,
    v_row_column_stride,
    sum_2_batch_stride,
    sum_2_offset,
    columns,
    v_col_batch_stride,
    v_col_row_stride,
    rows,
    row_stride,
    column_stride,
    batches,
    sum_4_offset,
    batch_stride,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, v_row, v_col, sum_2; writes sum_4."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    batch = program // column_tiles // row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    sum_2 = tl.load(sum_2_ptr + sum_2_offset + batch * sum_2_batch_stride).to(tl.float32)
    size_2 = tl.cast(columns, tl.float32)
    term = tl.div_rn(sum_2, size_2)
    v_row_at = v_row_ptr + batch * v_row_batch_stride + column * v_row_column_stride
    v_row = tl.load(v_row_at, mask=inside_columns).to(tl.float32)
    row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, term)))
    sum_4_total = tl.full((ROWS, COLUMNS), 0.0, tl.float32)
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(batch, tl.int64) * batch_stride
        start += tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        v_col_at = v_col_ptr + batch * v_col_batch_stride + row * v_col_row_stride
        v_col = tl.load(v_col_at, mask=row < rows).to(tl.float32)
        term_2 = tl.div_rn(1.0, tl.sqrt_rn(v_col))
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        scale_by_factored_rms = g * row_factor * term_2
        term_3 = scale_by_factored_rms * scale_by_factored_rms
        sum_4_total += tl.where(inside, term_3, 0.0)
    sum_4_at = sum_4_ptr + sum_4_offset
    sum_4_at += (batch * row_chunks + row_chunk) * column_tiles + column_tile
    tl.store(sum_4_at, device.sum_of(sum_4_total))


@triton.jit
def factored_2_1_step_4(
    scalars,
    g_ptr,
    p_ptr,
    ema_ptr,
    v_row_ptr,
    v_col_ptr,
    sum_2_ptr,
    sum_4_ptr,
    sum_5_ptr,
    v_row_batch_stride,
    v_row_column_stride,
    sum_2_batch_stride,
    sum_2_offset,
    columns,
    v_col_batch_stride,
    v_col_row_stride,
    rows,
    sum_4_offset,
    sum_4_parts,
    batches,
    sum_5_offset,
    sum_5_parts,
    row_stride,
    column_stride,
    batch_stride,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p, ema, v_row, v_col, sum_2, sum_4, sum_5; writes p, ema."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    batch = program // column_tiles // row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    one_minus_momentum = tl.load(scalars + 0).to(tl.float32)
    learning_rate = tl.load(scalars + 1).to(tl.float32)
    sum_2 = tl.load(sum_2_ptr + sum_2_offset + batch * sum_2_batch_stride).to(tl.float32)
    size_2 = tl.cast(columns, tl.float32)
    term = tl.div_rn(sum_2, size_2)
    sum_4 = device.sum_of_parts(sum_4_ptr + sum_4_offset, sum_4_parts, tl.float32)
    size_3 = tl.cast(tl.cast(batches, tl.int64) * rows * columns, tl.float32)
    rms = tl.sqrt_rn(tl.div_rn(sum_4, size_3))
    clipping_threshold = tl.load(scalars + 2).to(tl.float32)
    factor = device.maximum(tl.full((), 1, tl.float32), tl.div_rn(rms, clipping_threshold))
    sum_5 = device.sum_of_parts(sum_5_ptr + sum_5_offset, sum_5_parts, tl.float32)
    factor_2 = tl.div_rn(sum_5, size_3)
    term_3 = tl.where(factor_2 <= 1e-06, tl.full((), 1e-06, tl.float32), factor_2)
    rms_2 = tl.sqrt_rn(term_3)
    momentum = tl.load(scalars + 3).to(tl.float32)
    v_row_at = v_row_ptr + batch * v_row_batch_stride + column * v_row_column_stride
    v_row = tl.load(v_row_at, mask=inside_columns).to(tl.float32)
    row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, term)))
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(batch, tl.int64) * batch_stride
        start += tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        v_col_at = v_col_ptr + batch * v_col_batch_stride + row * v_col_row_stride
        v_col = tl.load(v_col_at, mask=row < rows).to(tl.float32)
        term_2 = tl.div_rn(1.0, tl.sqrt_rn(v_col))
        p = tl.load(p_ptr + start + offsets, mask=inside).to(tl.float32)
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        scale_by_factored_rms = g * row_factor * term_2
        clip_by_block_rms = tl.div_rn(scale_by_factored_rms, factor)
        scale_by_learning_rate = learning_rate * clip_by_block_rms
        scale_by_param_block_rms = scale_by_learning_rate * rms_2
        ema = tl.load(ema_ptr + start + offsets, mask=inside).to(tl.float32)
        ema_2 = one_minus_momentum * scale_by_param_block_rms + momentum * ema
        tl.store(p_ptr + start + offsets, p + -ema_2, mask=inside)
        tl.store(ema_ptr + start + offsets, ema_2, mask=inside)


@triton.jit
def whole_update_2_tile(
    g_ptr,
    v_ptr,
    ema_ptr,
    update_ptr,
    offsets,
    inside,
    one_minus_momentum,
    learning_rate,
    factor,
    rms_2,
    momentum,
):
    """Reads g, v, ema, sum_1, sum_2; writes ema, update."""
    g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)
    v = tl.load(v_ptr + offsets, mask=inside).to(tl.float32)
    scale_by_factored_rms = g * tl.div_rn(1.0, tl.sqrt_rn(v))
    clip_by_block_rms = tl.div_rn(scale_by_factored_rms, factor)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    ema = tl.load(ema_ptr + offsets, mask=inside).to(tl.float32)
    ema_2 = one_minus_momentum * scale_by_param_block_rms + momentum * ema
    tl.store(update_ptr + offsets, -ema_2, mask=inside)
    tl.store(ema_ptr + offsets, ema_2, mask=inside)


@triton.jit
def whole_update_2(
    scalars,
    g_ptr,
    v_ptr,
    ema_ptr,
    update_ptr,
    sum_1_ptr,
    sum_2_ptr,
    sum_1_parts,
    sum_1_offset,
    size,
    sum_2_parts,
    sum_2_offset,
    program,
    BLOCK: tl.constexpr,
):
    """Reads g, v, ema, sum_1, sum_2; writes ema, update."""
    one_minus_momentum = tl.load(scalars + 0).to(tl.float32)
    learning_rate = tl.load(scalars + 1).to(tl.float32)
    sum_1 = device.sum_of_parts(sum_1_ptr + sum_1_offset, sum_1_parts, tl.float32)
    size_2 = tl.cast(size, tl.float32)
    rms = tl.sqrt_rn(tl.div_rn(sum_1, size_2))
    clipping_threshold = tl.load(scalars + 2).to(tl.float32)
    factor = device.maximum(tl.full((), 1, tl.float32), tl.div_rn(rms, clipping_threshold))
    sum_2 = device.sum_of_parts(sum_2_ptr + sum_2_offset, sum_2_parts, tl.float32)
    factor_2 = tl.div_rn(sum_2, size_2)
    term = tl.where(factor_2 <= 1e-06, tl.full((), 1e-06, tl.float32), factor_2)
    rms_2 = tl.sqrt_rn(term)
    momentum = tl.load(scalars + 3).to(tl.float32)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        whole_update_2_tile(
            g_ptr + start,
            v_ptr + start,
            ema_ptr + start,
            update_ptr + start,
            offsets,
            None,
            one_minus_momentum,
            learning_rate,
            factor,
            rms_2,
            momentum,
        )
    else:
        whole_update_2_tile(
            g_ptr + start,
            v_ptr + start,
            ema_ptr + start,
            update_ptr + start,
            offsets,
            offsets < size - start,
            one_minus_momentum,
            learning_rate,
            factor,
            rms_2,
            momentum,
        )


@triton.jit
def factored_0_1_update_4(
    scalars,
    g_ptr,
    ema_ptr,
    update_ptr,
    v_row_ptr,
    v_col_ptr,
    sum_2_ptr,
    sum_4_ptr,
    sum_5_ptr,
    v_row_row_stride,
    rows,
    sum_2_offset,
    sum_2_parts,
    v_col_column_stride,
    sum_4_offset,
    sum_4_parts,
    columns,
    sum_5_offset,
    sum_5_parts,
    row_stride,
    column_stride,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, ema, v_row, v_col, sum_2, sum_4, sum_5; writes ema, update."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    one_minus_momentum = tl.load(scalars + 0).to(tl.float32)
    learning_rate = tl.load(scalars + 1).to(tl.float32)
    sum_2 = device.sum_of_parts(sum_2_ptr + sum_2_offset, sum_2_parts, tl.float32)
    size_2 = tl.cast(rows, tl.float32)
    factor = tl.div_rn(sum_2, size_2)
    sum_4 = device.sum_of_parts(sum_4_ptr + sum_4_offset, sum_4_parts, tl.float32)
    size_3 = tl.cast(tl.cast(rows, tl.int64) * columns, tl.float32)
    rms = tl.sqrt_rn(tl.div_rn(sum_4, size_3))
    clipping_threshold = tl.load(scalars + 2).to(tl.float32)
    factor_2 = device.maximum(tl.full((), 1, tl.float32), tl.div_rn(rms, clipping_threshold))
    sum_5 = device.sum_of_parts(sum_5_ptr + sum_5_offset, sum_5_parts, tl.float32)
    factor_3 = tl.div_rn(sum_5, size_3)
    term_2 = tl.where(factor_3 <= 1e-06, tl.full((), 1e-06, tl.float32), factor_3)
    rms_2 = tl.sqrt_rn(term_2)
    momentum = tl.load(scalars + 3).to(tl.float32)
    v_col = tl.load(v_col_ptr + column * v_col_column_stride, mask=inside_columns).to(tl.float32)
    term = tl.div_rn(1.0, tl.sqrt_rn(v_col))
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        v_row = tl.load(v_row_ptr + row * v_row_row_stride, mask=row < rows).to(tl.float32)
        row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, factor)))
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        scale_by_factored_rms = g * row_factor * term
        clip_by_block_rms = tl.div_rn(scale_by_factored_rms, factor_2)
        scale_by_learning_rate = learning_rate * clip_by_block_rms
        scale_by_param_block_rms = scale_by_learning_rate * rms_2
        ema = tl.load(ema_ptr + start + offsets, mask=inside).to(tl.float32)
        ema_2 = one_minus_momentum * scale_by_param_block_rms + momentum * ema
        tl.store(update_ptr + start + offsets, -ema_2, mask=inside)
        tl.store(ema_ptr + start + offsets, ema_2, mask=inside)


@triton.jit
def factored_1_0_update_4(
    scalars,
    g_ptr,
    ema_ptr,
    update_ptr,
    v_row_ptr,
    v_col_ptr,
    sum_2_ptr,
    sum_4_ptr,
    sum_5_ptr,
    v_row_column_stride,
    sum_2_offset,
    sum_2_parts,
    columns,
    v_col_row_stride,
    rows,
    sum_4_offset,
    sum_4_parts,
    sum_5_offset,
    sum_5_parts,
    row_stride,
    column_stride,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, ema, v_row, v_col, sum_2, sum_4, sum_5; writes ema, update."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    one_minus_momentum = tl.load(scalars + 0).to(tl.float32)
    learning_rate = tl.load(scalars + 1).to(tl.float32)
    sum_2 = device.sum_of_parts(sum_2_ptr + sum_2_offset, sum_2_parts, tl.float32)
    size_2 = tl.cast(columns, tl.float32)
    factor = tl.div_rn(sum_2, size_2)
    sum_4 = device.sum_of_parts(sum_4_ptr + sum_4_offset, sum_4_parts, tl.float32)
    size_3 = tl.cast(tl.cast(rows, tl.int64) * columns, tl.float32)
    rms = tl.sqrt_rn(tl.div_rn(sum_4, size_3))
    clipping_threshold = tl.load(scalars + 2).to(tl.float32)
    factor_2 = device.maximum(tl.full((), 1, tl.float32), tl.div_rn(rms, clipping_threshold))
    sum_5 = device.sum_of_parts(sum_5_ptr + sum_5_offset, sum_5_parts, tl.float32)
    factor_3 = tl.div_rn(sum_5, size_3)
    term_2 = tl.where(factor_3 <= 1e-06, tl.full((), 1e-06, tl.float32), factor_3)
    rms_2 = tl.sqrt_rn(term_2)
    momentum = tl.load(scalars + 3).to(tl.float32)
    v_row = tl.load(v_row_ptr + column * v_row_column_stride, mask=inside_columns).to(tl.float32)
    row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, factor)))
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        v_col = tl.load(v_col_ptr + row * v_col_row_stride, mask=row < rows).to(tl.float32)
        term = tl.div_rn(1.0, tl.sqrt_rn(v_col))
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        scale_by_factored_rms = g * row_factor * term
        clip_by_block_rms = tl.div_rn(scale_by_factored_rms, factor_2)
        scale_by_learning_rate = learning_rate * clip_by_block_rms
        scale_by_param_block_rms = scale_by_learning_rate * rms_2
        ema = tl.load(ema_ptr + start + offsets, mask=inside).to(tl.float32)
        ema_2 = one_minus_momentum * scale_by_param_block_rms + momentum * ema
        tl.store(update_ptr + start + offsets, -ema_2, mask=inside)
        tl.store(ema_ptr + start + offsets, ema_2, mask=inside)


@triton.jit
def factored_1_2_update_4(
    scalars,
    g_ptr,
    ema_ptr,
    update_ptr,
    v_row_ptr,
    v_col_ptr,
    sum_2_ptr,
    sum_4_ptr,
    sum_5_ptr,
    v_row_batch_stride,
    v_row_row_stride,
    rows,
    sum_2_batch_stride,
    sum_2_offset,
    v_col_batch_stride,
    v_col_column_stride,
    sum_4_offset,
    sum_4_parts,
    batches,
    columns,
    sum_5_offset,
    sum_5_parts,
    row_stride,
    column_stride,
    batch_stride,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, ema, v_row, v_col, sum_2, sum_4, sum_5; writes ema, update."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    batch = program // column_tiles // row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    one_minus_momentum = tl.load(scalars + 0).to(tl.float32)
    learning_rate = tl.load(scalars + 1).to(tl.float32)
    sum_2 = tl.load(sum_2_ptr + sum_2_offset + batch * sum_2_batch_stride).to(tl.float32)
    size_2 = tl.cast(rows, tl.float32)
    term = tl.div_rn(sum_2, size_2)
    sum_4 = device.sum_of_parts(sum_4_ptr + sum_4_offset, sum_4_parts, tl.float32)
    size_3 = tl.cast(tl.cast(batches, tl.int64) * rows * columns, tl.float32)
    rms = tl.sqrt_rn(tl.div_rn(sum_4, size_3))
    clipping_threshold = tl.load(scalars + 2).to(tl.float32)
    factor = device.maximum(tl.full((), 1, tl.float32), tl.div_rn(rms, clipping_threshold))
    sum_5 = device.sum_of_parts(sum_5_ptr + sum_5_offset, sum_5_parts, tl.float32)
    factor_2 = tl.div_rn(sum_5, size_3)
    term_3 = tl.where(factor_2 <= 1e-06, tl.full((), 1e-06, tl.float32), factor_2)
    rms_2 = tl.sqrt_rn(term_3)
    momentum = tl.load(scalars + 3).to(tl.float32)
    v_col_at = v_col_ptr + batch * v_col_batch_stride + column * v_col_column_stride
    v_col = tl.load(v_col_at, mask=inside_columns).to(tl.float32)
    term_2 = tl.div_rn(1.0, tl.sqrt_rn(v_col))
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(batch, tl.int64) * batch_stride
        start += tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        v_row_at = v_row_ptr + batch * v_row_batch_stride + row * v_row_row_stride
        v_row = tl.load(v_row_at, mask=row < rows).to(tl.float32)
        row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, term)))
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        scale_by_factored_rms = g * row_factor * term_2
        clip_by_block_rms = tl.div_rn(scale_by_factored_rms, factor)
        scale_by_learning_rate = learning_rate * clip_by_block_rms
        scale_by_param_block_rms = scale_by_learning_rate * rms_2
        ema = tl.load(ema_ptr + start + offsets, mask=inside).to(tl.float32)
        ema_2 = one_minus_momentum * scale_by_param_block_rms + momentum * ema
        tl.store(update_ptr + start + offsets, -ema_2, mask=inside)
        tl.store(ema_ptr + start + offsets, ema_2, mask=inside)


@triton.jit
def factored_2_1_update_4(
    scalars,
    g_ptr,
    ema_ptr,
    update_ptr,
    v_row_ptr,
    v_col_ptr,
    sum_2_ptr,
    sum_4_ptr,
    sum_5_ptr,
    v_row_batch_stride,
    v_row_column_stride,
    sum_2_batch_stride,
    sum_2_offset,
    columns,
    v_col_batch_stride,
    v_col_row_stride,
    rows,
    sum_4_offset,
    sum_4_parts,
    batches,
    sum_5_offset,
    sum_5_parts,
    row_stride,
    column_stride,
    batch_stride,
    tiles,
    program,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, ema, v_row, v_col, sum_2, sum_4, sum_5; writes ema, update."""
    column_tiles = tl.cdiv(columns, COLUMNS)
    row_chunks = tl.cdiv(rows, ROWS * tiles)
    column_tile = program % column_tiles
    first_column = column_tile * COLUMNS
    row_chunk = program // column_tiles % row_chunks
    batch = program // column_tiles // row_chunks
    inside_columns = tl.arange(0, COLUMNS)[None, :] < columns - first_column
    column = first_column + tl.arange(0, COLUMNS)[None, :]
    offsets = tl.arange(0, ROWS)[:, None] * row_stride
    offsets += tl.arange(0, COLUMNS)[None, :] * column_stride
    one_minus_momentum = tl.load(scalars + 0).to(tl.float32)
    learning_rate = tl.load(scalars + 1).to(tl.float32)
    sum_2 = tl.load(sum_2_ptr + sum_2_offset + batch * sum_2_batch_stride).to(tl.float32)
    size_2 = tl.cast(columns, tl.float32)
    term = tl.div_rn(sum_2, size_2)
    sum_4 = device.sum_of_parts(sum_4_ptr + sum_4_offset, sum_4_parts, tl.float32)
    size_3 = tl.cast(tl.cast(batches, tl.int64) * rows * columns, tl.float32)
    rms = tl.sqrt_rn(tl.div_rn(sum_4, size_3))
    clipping_threshold = tl.load(scalars + 2).to(tl.float32)
    factor = device.maximum(tl.full((), 1, tl.float32), tl.div_rn(rms, clipping_threshold))
    sum_5 = device.sum_of_parts(sum_5_ptr + sum_5_offset, sum_5_parts, tl.float32)
    factor_2 = tl.div_rn(sum_5, size_3)
    term_3 = tl.where(factor_2 <= 1e-06, tl.full((), 1e-06, tl.float32), factor_2)
    rms_2 = tl.sqrt_rn(term_3)
    momentum = tl.load(scalars + 3).to(tl.float32)
    v_row_at = v_row_ptr + batch * v_row_batch_stride + column * v_row_column_stride
    v_row = tl.load(v_row_at, mask=inside_columns).to(tl.float32)
    row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, term)))
    whole = tl.cdiv(rows, ROWS)
    first = row_chunk * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        first_row = tile * ROWS
        row = first_row + tl.arange(0, ROWS)[:, None]
        inside = (row < rows) & inside_columns
        start = tl.cast(batch, tl.int64) * batch_stride
        start += tl.cast(first_row, tl.int64) * row_stride
        start += tl.cast(first_column, tl.int64) * column_stride
        v_col_at = v_col_ptr + batch * v_col_batch_stride + row * v_col_row_stride
        v_col = tl.load(v_col_at, mask=row < rows).to(tl.float32)
        term_2 = tl.div_rn(1.0, tl.sqrt_rn(v_col))
        g = tl.load(g_ptr + start + offsets, mask=inside).to(tl.float32)
        scale_by_factored_rms = g * row_factor * term_2
        clip_by_block_rms = tl.div_rn(scale_by_factored_rms, factor)
        scale_by_learning_rate = learning_rate * clip_by_block_rms
        scale_by_param_block_rms = scale_by_learning_rate * rms_2
        ema = tl.load(ema_ptr + start + offsets, mask=inside).to(tl.float32)
        ema_2 = one_minus_momentum * scale_by_param_block_rms + momentum * ema
        tl.store(update_ptr + start + offsets, -ema_2, mask=inside)
        tl.store(ema_ptr + start + offsets, ema_2, mask=inside)
