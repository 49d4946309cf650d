"""Factory of optimizers: it takes a rule with its hyperparameters.

Rules live below optimizers and may not import them; the package, which is above both, says here
what a call of a rule returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_make: list[Callable[[Any], Any]] = []


def set_factory(make: Callable[[Any], Any]) -> None:
    """Sets what makes an optimizer of a ``dsl.rule.Instance``."""
    _make[:] = [make]


def make_optimizer(instance: Any) -> Any:
    """The optimizer of an instance."""
    return _make[0](instance)
