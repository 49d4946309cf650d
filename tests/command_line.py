"""Fixtures: the command line in this process, and a file with rules to give it."""

import pytest
from click.testing import CliRunner

from optgen.cli.app import app


@pytest.fixture
def optgen():
    """Calls `optgen` with arguments; returns the result, with exit_code, stdout and stderr."""

    def call(*arguments):
        return CliRunner().invoke(app, list(map(str, arguments)), prog_name="optgen")

    return call


@pytest.fixture
def rules(tmp_path):
    """The path of a file with rules in it, and with some things that are none."""
    path = tmp_path / "mine.py"
    path.write_text(
        """
from optgen import dsl
import optgen


@dsl.rule
def mine(g, p, *, learning_rate, nesterov: bool = False, order: int = 2, name="x",
         storage: dsl.DType = None, mask: dsl.Mask = None, clip=None):
    \"\"\"Mine.\"\"\"
    mu = dsl.state("mu", dtype=storage)
    mu.next = 0.9 * mu + g
    if clip is not None:
        g = dsl.clip(g, -clip, clip)
    return -learning_rate * (0.9 * mu.next + g if nesterov else mu.next)


@dsl.rule
def wanting(g, p, *, rate):
    return -rate * g


@dsl.rule
def broken(g, p, *, learning_rate):
    return -learning_rate * g.mean()


def plain_function(g, p):
    return g


chained = dsl.chain(optgen.clip_by_global_norm(1.0), mine)
finished = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.sgd(0.1))
number = 3
"""
    )
    return path
