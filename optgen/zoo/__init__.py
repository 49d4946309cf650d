"""The stock rules: optimizers that are chains of small atoms, named as in optax 0.2.8.

Each is a rule as any user could write it, in a file of its own that has its name; a file that is
put here is a stock rule.
"""

from __future__ import annotations

import importlib
import pkgutil

from optgen.dsl import Rule
from optgen.zoo import atoms


def _rules() -> dict[str, Rule]:
    """The rules of the files beside this one."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)
    return {name: getattr(importlib.import_module(f"{__name__}.{name}"), name) for name in names}


STOCK: dict[str, Rule] = _rules()
"""The optimizers, by name."""

ATOMS: dict[str, Rule] = {name: getattr(atoms, name) for name in atoms.__all__}
"""The atoms that the optimizers are chains of, and others like them, by name."""

globals().update(STOCK)
__all__ = ["ATOMS", "STOCK", *STOCK]
