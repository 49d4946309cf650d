"""Emitted C++: each function once, each value once, in the words of the rule."""

import re
from collections import Counter

import jax
import pytest

import optgen
from optgen import dsl
from optgen.compile import emit_tree
from optgen.runtime.execution.cpu.order import kernel_places, scalar_places
from optgen.zoo import STOCK

SHAPES = ((256, 512), (512, 256), (4, 256, 512), (3, 3, 256, 128), (7,))


def source(name, dtype="float32", shapes=SHAPES):
    leaves = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    return getattr(optgen, name)(1e-3).source("cpu", leaves)


def functions(text):
    """The statements of each function, and how deep in loops each stands."""
    found = {}
    for match in re.finditer(r"^static void (\w+)\(.*?\) \{\n(.*?)^\}", text, re.M | re.S):
        depths, statements = [], []
        for line in match[2].splitlines():
            line = line.strip()
            if line.startswith("}"):
                depths.pop()
            statements.append((line, sum(depths)))
            if line.endswith("{"):
                depths.append(line.startswith("for"))
        found[match[1]] = statements
    return found


def test_the_factored_update_stands_in_one_place():
    text = source("adafactor")
    names = re.findall(r"^static void (\w+)\(", text, re.M)
    assert names == [
        "factored_statistics",
        "factored_finalize",
        "factored_statistics_2",
        "factored_step",
        "whole_sweep",
        "whole_step",
        "factored_finalize_2",
        "whole_finalize",
    ]
    for name in ("factored_statistics", "factored_step"):
        assert f"{{.row_major = optgen::declare<{name}<optgen::RowMajor>>()," in text
        assert f".column_major = optgen::declare<{name}<optgen::ColumnMajor>>()}}" in text


def test_kernels_and_scalars_stand_in_the_order_that_calls_count_them():
    leaves = [jax.ShapeDtypeStruct(shape, "float32") for shape in SHAPES]
    tx = optgen.adafactor(1e-3)
    text = tx.source("cpu", leaves)
    module = emit_tree(tx.instance.composition, tx.trees.specs(leaves), "cpu").module
    sequences = module.kernels["cpu"].sequences
    declared = re.findall(r"\{\.\w+ = optgen::declare<(\w+)", text)
    assert {name: place for place, name in enumerate(declared)} == kernel_places(sequences)
    fields = re.findall(r"^  double (\w+);", text, re.M)
    assert {name: place for place, name in enumerate(fields)} == scalar_places(sequences)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", sorted(STOCK))
def test_nothing_is_computed_twice_and_scalars_are_not_read_in_loops(name, dtype):
    emitted = functions(source(name, dtype))
    assert emitted
    for function, statements in emitted.items():
        for line, depth in statements:
            assert not (depth and "scalars." in line), f"{function}: {line}"
        values = [
            line.split(" = ", 1)[1] for line, _ in statements if line.startswith("const auto")
        ]
        assert not [v for v, n in Counter(values).items() if n > 1], function
        assigned = Counter(line for line, _ in statements if " = " in line and "for (" not in line)
        assert not [line for line, n in assigned.items() if n > 1], function


def test_what_a_finalize_stores_and_reduces_shares_a_loop():
    statements = functions(source("adafactor"))["factored_finalize"]
    lines = [line for line, _ in statements]
    (value,) = (i for i, line in enumerate(lines) if line.startswith("const auto v_row_next = "))
    assert lines[value + 1 : value + 3] == [
        "v_row_next_batch_sum += double(v_row_next);",
        "v_row_data[matrix.at_row(row)] = v_row_next;",
    ]
    assert sum(line.startswith("for (") for line in lines) == 3  # batches, rows and columns


def test_values_have_the_names_of_equations_and_buffers():
    text = source("adafactor")
    for name in (
        "square_row_sum",
        "over_rows",
        "v_row_next_batch_mean",
        "v_col_rsqrt",
        "p_square",
    ):
        assert re.search(rf"\b{name}\b", text), name
    assert not re.search(r"\b(reduced|sum|term|factor)_\d", text)
    assert "leaf.scalar(" not in text


def test_what_is_stored_is_decoded_and_encoded_where_it_is_seen():
    (loop,) = re.findall(r"slice\.end; \+\+i\) \{\n(.*?)\n  \}", body("adamw", "bfloat16"), re.S)
    for name in ("g", "p", "mu", "nu"):
        assert f"const auto {name} = static_cast<Real>({name}_data[i]);" in loop
    assert "p_data[i] = static_cast<optgen::bfloat16>(p + " in loop
    assert "mu_data[i] = static_cast<optgen::bfloat16>(mu_next);" in loop
    (loop,) = re.findall(r"slice\.end; \+\+i\) \{\n(.*?)\n  \}", body("adamw", "float32"), re.S)
    assert "static_cast" not in loop


def body(name, dtype):
    """The one function of a step."""
    text = source(name, dtype, shapes=((7,),))
    return text[text.index("static void leaf_step(") :]


def test_parameters_say_what_a_tile_leaves():
    @dsl.rule
    def reductions(g, p, *, rate):
        return -rate * g * (dsl.sum(g, axis=1) + dsl.max(p, axis=0) + dsl.min(g))

    text = reductions(0.1).source("cpu", jax.ShapeDtypeStruct((4, 5), "float32"))
    for parameter in (
        "optgen::PerRow<Order, float, optgen::sum> g_row_sums_part",
        "optgen::PerColumn<Order, float, optgen::max> p_column_maxima_part",
        "optgen::PerLeaf<float, optgen::min> g_min_part",
    ):
        assert parameter in text
