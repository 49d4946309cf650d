"""The words of the house: a docstring begins with a noun or a verb, and is no riddle."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

RIDDLES = frozenset(
    ["what", "whether", "which", "how", "where", "when", "who", "whose", "whom", "why"]
)
"""First words of a clause that a reader has to solve before learning what a thing is."""


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yields line and text of each string that documents something: a definition or a constant."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value


def riddles(path: str, source: str) -> list[str]:
    """Each docstring of a source that begins with one of the words, by file and line."""
    return [
        f"{path}:{line}: {text.strip().splitlines()[0]}"
        for line, text in docstrings(source)
        if first_word(text) in RIDDLES
    ]


def first_word(text: str) -> str:
    words = text.split(maxsplit=1)
    return words[0].lower().rstrip(",.:;?") if words else ""


def test_docstrings_begin_with_a_noun_or_a_verb():
    files = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    offenders = [
        line
        for path in files
        if path.startswith(("optgen/", "bench/", "tests/")) and (ROOT / path).exists()
        for line in riddles(path, (ROOT / path).read_text("utf-8"))
    ]
    assert not offenders, (
        f"{len(offenders)} docstrings begin with a clause: begin with a noun ('Text of each "
        "launch'), a verb ('Returns the launches'), or 'True where …'\n" + "\n".join(offenders)
    )


def test_every_kind_of_docstring_is_read():
    source = '''
"""What a module is."""
LIMIT = 1
"""How much there may be."""

class Leaf:
    """Where it is."""

    size = 0
    """Whether it is large."""

    def of(self):
        """Which of them."""
        def inner():
            """When it is called."""
'''
    assert riddles("a.py", source) == [
        "a.py:2: What a module is.",
        "a.py:4: How much there may be.",
        "a.py:7: Where it is.",
        "a.py:10: Whether it is large.",
        "a.py:13: Which of them.",
        "a.py:15: When it is called.",
    ]


def test_nouns_verbs_and_text_in_code_pass():
    source = '"""The leaves."""\nx = "What a string says."\ny = """Whether"""\n'
    assert riddles("a.py", source) == []
