"""Adafactor (Shazeer and Stern, 2018, arXiv:1804.04235).

For leaves with factored_axes(128) = None:

    decay = 1 - (t - decay_offset)**-decay_rate
    square = g**2 + eps
    v' = decay*v + (1 - decay)*square
    scale_by_factored_rms = g*rsqrt(v')
    update_rms = sqrt(mean(scale_by_factored_rms**2))
    clip_by_block_rms = scale_by_factored_rms/maximum(1, update_rms/clipping_threshold)
    scale_by_learning_rate = learning_rate*clip_by_block_rms
    param_mean_square = mean(p**2)
    param_rms = sqrt(where(param_mean_square <= 1e-06, 1e-06, param_mean_square))
    scale_by_param_block_rms = scale_by_learning_rate*param_rms
    p' = p - scale_by_param_block_rms

For leaves with factored_axes(128) = (0, 1) and ndim 2, or factored_axes(128) = (1, 0) and ndim
2, or factored_axes(128) = (1, 2) and ndim 3, or more:

    decay = 1 - (t - decay_offset)**-decay_rate
    square = g**2 + eps
    over_rows = mean(square, axis=columns)
    v_row' = decay*v_row + (1 - decay)*over_rows
    row_factor = rsqrt(v_row'/mean(v_row', axis=rows))
    over_columns = mean(square, axis=rows)
    v_col' = decay*v_col + (1 - decay)*over_columns
    scale_by_factored_rms = g*row_factor*rsqrt(v_col')
    update_rms = sqrt(mean(scale_by_factored_rms**2))
    clip_by_block_rms = scale_by_factored_rms/maximum(1, update_rms/clipping_threshold)
    scale_by_learning_rate = learning_rate*clip_by_block_rms
    param_mean_square = mean(p**2)
    param_rms = sqrt(where(param_mean_square <= 1e-06, 1e-06, param_mean_square))
    scale_by_param_block_rms = scale_by_learning_rate*param_rms
    p' = p - scale_by_param_block_rms

Emitted for min_dim_size_to_factor=128, multiply_by_parameter_scale=True, momentum=None,
dtype_momentum='float32', weight_decay_rate=None, factored=True.

Emitted by optgen: change the rule, not this file. Each function is one kernel, on the part of one
leaf that is a program's own; a launch chooses the leaf.
Tiles of matrices lie along memory, OUTER by INNER elements: ROWS_INNERMOST says that the elements
of a column, and not those of a row, are next to each other.
"""

import triton
import triton.language as tl

from optgen.runtime.execution.triton import device


@triton.jit
def whole_sweep_tile(g_ptr, p_ptr, v_ptr, offsets, inside, decay, one_minus_decay, eps):
    """Reads g, p, v; writes v, scale_by_factored_rms_square_sum, p_square_sum."""
    g = tl.load(g_ptr + offsets, mask=inside)
    v = tl.load(v_ptr + offsets, mask=inside)
    square = g * g + eps
    v_next = decay * v + one_minus_decay * square
    scale_by_factored_rms = g * tl.div_rn(1.0, tl.sqrt_rn(v_next))
    scale_by_factored_rms_square = scale_by_factored_rms * scale_by_factored_rms
    p = tl.load(p_ptr + offsets, mask=inside)
    p_square = p * p
    tl.store(v_ptr + offsets, v_next, mask=inside)
    return scale_by_factored_rms_square, p_square


