"""The source of a launch: each program comes to its own leaf, with that leaf's numbers."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from optgen.runtime.execution.triton import dispatch
from optgen.runtime.execution.triton.dispatch import Row, Section

PROGRAMS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=12), min_size=1, max_size=4)


def sections_of(programs):
    """Sections of leaves with so many programs; everything that a leaf is told names it."""
    return [
        Section(
            function=f"kernel_{s}",
            arguments=("scalars", "p_ptr", "rows", "same", "program", "BLOCK"),
            constants={"BLOCK": 64 * (s + 1)},
            scalars=f"scalars + {3 * s}",
            rows=[
                Row(count, {"p_ptr": f"p_{s}_{i}", "rows": 2**20 * (i + 1), "same": 7})
                for i, count in enumerate(leaves)
            ],
        )
        for s, leaves in enumerate(programs)
    ]


def run(text, functions, parameters, program):
    """The launch in Python, for one program: what was called, and with what."""
    calls = []

    def recorder(name):
        return lambda *args: calls.append((name, *args))

    names = {name: recorder(name) for name in functions}
    names["triton"] = SimpleNamespace(jit=lambda function: function)
    names["device"] = SimpleNamespace(found=lambda leaf: None)
    names["tl"] = SimpleNamespace(
        program_id=lambda axis: program, full=lambda shape, value, dtype: value, int64="int64"
    )
    exec(text, names)
    names["launch"](*parameters.values())
    return calls


@given(PROGRAMS)
def test_each_program_finds_its_leaf_and_its_number_in_it(programs):
    sections = sections_of(programs)
    parameters = {"scalars": 100} | {
        row.values["p_ptr"]: f"array of {row.values['p_ptr']}" for s in sections for row in s.rows
    }
    text = dispatch.source("launch", list(parameters), sections)
    functions = [section.function for section in sections]
    program = 0
    for s, leaves in enumerate(programs):
        for i, count in enumerate(leaves):
            for own in range(count):
                wanted = (100 + 3 * s, f"array of p_{s}_{i}", 2**20 * (i + 1), 7, own)
                found = run(text, functions, parameters, program)
                assert found == [(f"kernel_{s}", *wanted, 64 * (s + 1))]
                program += 1


def test_a_launch_of_one_leaf_chooses_nothing():
    text = dispatch.source("launch", ["scalars", "p_0_0"], sections_of([[5]]))
    assert "if " not in text
    assert (
        text.splitlines()[-1].strip()
        == "kernel_0(scalars + 0, p_ptr, rows, same, program - first, 64)"
    )


def test_most_programs_find_their_leaf_in_a_few_steps():
    """A leaf of nearly all programs is near the root, however many small ones there are."""
    text = dispatch.source("launch", [], sections_of([[1] * 40 + [10_000] + [1] * 40]))
    depths = [len(line) - len(line.lstrip()) for line in text.splitlines() if "p_0_40" in line]
    assert max(depths) <= 4 * 4


def test_large_numbers_are_64_bits_wide_and_small_ones_are_not():
    rows = [Row(1, {"rows": 2**21, "columns": 2**21 - 1})]
    section = Section("kernel", ("rows", "columns", "program"), {}, "scalars", rows)
    text = dispatch.source("launch", [], [section])
    assert "rows = tl.full((), 2097152, tl.int64)" in text
    assert "columns = 2097151" in text


def test_numbers_that_are_always_equal_are_one():
    rows = [Row(1, {"rows": n, "row_stride": n, "columns": 3}) for n in (4, 5)]
    section = Section("kernel", ("rows", "row_stride", "columns", "program"), {}, "scalars", rows)
    text = dispatch.source("launch", [], [section])
    assert text.splitlines()[-1].strip() == "kernel(rows, rows, columns, program - first)"
    assert text.count("columns = 3") == 1
