"""One exception for each stage; every message says what, where and the remedy."""

from __future__ import annotations


class OptgenError(Exception):
    """The base class of every error that optgen raises on purpose."""


class RuleError(OptgenError, TypeError):
    """A rule is wrong: raised while it is traced, naming the rule's file and line.

    Attributes:
      filename: the file of the line that caused it, or None if unknown.
      lineno: the line, counted from 1, or None.
      reason: the message without the place.
    """

    def __init__(
        self,
        reason: str,
        filename: str | None = None,
        lineno: int | None = None,
        rule: str | None = None,
    ) -> None:
        self.reason, self.filename, self.lineno, self.rule = reason, filename, lineno, rule
        where = f"{filename}:{lineno}: " if filename else ""
        inside = f"in rule {rule!r}: " if rule else ""
        super().__init__(f"{where}{inside}{reason}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.reason, self.filename, self.lineno, self.rule)


class HyperparameterError(OptgenError, TypeError, ValueError):
    """A rule was called with a hyperparameter that it does not take, or cannot use."""


class TreeError(OptgenError, TypeError, ValueError):
    """The trees of gradients, parameters, masks and state do not fit each other."""


class IRError(OptgenError, ValueError):
    """A program is not legal at the stage where it stands."""


class ParseError(OptgenError, ValueError):
    """The textual form of a program cannot be read."""


class PlanError(OptgenError, ValueError):
    """No plan can be made for this program on this machine."""


class EmitError(OptgenError, ValueError):
    """A program cannot be printed for this target."""


class TargetError(OptgenError, RuntimeError):
    """A target that was asked for by name cannot serve."""


class CompilerError(OptgenError, RuntimeError):
    """No C++ compiler was found, it cannot compile a kernel, or its output is no library."""


class ChipError(OptgenError, RuntimeError):
    """A kernel cannot be compiled for an absent chip: no compiler for it, or that one refuses."""


class CacheError(OptgenError, RuntimeError):
    """Compiled kernels cannot be stored, or stored ones cannot be trusted."""


class PackageError(OptgenError, RuntimeError):
    """An emitted package cannot be loaded, or has no variant for the leaves it was given."""


class VerificationError(OptgenError, AssertionError):
    """A target's numbers are further from the oracle than they may be."""


class UsageError(OptgenError, ValueError):
    """An argument of the command line, or of a function behind it, cannot be used."""
