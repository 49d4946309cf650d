"""Passes over math programs: legal in, legal out, one file for each.

``DEFAULT`` holds the exact ones, which every program goes through; ``FAST`` those that change
the last bits of a result, asked for by name.
"""

from optgen.passes.driver import DEFAULT, FAST, Pass, named, run

__all__ = ["DEFAULT", "FAST", "Pass", "named", "run"]
