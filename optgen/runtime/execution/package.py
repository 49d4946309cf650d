"""An emitted package: a constructor over the units that were emitted for a rule."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from optgen.errors import PackageError
from optgen.runtime.execution import driver
from optgen.runtime.execution.targets import check_target, kernel_targets, with_kernels
from optgen.runtime.execution.transformation import Face, Transformation
from optgen.runtime.vocabulary.hyper import Hyperparameter, bind
from optgen.runtime.vocabulary.kernels import Kernels, Native
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.runtime.vocabulary.unit import Unit

Settings = Mapping[str, Any]
Emitted = tuple[Any, ...]  # settings, the unit that was emitted for them, and its kernels
"""The static hyperparameters, and those that are None, by name."""


class Package:
    """Makes optimizers of emitted kernels; called like the rule that they were emitted from.

    Attributes:
      name: the rule's name.
      module: the name of the emitted package.
      hyperparameters: as the rule declares them.
      units: what was emitted, each with the settings that it was emitted for, and its kernels.
    """

    def __init__(
        self,
        name: str,
        module: str,
        hyperparameters: Sequence[Hyperparameter],
        units: Sequence[Emitted],
        doc: str = "",
    ) -> None:
        self.name, self.module = name, module
        self.hyperparameters, self.units = tuple(hyperparameters), tuple(units)
        self.__doc__ = doc

    def __call__(self, *args: Any, target: str = "auto", **hyperparameters: Any) -> Transformation:
        """Gives the rule its hyperparameters.

        Args:
          *args: hyperparameters by position, in the order of the rule.
          target: ``auto``, ``xla``, ``cpu`` or ``triton``.
          **hyperparameters: hyperparameters by name.

        Returns:
          A gradient transformation with ``init``, ``update`` and ``step``.

        Raises:
          HyperparameterError: for one that is unknown, missing, given twice or unusable.
          PackageError: where nothing was emitted for these static hyperparameters.
        """
        check_target(target)
        values = bind(self.name, self.hyperparameters, args, hyperparameters)
        return PackagedOptimizer(self, values, target)

    def unit_for(self, values: Settings) -> tuple[Unit, tuple[Native | Kernels, ...]]:
        """The unit that was emitted for these values, and its kernels.

        Raises:
          PackageError: naming the command that emits one.
        """
        settings = settings_of(self.hyperparameters, values)
        for known, unit, *kernels in self.units:
            if dict(known) == settings:
                return unit, tuple(kernels)
        flags = " ".join(f"--set {name}={value}" for name, value in settings.items())
        raise PackageError(
            f"{self.name} was not emitted for {flags or 'these hyperparameters'}: add it with "
            f"'optgen generate {self.name} {flags}'"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _find, (self.module, self.name)


def settings_of(hyperparameters: Sequence[Hyperparameter], values: Settings) -> dict[str, Any]:
    """What decides the programs: static hyperparameters and those that are None."""
    return {
        h.name: values[h.name]
        for h in hyperparameters
        if h.kind != "mask" and (h.static or values[h.name] is None)
    }


def _find(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


class PackagedOptimizer(Transformation):
    """An optimizer whose kernels come from an emitted package."""

    def __new__(cls, package: Package, values: Settings, target: str) -> PackagedOptimizer:
        """Binds a package to the values of its hyperparameters."""
        portable, kernels = package.unit_for(values)
        known = settings_of(package.hyperparameters, values)
        masks = [(h.name, values[h.name]) for h in package.hyperparameters if h.kind == "mask"]
        scalars = {
            h.name: values[h.name]
            for h in package.hyperparameters
            if h.kind == "scalar" and h.name not in known
        }

        def resolve(specs: tuple[LeafSpec, ...]) -> tuple[Unit, tuple[int, ...]]:
            unit = _serving(portable, kernels, target)
            assignment = driver.assign(unit, specs)
            return unit, tuple(
                _served(package, known, spec, which)
                for spec, which in zip(specs, assignment, strict=True)
            )

        self = super().__new__(cls, Face(package.name, scalars, masks, resolve))
        self.arguments = (package, dict(values), target)
        return self

    arguments: tuple[Package, dict[str, Any], str]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.arguments


@functools.cache
def _serving(unit: Unit, kernels: tuple[Native | Kernels, ...], target: str) -> Unit:
    """The unit, with the kernels of the targets that serve."""
    emitted = {k.target: k for k in kernels}
    wanted = kernel_targets(target)
    if target in wanted and target not in emitted:
        raise PackageError(
            f"{unit.name} was emitted without {target} kernels: add them with "
            f"'optgen generate {unit.name} --target {target}'"
        )
    found = {name: emitted[name] for name in wanted if name in emitted}
    return with_kernels(unit, found, target) if found else unit


def _served(package: Package, settings: Settings, spec: LeafSpec, which: int | None) -> int:
    if which is not None:
        return which
    shape = "x".join(map(str, spec.shape)) or "scalar"
    flags = "".join(f" --set {name}={value}" for name, value in settings.items())
    raise PackageError(
        f"{package.name} was emitted for other leaves than {spec}: add its variant with "
        f"'optgen generate {package.name}{flags} --shape {shape} --dtype {spec.param_dtype}'"
    )
