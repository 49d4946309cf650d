"""Fixtures: a file with rules."""

from tests.command_line import rules

__all__ = ["rules"]
