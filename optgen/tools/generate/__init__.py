"""Emitted packages: written to disk, added to, and checked against a fresh emission.

A package holds a module for each choice of static hyperparameters that was asked for, and in
each the variants for the leaves that were asked for; ``manifest.json`` remembers both, so that
generating again adds to what is there.
"""

from optgen.tools.generate.stock import STOCK_SETTINGS, check, generate_all
from optgen.tools.generate.writing import DEFAULT_SHAPES, generate

__all__ = ["DEFAULT_SHAPES", "STOCK_SETTINGS", "check", "generate", "generate_all"]
