"""An emitted package: a constructor over the units that were emitted for a rule."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from optgen.errors import PackageError
from optgen.runtime import driver
from optgen.runtime.hyper import Hyperparameter, bind
from optgen.runtime.kernels import Native
from optgen.runtime.leaf import LeafSpec
from optgen.runtime.targets import check_target, resolve_target, with_kernels
from optgen.runtime.transformation import Face, Transformation
from optgen.runtime.unit import Unit

Settings = Mapping[str, Any]
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
        units: Sequence[tuple[Settings, Unit] | tuple[Settings, Unit, Native]],
        doc: str = "",
    ) -> None:
        self.name, self.module = name, module
        self.hyperparameters, self.units = tuple(hyperparameters), tuple(units)
        self.__doc__ = doc

    def __call__(self, *args: Any, target: str = "auto", **hyperparameters: Any) -> Transformation:
        """Gives the rule its hyperparameters.

        Args:
          *args: hyperparameters by position, in the order of the rule.
          target: ``auto``, ``xla`` or ``cpu``.
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

    def unit_for(self, values: Settings) -> tuple[Unit, Native | None]:
        """The unit that was emitted for these values, and its kernels if there are any.

        Raises:
          PackageError: naming the command that emits one.
        """
        settings = settings_of(self.hyperparameters, values)
        for known, unit, *native in self.units:
            if dict(known) == settings:
                return unit, native[0] if native else None
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
        portable, native = package.unit_for(values)
        known = settings_of(package.hyperparameters, values)
        masks = [(h.name, values[h.name]) for h in package.hyperparameters if h.kind == "mask"]
        scalars = {
            h.name: values[h.name]
            for h in package.hyperparameters
            if h.kind == "scalar" and h.name not in known
        }

        def resolve(specs: tuple[LeafSpec, ...]) -> tuple[Unit, tuple[int, ...]]:
            unit = _serving(portable, native, target)
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
def _serving(unit: Unit, native: Native | None, target: str) -> Unit:
    """The unit, with its kernels where the cpu target serves."""
    if resolve_target(target) == "xla":
        return unit
    if native is None:
        raise PackageError(f"{unit.name} was emitted without kernels: emit them with --target cpu")
    return with_kernels(unit, native, target)


def _served(package: Package, settings: Settings, spec: LeafSpec, which: int | None) -> int:
    if which is not None:
        return which
    shape = "x".join(map(str, spec.shape)) or "scalar"
    flags = "".join(f" --set {name}={value}" for name, value in settings.items())
    raise PackageError(
        f"{package.name} was emitted for other leaves than {spec}: add its variant with "
        f"'optgen generate {package.name}{flags} --shape {shape} --dtype {spec.param_dtype}'"
    )
