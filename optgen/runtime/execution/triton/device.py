"""Device functions that emitted Triton kernels call.

All reductions are deterministic: within a tile, then over tiles in their order within a program,
then over the parts that programs left, in their order.
"""

import triton
import triton.language as tl


@tl.core.builtin
def found(comment, _semantic=None):
    """An empty statement of assembly, which stands where a program has found its leaf.

    The compiler merges blocks that differ in their operands alone, and then has the pointers of
    all their leaves in registers at once. These differ in their comments. A function of
    ``triton.jit`` would be compiled anew for each of them.
    """
    zero = tl.full((), 0, tl.int32, _semantic=_semantic)
    tl.inline_asm_elementwise(
        comment, "=r,r", [zero], dtype=tl.int32, is_pure=False, pack=1, _semantic=_semantic
    )


@triton.jit
def maximum(a, b):
    """The larger one; NaN beside NaN."""
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def minimum(a, b):
    """The smaller one; NaN beside NaN."""
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def sign(x):
    """-1, 0 or 1; NaN of NaN."""
    return tl.where(x > 0, 1.0, tl.where(x < 0, -1.0, x)).to(x.dtype)


@triton.jit
def sum_of(x, axis: tl.constexpr = None):
    """The sum of a tile, or along an axis that is kept with extent 1."""
    return tl.sum(x, axis, keep_dims=axis is not None)


@triton.jit
def max_of(x, axis: tl.constexpr = None):
    """The largest value of a tile, or along an axis that is kept; NaN where there is one."""
    largest = tl.max(x, axis, keep_dims=axis is not None)
    invalid = tl.max((x != x).to(tl.int32), axis, keep_dims=axis is not None)
    return tl.where(invalid > 0, float("nan"), largest)


@triton.jit
def min_of(x, axis: tl.constexpr = None):
    """The smallest value of a tile, or along an axis that is kept; NaN where there is one."""
    smallest = tl.min(x, axis, keep_dims=axis is not None)
    invalid = tl.max((x != x).to(tl.int32), axis, keep_dims=axis is not None)
    return tl.where(invalid > 0, float("nan"), smallest)


@triton.jit
def _joined(a, b, how: tl.constexpr):
    if how == "sum":
        return a + b
    elif how == "max":
        return maximum(a, b)
    else:
        return minimum(a, b)


@triton.jit
def _of(x, how: tl.constexpr, axis: tl.constexpr = None):
    if how == "sum":
        return tl.sum(x, axis)
    elif how == "max":
        return tl.reshape(max_of(x, axis), x.shape[1:]) if axis is not None else max_of(x)
    else:
        return tl.reshape(min_of(x, axis), x.shape[1:]) if axis is not None else min_of(x)


@triton.jit
def oriented(outer, inner, rows_innermost: tl.constexpr):
    """Reorders a tile's pair from (outer, inner) in memory to (row, column) of the matrix."""
    if rows_innermost:
        return inner, outer
    else:
        return outer, inner


@triton.jit
def _of_parts(ptr, parts, elements, empty: tl.constexpr, how: tl.constexpr):
    offsets = tl.arange(0, 1024)
    total = tl.full((1024,), empty, ptr.dtype.element_ty)
    for first in range(0, parts, 1024):
        places = ptr + (first + offsets) * elements
        part = tl.load(places, mask=offsets < parts - first, other=empty)
        total = _joined(total, part, how)
    return _of(total, how)


@triton.jit
def _of_parts_at(ptr, parts, elements, inside, empty: tl.constexpr, how: tl.constexpr):
    total = tl.load(ptr, mask=inside, other=empty)
    for number in range(1, parts):
        part = tl.load(ptr + number * elements, mask=inside, other=empty)
        total = _joined(total, part, how)
    return total


@triton.jit
def _of_parts_along(
    ptr, parts, elements, inside, empty: tl.constexpr, how: tl.constexpr, block: tl.constexpr
):
    number = tl.arange(0, 16)[:, None]
    total = tl.full((16, block), empty, ptr.dtype.element_ty)
    for first in range(0, parts, 16):
        here = (number < parts - first) & inside[None, :]
        part = tl.load(ptr[None, :] + (first + number) * elements, mask=here, other=empty)
        total = _joined(total, part, how)
    return _of(total, how, 0)


@triton.jit
def sum_of_parts(ptr, parts, elements):
    """The sum of one element of what programs left."""
    return _of_parts(ptr, parts, elements, 0.0, "sum")


@triton.jit
def max_of_parts(ptr, parts, elements):
    """The largest of one element of what programs left."""
    return _of_parts(ptr, parts, elements, float("-inf"), "max")


@triton.jit
def min_of_parts(ptr, parts, elements):
    """The smallest of one element of what programs left."""
    return _of_parts(ptr, parts, elements, float("inf"), "min")


@triton.jit
def sum_of_parts_at(ptr, parts, elements, inside):
    """The sums of arrays that programs left, at these places of them."""
    return _of_parts_at(ptr, parts, elements, inside, 0.0, "sum")


@triton.jit
def max_of_parts_at(ptr, parts, elements, inside):
    """The largest of arrays that programs left, at these places of them."""
    return _of_parts_at(ptr, parts, elements, inside, float("-inf"), "max")


@triton.jit
def min_of_parts_at(ptr, parts, elements, inside):
    """The smallest of arrays that programs left, at these places of them."""
    return _of_parts_at(ptr, parts, elements, inside, float("inf"), "min")


@triton.jit
def sum_of_parts_along(ptr, parts, elements, inside, block: tl.constexpr):
    """The same for a vector of places, many parts at once."""
    return _of_parts_along(ptr, parts, elements, inside, 0.0, "sum", block)


@triton.jit
def max_of_parts_along(ptr, parts, elements, inside, block: tl.constexpr):
    """The same for a vector of places, many parts at once."""
    return _of_parts_along(ptr, parts, elements, inside, float("-inf"), "max", block)


@triton.jit
def min_of_parts_along(ptr, parts, elements, inside, block: tl.constexpr):
    """The same for a vector of places, many parts at once."""
    return _of_parts_along(ptr, parts, elements, inside, float("inf"), "min", block)
