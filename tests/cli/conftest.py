"""Fixtures: the command line, run in this process."""

from tests.command_line import optgen, rules

__all__ = ["optgen", "rules"]
