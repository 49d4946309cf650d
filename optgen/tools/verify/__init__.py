"""Verification: the numbers of the targets, compared with the rule at 50 digits.

Importing this imports SymPy and mpmath: import it inside functions.
"""

from optgen.tools.verify.report import Report, Row
from optgen.tools.verify.run import verify

__all__ = ["Report", "Row", "verify"]
