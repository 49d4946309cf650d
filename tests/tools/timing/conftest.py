"""Fixtures: contestants that need no time."""

from tests.contestants import clock, fake

__all__ = ["clock", "fake"]
