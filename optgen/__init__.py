"""optgen: an optimizer compiler for JAX.

Write an update rule once with ``optgen.dsl``; get an optax optimizer with fused kernels. The
stock optimizers have optax's names, arguments and defaults: ``optgen.adamw(1e-3)``.

Nothing is imported before it is used, so that emitted packages, which need ``optgen.runtime``
alone, load without the compiler.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from optgen.factory import set_factory

if TYPE_CHECKING:
    from optgen import dsl, errors, zoo  # noqa: F401
    from optgen.dsl import chain
    from optgen.optimizer import Optimizer
    from optgen.runtime.vocabulary.state import State
    from optgen.zoo import *  # noqa: F403
    from optgen.zoo.atoms import *  # noqa: F403

__version__ = "0.1.0"
__all__ = ["Optimizer", "State", "chain", "dsl", "errors"]  # and the stock rules: see optgen.zoo

_HOMES = {
    "Optimizer": "optgen.optimizer",
    "State": "optgen.runtime.vocabulary.state",
    "chain": "optgen.dsl",
}


def _make_optimizer(instance: Any) -> Any:
    return importlib.import_module("optgen.optimizer").Optimizer(instance)


set_factory(_make_optimizer)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if importlib.util.find_spec(f"optgen.{name}"):
        return importlib.import_module(f"optgen.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        zoo = importlib.import_module("optgen.zoo")
        value = zoo.STOCK.get(name) or zoo.ATOMS.get(name)
        if value is None:
            known = ", ".join((*__all__, *zoo.STOCK, *zoo.ATOMS))
            raise AttributeError(f"optgen has no {name!r}; it has {known}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    zoo = importlib.import_module("optgen.zoo")
    return sorted({*globals(), *__all__, *zoo.STOCK, *zoo.ATOMS})
