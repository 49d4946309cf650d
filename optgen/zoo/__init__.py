"""The stock rules: optimizers that are chains of small atoms, named as in optax 0.2.8.

Each is a rule as any user could write it, in a file of its own.
"""

from optgen.dsl import Rule
from optgen.zoo import atoms
from optgen.zoo.adafactor import adafactor
from optgen.zoo.adagrad import adagrad
from optgen.zoo.adam import adam
from optgen.zoo.adamw import adamw
from optgen.zoo.amsgrad import amsgrad
from optgen.zoo.lamb import lamb
from optgen.zoo.lars import lars
from optgen.zoo.lion import lion
from optgen.zoo.nadam import nadam
from optgen.zoo.nadamw import nadamw
from optgen.zoo.rmsprop import rmsprop
from optgen.zoo.sgd import sgd

STOCK: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        sgd,
        adam,
        adamw,
        nadam,
        nadamw,
        amsgrad,
        lion,
        rmsprop,
        adagrad,
        adafactor,
        lamb,
        lars,
    )
}
"""The optimizers, by name."""

ATOMS: dict[str, Rule] = {name: getattr(atoms, name) for name in atoms.__all__}
"""What they are chains of, and their like, by name."""

__all__ = [
    "ATOMS",
    "STOCK",
    "adafactor",
    "adagrad",
    "adam",
    "adamw",
    "amsgrad",
    "lamb",
    "lars",
    "lion",
    "nadam",
    "nadamw",
    "rmsprop",
    "sgd",
]
