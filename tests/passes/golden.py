"""Text in, text out."""

from textwrap import dedent, indent

from optgen.ir.legality import check
from optgen.ir.text import parse, text


def program(statements, rank=2):
    """The text of a program of these statements."""
    body = indent(dedent(statements).strip(), "  ")
    return f"program golden rank {rank} {{\n{body}\n}}"


def golden(tested, before, after):
    """Checks what a pass makes of a program; ``after`` is None where it has to leave it alone."""
    source = check(parse(program(before)))
    result = check(tested.run(source))
    assert text(result) == program(before if after is None else after)
    if after is None:
        assert result == source
    assert tested.run(result) == result