@triton.jit
def whole_sweep(
    scalars,
    g_ptr,
    p_ptr,
    v_ptr,
    scale_by_factored_rms_square_sum_ptr,
    p_square_sum_ptr,
    size,
    tiles,
    program,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p, v; writes v, scale_by_factored_rms_square_sum, p_square_sum."""
    decay = tl.load(scalars + 0)
    one_minus_decay = tl.load(scalars + 1)
    eps = tl.load(scalars + 2)
    offsets = tl.arange(0, BLOCK)
    scale_by_factored_rms_square_sum = tl.full((BLOCK,), 0.0, tl.float32)
    p_square_sum = tl.full((BLOCK,), 0.0, tl.float32)
    whole = tl.cast(size // BLOCK, tl.int32)
    first = program * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        start = tl.cast(tile, tl.int64) * BLOCK
        scale_by_factored_rms_square_sum_tile, p_square_sum_tile = whole_sweep_tile(
            g_ptr + start, p_ptr + start, v_ptr + start, offsets, None, decay, one_minus_decay, eps
        )
        scale_by_factored_rms_square_sum += scale_by_factored_rms_square_sum_tile
        p_square_sum += p_square_sum_tile
    if (first + tiles > whole) & (size % BLOCK != 0):
        start = tl.cast(whole, tl.int64) * BLOCK
        inside = offsets < size - start
        scale_by_factored_rms_square_sum_tile, p_square_sum_tile = whole_sweep_tile(
            g_ptr + start,
            p_ptr + start,
            v_ptr + start,
            offsets,
            inside,
            decay,
            one_minus_decay,
            eps,
        )
        scale_by_factored_rms_square_sum += tl.where(
            inside, scale_by_factored_rms_square_sum_tile, 0.0
        )
        p_square_sum += tl.where(inside, p_square_sum_tile, 0.0)
    tl.store(
        scale_by_factored_rms_square_sum_ptr + program,
        device.sum_of(scale_by_factored_rms_square_sum),
    )
    tl.store(p_square_sum_ptr + program, device.sum_of(p_square_sum))


@triton.jit
def whole_step_tile(g_ptr, p_ptr, v_ptr, offsets, inside, learning_rate, factor, param_rms):
    """Reads g, p, v, scale_by_factored_rms_square_sum, p_square_sum; writes p."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    v = tl.load(v_ptr + offsets, mask=inside)
    scale_by_factored_rms = g * tl.div_rn(1.0, tl.sqrt_rn(v))
    clip_by_block_rms = tl.div_rn(scale_by_factored_rms, factor)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    scale_by_param_block_rms = scale_by_learning_rate * param_rms
    tl.store(p_ptr + offsets, p - scale_by_param_block_rms, mask=inside)


@triton.jit
def whole_step(
    scalars,
    g_ptr,
    p_ptr,
    v_ptr,
    scale_by_factored_rms_square_sum_ptr,
    p_square_sum_ptr,
    size,
    scale_by_factored_rms_square_sum_parts,
    p_square_sum_parts,
    program,
    BLOCK: tl.constexpr,
):
    """Reads g, p, v, scale_by_factored_rms_square_sum, p_square_sum; writes p."""
    learning_rate = tl.load(scalars + 0)
    scale_by_factored_rms_square_sum = device.sum_of_parts(
        scale_by_factored_rms_square_sum_ptr, scale_by_factored_rms_square_sum_parts, 1
    )
    size_2 = tl.cast(size, tl.float32)
    update_rms = tl.sqrt_rn(tl.div_rn(scale_by_factored_rms_square_sum, size_2))
    clipping_threshold = tl.load(scalars + 1)
    factor = device.maximum(tl.full((), 1, tl.float32), tl.div_rn(update_rms, clipping_threshold))
    p_square_sum = device.sum_of_parts(p_square_sum_ptr, p_square_sum_parts, 1)
    param_mean_square = tl.div_rn(p_square_sum, size_2)
    term = tl.where(param_mean_square <= 1e-06, tl.full((), 1e-06, tl.float32), param_mean_square)
    param_rms = tl.sqrt_rn(term)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        whole_step_tile(
            g_ptr + start,
            p_ptr + start,
            v_ptr + start,
            offsets,
            None,
            learning_rate,
            factor,
            param_rms,
        )
    else:
        whole_step_tile(
            g_ptr + start,
            p_ptr + start,
            v_ptr + start,
            offsets,
            offsets < size - start,
            learning_rate,
            factor,
            param_rms,
        )


@triton.jit
def factored_statistics(
    scalars,
    g_ptr,
    p_ptr,
    square_row_sums_ptr,
    square_column_sums_ptr,
    p_square_sum_ptr,
    outer_extent,
    inner_extent,
    square_row_sums_row_stride,
    square_row_sums_elements,
    square_column_sums_column_stride,
    square_column_sums_elements,
    outer_stride,
    inner_stride,
    batch_stride,
    square_row_sums_batch_stride,
    square_column_sums_batch_stride,
    tiles,
    program,
    ROWS_INNERMOST: tl.constexpr,
    OUTER: tl.constexpr,
    INNER: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p; writes square_row_sums, square_column_sums, p_square_sum."""
    strips = tl.cdiv(inner_extent, INNER)
    chunks = tl.cdiv(outer_extent, OUTER * tiles)
    strip = program % strips
    chunk = program // strips % chunks
    batch = program // strips // chunks
    first_inner = strip * INNER
    inner = first_inner + tl.arange(0, INNER)[None, :]
    offsets = tl.arange(0, OUTER)[:, None] * outer_stride
    offsets += tl.arange(0, INNER)[None, :] * inner_stride
    square_row_sums_ptr += batch * square_row_sums_batch_stride
    square_column_sums_ptr += batch * square_column_sums_batch_stride
    eps = tl.load(scalars + 0)
    square_row_sums = tl.full((OUTER, INNER), 0.0, tl.float32)
    square_column_sums = tl.full((OUTER, INNER), 0.0, tl.float32)
    p_square_sum = tl.full((OUTER, INNER), 0.0, tl.float32)
    first = chunk * tiles
    last = tl.minimum(first + tiles, tl.cdiv(outer_extent, OUTER))
    for tile in tl.range(first, last, num_stages=STAGES):
        first_outer = tile * OUTER
        outer = first_outer + tl.arange(0, OUTER)[:, None]
        inside = (outer < outer_extent) & (inner < inner_extent)
        start = tl.cast(first_outer, tl.int64) * outer_stride
        start += tl.cast(first_inner, tl.int64) * inner_stride
        start += tl.cast(batch, tl.int64) * batch_stride
        g = tl.load(g_ptr + start + offsets, mask=inside)
        square = g * g + eps
        p = tl.load(p_ptr + start + offsets, mask=inside)
        p_square = p * p
        p_square_sum += tl.where(inside, p_square, 0.0)
        if ROWS_INNERMOST:
            square_row_sums += tl.where(inside, square, 0.0)
            square_column_sums_at = square_column_sums_ptr
            square_column_sums_at += strip * square_column_sums_elements
            square_column_sums_at += outer * square_column_sums_column_stride
            tl.store(
                square_column_sums_at,
                device.sum_of(tl.where(inside, square, 0.0), 1),
                mask=outer < outer_extent,
            )
        else:
            square_row_sums_at = square_row_sums_ptr + strip * square_row_sums_elements
            square_row_sums_at += outer * square_row_sums_row_stride
            tl.store(
                square_row_sums_at,
                device.sum_of(tl.where(inside, square, 0.0), 1),
                mask=outer < outer_extent,
            )
            square_column_sums += tl.where(inside, square, 0.0)
    tl.store(p_square_sum_ptr + program, device.sum_of(p_square_sum))
    if ROWS_INNERMOST:
        square_row_sums_at = square_row_sums_ptr + chunk * square_row_sums_elements
        square_row_sums_at += inner * square_row_sums_row_stride
        tl.store(square_row_sums_at, device.sum_of(square_row_sums, 0), mask=inner < inner_extent)
    else:
        square_column_sums_at = square_column_sums_ptr
        square_column_sums_at += chunk * square_column_sums_elements
        square_column_sums_at += inner * square_column_sums_column_stride
        tl.store(
            square_column_sums_at, device.sum_of(square_column_sums, 0), mask=inner < inner_extent
        )


@triton.jit
def factored_finalize(
    scalars,
    v_row_ptr,
    v_col_ptr,
    square_row_sums_ptr,
    square_column_sums_ptr,
    v_row_next_batch_sums_ptr,
    batches,
    rows,
    columns,
    v_row_batch_stride,
    v_row_row_stride,
    square_row_sums_batch_stride,
    square_row_sums_row_stride,
    square_row_sums_parts,
    square_row_sums_elements,
    v_row_next_batch_sums_elements,
    v_col_batch_stride,
    v_col_column_stride,
    square_column_sums_batch_stride,
    square_column_sums_column_stride,
    square_column_sums_parts,
    square_column_sums_elements,
    program,
    BLOCK: tl.constexpr,
):
    """One kernel, on a part of a leaf.

    Reads v_row, v_col, square_row_sums, square_column_sums; writes v_row, v_col,
    v_row_next_batch_sums.
    """
    programs = batches * tl.cdiv(rows, BLOCK)
    if (program >= 0) & (program < programs):
        blocks = tl.cdiv(rows, BLOCK)
        block = program % blocks
        batch = program // blocks
        row = block * BLOCK + tl.arange(0, BLOCK)
        inside = row < rows
        decay = tl.load(scalars + 0)
        v_row = tl.load(
            v_row_ptr + batch * v_row_batch_stride + row * v_row_row_stride, mask=inside
        )
        one_minus_decay = tl.load(scalars + 1)
        square_row_sums_at = square_row_sums_ptr + batch * square_row_sums_batch_stride
        square_row_sums_at += row * square_row_sums_row_stride
        square_row_sums = device.sum_of_parts_along(
            square_row_sums_at, square_row_sums_parts, square_row_sums_elements, inside, BLOCK
        )
        size = tl.cast(columns, tl.float32)
        over_rows = tl.div_rn(square_row_sums, size)
        v_row_next = decay * v_row + one_minus_decay * over_rows
        tl.store(
            v_row_next_batch_sums_ptr + block * v_row_next_batch_sums_elements + batch,
            device.sum_of(tl.where(inside, v_row_next, 0.0)),
        )
        tl.store(
            v_row_ptr + batch * v_row_batch_stride + row * v_row_row_stride, v_row_next, mask=inside
        )
    program -= programs
    programs = tl.cdiv(tl.cast(batches, tl.int64) * columns, BLOCK)
    if (program >= 0) & (program < programs):
        index = program * BLOCK + tl.arange(0, BLOCK)
        inside = index < tl.cast(batches, tl.int64) * columns
        column = index % columns
        batch = index // columns
        decay = tl.load(scalars + 0)
        v_col = tl.load(
            v_col_ptr + batch * v_col_batch_stride + column * v_col_column_stride, mask=inside
        )
        one_minus_decay = tl.load(scalars + 1)
        square_column_sums_at = square_column_sums_ptr
        square_column_sums_at += batch * square_column_sums_batch_stride
        square_column_sums_at += column * square_column_sums_column_stride
        square_column_sums = device.sum_of_parts_along(
            square_column_sums_at,
            square_column_sums_parts,
            square_column_sums_elements,
            inside,
            BLOCK,
        )
        size = tl.cast(rows, tl.float32)
        over_columns = tl.div_rn(square_column_sums, size)
        v_col_next = decay * v_col + one_minus_decay * over_columns
        tl.store(
            v_col_ptr + batch * v_col_batch_stride + column * v_col_column_stride,
            v_col_next,
            mask=inside,
        )


@triton.jit
def factored_row(v_row_ptr, rows, v_row_row_stride, v_row_next_batch_means, row):
    """Computes row_factor, once for each row."""
    v_row = tl.load(v_row_ptr + row * v_row_row_stride, mask=row < rows)
    row_factor = tl.div_rn(1.0, tl.sqrt_rn(tl.div_rn(v_row, v_row_next_batch_means)))
    return row_factor


@triton.jit
def factored_column(v_col_ptr, columns, v_col_column_stride, column):
    """Computes v_col_next_rsqrt, once for each column."""
    v_col = tl.load(v_col_ptr + column * v_col_column_stride, mask=column < columns)
    v_col_next_rsqrt = tl.div_rn(1.0, tl.sqrt_rn(v_col))
    return v_col_next_rsqrt


@triton.jit
def factored_statistics_2(
    g_ptr,
    v_row_ptr,
    v_col_ptr,
    v_row_next_batch_sums_ptr,
    scale_by_factored_rms_square_sum_ptr,
    rows,
    columns,
    outer_extent,
    inner_extent,
    v_row_row_stride,
    v_row_next_batch_sums_parts,
    v_row_next_batch_sums_elements,
    v_col_column_stride,
    outer_stride,
    inner_stride,
    batch_stride,
    v_row_batch_stride,
    v_col_batch_stride,
    tiles,
    program,
    ROWS_INNERMOST: tl.constexpr,
    OUTER: tl.constexpr,
    INNER: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, v_row, v_col, v_row_next_batch_sums; writes scale_by_factored_rms_square_sum."""
    strips = tl.cdiv(inner_extent, INNER)
    chunks = tl.cdiv(outer_extent, OUTER * tiles)
    strip = program % strips
    chunk = program // strips % chunks
    batch = program // strips // chunks
    first_inner = strip * INNER
    inner = first_inner + tl.arange(0, INNER)[None, :]
    offsets = tl.arange(0, OUTER)[:, None] * outer_stride
    offsets += tl.arange(0, INNER)[None, :] * inner_stride
    v_row_ptr += batch * v_row_batch_stride
    v_col_ptr += batch * v_col_batch_stride
    v_row_next_batch_sums_ptr += batch
    v_row_next_batch_sums = device.sum_of_parts(
        v_row_next_batch_sums_ptr, v_row_next_batch_sums_parts, v_row_next_batch_sums_elements
    )
    size = tl.cast(rows, tl.float32)
    v_row_next_batch_means = tl.div_rn(v_row_next_batch_sums, size)
    if ROWS_INNERMOST:
        row_factor = factored_row(v_row_ptr, rows, v_row_row_stride, v_row_next_batch_means, inner)
    else:
        v_col_next_rsqrt = factored_column(v_col_ptr, columns, v_col_column_stride, inner)
    scale_by_factored_rms_square_sum = tl.full((OUTER, INNER), 0.0, tl.float32)
    first = chunk * tiles
    last = tl.minimum(first + tiles, tl.cdiv(outer_extent, OUTER))
    for tile in tl.range(first, last, num_stages=STAGES):
        first_outer = tile * OUTER
        outer = first_outer + tl.arange(0, OUTER)[:, None]
        inside = (outer < outer_extent) & (inner < inner_extent)
        if ROWS_INNERMOST:
            v_col_next_rsqrt = factored_column(v_col_ptr, columns, v_col_column_stride, outer)
        else:
            row_factor = factored_row(
                v_row_ptr, rows, v_row_row_stride, v_row_next_batch_means, outer
            )
        start = tl.cast(first_outer, tl.int64) * outer_stride
        start += tl.cast(first_inner, tl.int64) * inner_stride
        start += tl.cast(batch, tl.int64) * batch_stride
        g = tl.load(g_ptr + start + offsets, mask=inside)
        scale_by_factored_rms = g * row_factor * v_col_next_rsqrt
        scale_by_factored_rms_square = scale_by_factored_rms * scale_by_factored_rms
        scale_by_factored_rms_square_sum += tl.where(inside, scale_by_factored_rms_square, 0.0)
    tl.store(
        scale_by_factored_rms_square_sum_ptr + program,
        device.sum_of(scale_by_factored_rms_square_sum),
    )


@triton.jit
def factored_step(
    scalars,
    g_ptr,
    p_ptr,
    v_row_ptr,
    v_col_ptr,
    p_square_sum_ptr,
    v_row_next_batch_sums_ptr,
    scale_by_factored_rms_square_sum_ptr,
    batches,
    rows,
    columns,
    outer_extent,
    inner_extent,
    v_row_row_stride,
    v_row_next_batch_sums_parts,
    v_row_next_batch_sums_elements,
    v_col_column_stride,
    scale_by_factored_rms_square_sum_parts,
    p_square_sum_parts,
    outer_stride,
    inner_stride,
    batch_stride,
    v_row_batch_stride,
    v_col_batch_stride,
    tiles,
    program,
    ROWS_INNERMOST: tl.constexpr,
    OUTER: tl.constexpr,
    INNER: tl.constexpr,
    STAGES: tl.constexpr,
):
    """One kernel, on a part of a leaf.

    Reads g, p, v_row, v_col, p_square_sum, v_row_next_batch_sums, scale_by_factored_rms_square_sum;
    writes p.
    """
    strips = tl.cdiv(inner_extent, INNER)
    chunks = tl.cdiv(outer_extent, OUTER * tiles)
    strip = program % strips
    chunk = program // strips % chunks
    batch = program // strips // chunks
    first_inner = strip * INNER
    inner = first_inner + tl.arange(0, INNER)[None, :]
    offsets = tl.arange(0, OUTER)[:, None] * outer_stride
    offsets += tl.arange(0, INNER)[None, :] * inner_stride
    v_row_ptr += batch * v_row_batch_stride
    v_col_ptr += batch * v_col_batch_stride
    v_row_next_batch_sums_ptr += batch
    learning_rate = tl.load(scalars + 0)
    v_row_next_batch_sums = device.sum_of_parts(
        v_row_next_batch_sums_ptr, v_row_next_batch_sums_parts, v_row_next_batch_sums_elements
    )
    size = tl.cast(rows, tl.float32)
    v_row_next_batch_means = tl.div_rn(v_row_next_batch_sums, size)
    scale_by_factored_rms_square_sum = device.sum_of_parts(
        scale_by_factored_rms_square_sum_ptr, scale_by_factored_rms_square_sum_parts, 1
    )
    size_2 = tl.cast(tl.cast(batches, tl.int64) * rows * columns, tl.float32)
    update_rms = tl.sqrt_rn(tl.div_rn(scale_by_factored_rms_square_sum, size_2))
    clipping_threshold = tl.load(scalars + 1)
    factor = device.maximum(tl.full((), 1, tl.float32), tl.div_rn(update_rms, clipping_threshold))
    p_square_sum = device.sum_of_parts(p_square_sum_ptr, p_square_sum_parts, 1)
    param_mean_square = tl.div_rn(p_square_sum, size_2)
    term = tl.where(param_mean_square <= 1e-06, tl.full((), 1e-06, tl.float32), param_mean_square)
    param_rms = tl.sqrt_rn(term)
    if ROWS_INNERMOST:
        row_factor = factored_row(v_row_ptr, rows, v_row_row_stride, v_row_next_batch_means, inner)
    else:
        v_col_next_rsqrt = factored_column(v_col_ptr, columns, v_col_column_stride, inner)
    first = chunk * tiles
    last = tl.minimum(first + tiles, tl.cdiv(outer_extent, OUTER))
    for tile in tl.range(first, last, num_stages=STAGES):
        first_outer = tile * OUTER
        outer = first_outer + tl.arange(0, OUTER)[:, None]
        inside = (outer < outer_extent) & (inner < inner_extent)
        if ROWS_INNERMOST:
            v_col_next_rsqrt = factored_column(v_col_ptr, columns, v_col_column_stride, outer)
        else:
            row_factor = factored_row(
                v_row_ptr, rows, v_row_row_stride, v_row_next_batch_means, outer
            )
        start = tl.cast(first_outer, tl.int64) * outer_stride
        start += tl.cast(first_inner, tl.int64) * inner_stride
        start += tl.cast(batch, tl.int64) * batch_stride
        p = tl.load(p_ptr + start + offsets, mask=inside)
        g = tl.load(g_ptr + start + offsets, mask=inside)
        scale_by_factored_rms = g * row_factor * v_col_next_rsqrt
        clip_by_block_rms = tl.div_rn(scale_by_factored_rms, factor)
        scale_by_learning_rate = learning_rate * clip_by_block_rms
        scale_by_param_block_rms = scale_by_learning_rate * param_rms
        tl.store(p_ptr + start + offsets, p - scale_by_param_block_rms, mask=inside)


@triton.jit
def whole_finalize(
    scalars,
    scale_by_factored_rms_square_sum_ptr,
    p_square_sum_ptr,
    factor_ptr,
    param_rms_ptr,
    size,
    scale_by_factored_rms_square_sum_parts,
    p_square_sum_parts,
    program,
    BLOCK: tl.constexpr,
):
    """Reads scale_by_factored_rms_square_sum, p_square_sum; writes factor, param_rms."""
    scale_by_factored_rms_square_sum = device.sum_of_parts(
        scale_by_factored_rms_square_sum_ptr, scale_by_factored_rms_square_sum_parts, 1
    )
    size_2 = tl.cast(size, tl.float32)
    update_rms = tl.sqrt_rn(tl.div_rn(scale_by_factored_rms_square_sum, size_2))
    clipping_threshold = tl.load(scalars + 0)
    p_square_sum = device.sum_of_parts(p_square_sum_ptr, p_square_sum_parts, 1)
    param_mean_square = tl.div_rn(p_square_sum, size_2)
    term = tl.where(param_mean_square <= 1e-06, tl.full((), 1e-06, tl.float32), param_mean_square)
    param_rms = tl.sqrt_rn(term)
    tl.store(
        factor_ptr,
        device.maximum(tl.full((), 1, tl.float32), tl.div_rn(update_rms, clipping_threshold)),
    )
    tl.store(param_rms_ptr, param_rms)


@triton.jit
def factored_finalize_2(
    scalars,
    v_row_ptr,
    v_col_ptr,
    p_square_sum_ptr,
    v_row_next_batch_sums_ptr,
    scale_by_factored_rms_square_sum_ptr,
    row_factor_ptr,
    v_col_next_rsqrt_ptr,
    factor_ptr,
    param_rms_ptr,
    batches,
    rows,
    columns,
    v_row_batch_stride,
    v_row_row_stride,
    v_row_next_batch_sums_parts,
    v_row_next_batch_sums_elements,
    row_factor_batch_stride,
    row_factor_row_stride,
    v_col_batch_stride,
    v_col_column_stride,
    v_col_next_rsqrt_batch_stride,
    v_col_next_rsqrt_column_stride,
    scale_by_factored_rms_square_sum_parts,
    p_square_sum_parts,
    program,
    BLOCK: tl.constexpr,
):
    """One kernel, on a part of a leaf.

    Reads v_row, v_col, p_square_sum, v_row_next_batch_sums, scale_by_factored_rms_square_sum;
    writes row_factor, v_col_next_rsqrt, factor, param_rms.
    """
    programs = tl.cdiv(tl.cast(batches, tl.int64) * rows, BLOCK)
    if (program >= 0) & (program < programs):
        index = program * BLOCK + tl.arange(0, BLOCK)
        inside = index < tl.cast(batches, tl.int64) * rows
        row = index % rows
        batch = index // rows
        v_row = tl.load(
            v_row_ptr + batch * v_row_batch_stride + row * v_row_row_stride, mask=inside
        )
        v_row_next_batch_sums = device.sum_of_parts_along(
            v_row_next_batch_sums_ptr + batch,
            v_row_next_batch_sums_parts,
            v_row_next_batch_sums_elements,
            inside,
            BLOCK,
        )
        size = tl.cast(rows, tl.float32)
        row_factor = tl.div_rn(
            1.0, tl.sqrt_rn(tl.div_rn(v_row, tl.div_rn(v_row_next_batch_sums, size)))
        )
        row_factor_at = row_factor_ptr + batch * row_factor_batch_stride
        row_factor_at += row * row_factor_row_stride
        tl.store(row_factor_at, row_factor, mask=inside)
    program -= programs
    programs = tl.cdiv(tl.cast(batches, tl.int64) * columns, BLOCK)
    if (program >= 0) & (program < programs):
        index = program * BLOCK + tl.arange(0, BLOCK)
        inside = index < tl.cast(batches, tl.int64) * columns
        column = index % columns
        batch = index // columns
        v_col = tl.load(
            v_col_ptr + batch * v_col_batch_stride + column * v_col_column_stride, mask=inside
        )
        v_col_next_rsqrt_at = v_col_next_rsqrt_ptr + batch * v_col_next_rsqrt_batch_stride
        v_col_next_rsqrt_at += column * v_col_next_rsqrt_column_stride
        tl.store(v_col_next_rsqrt_at, tl.div_rn(1.0, tl.sqrt_rn(v_col)), mask=inside)
    program -= programs
    programs = 1
    if (program >= 0) & (program < programs):
        scale_by_factored_rms_square_sum = device.sum_of_parts(
            scale_by_factored_rms_square_sum_ptr, scale_by_factored_rms_square_sum_parts, 1
        )
        size = tl.cast(tl.cast(batches, tl.int64) * rows * columns, tl.float32)
        update_rms = tl.sqrt_rn(tl.div_rn(scale_by_factored_rms_square_sum, size))
        clipping_threshold = tl.load(scalars + 0)
        p_square_sum = device.sum_of_parts(p_square_sum_ptr, p_square_sum_parts, 1)
        param_mean_square = tl.div_rn(p_square_sum, size)
        term = tl.where(
            param_mean_square <= 1e-06, tl.full((), 1e-06, tl.float32), param_mean_square
        )
        param_rms = tl.sqrt_rn(term)
        tl.store(
            factor_ptr,
            device.maximum(tl.full((), 1, tl.float32), tl.div_rn(update_rms, clipping_threshold)),
        )
        tl.store(param_rms_ptr, param_rms)
