"""An emitted package: a constructor over the units that were emitted for a rule."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from optgen.errors import PackageError
from optgen.runtime.execution import driver
from optgen.runtime.execution.targets import check_target, kernel_targets, with_kernels
from optgen.runtime.execution.transformation import Transformation, TreeOptimizer
from optgen.runtime.vocabulary.hyper import Hyperparameter, bind
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.runtime.vocabulary.module import Kernels, Module, Placement

Settings = Mapping[str, Any]
Emitted = tuple[Any, ...]  # settings, the module that was emitted for them, and its kernels
"""The static hyperparameters, and those that are None, by name."""


class Package:
    """Makes optimizers of emitted kernels; called like the rule that they were emitted from.

    Attributes:
      name: the rule's name.
      module: the name of the emitted package.
      hyperparameters: the hyperparameters of the rule, as it declares them.
      modules: the emitted modules, each with its settings and its kernels.
    """

    def __init__(
        self,
        name: str,
        module: str,
        hyperparameters: Sequence[Hyperparameter],
        modules: Sequence[Emitted],
        doc: str = "",
    ) -> None:
        self.name, self.module = name, module
        self.hyperparameters, self.modules = tuple(hyperparameters), tuple(modules)
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

    def module_for(self, values: Settings) -> tuple[Module, tuple[Kernels, ...]]:
        """Returns the module that was emitted for these values, and its kernels.

        Raises:
          PackageError: naming the command that emits one.
        """
        settings = settings_of(self.hyperparameters, values)
        for known, emitted, *kernels in self.modules:
            if dict(known) == settings:
                return emitted, tuple(kernels)
        flags = " ".join(f"--set {name}={value}" for name, value in settings.items())
        raise PackageError(
            f"{self.name} was not emitted for {flags or 'these hyperparameters'}: add it with "
            f"'optgen generate {self.name} {flags}'"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _find, (self.module, self.name)


def settings_of(hyperparameters: Sequence[Hyperparameter], values: Settings) -> dict[str, Any]:
    """Returns the settings, which decide the programs: static hyperparameters and None ones."""
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
        portable, kernels = package.module_for(values)
        known = settings_of(package.hyperparameters, values)
        masks = [(h.name, values[h.name]) for h in package.hyperparameters if h.kind == "mask"]
        scalars = {
            h.name: values[h.name]
            for h in package.hyperparameters
            if h.kind == "scalar" and h.name not in known
        }

        def resolve(specs: tuple[LeafSpec, ...]) -> tuple[Module, tuple[Placement, ...]]:
            module = _serving(portable, kernels, target)
            placements = driver.placements(module, specs)
            return module, tuple(
                _served(package, known, spec, placement)
                for spec, placement in zip(specs, placements, strict=True)
            )

        self = super().__new__(cls, TreeOptimizer(package.name, scalars, masks, resolve))
        self.arguments = (package, dict(values), target)
        return self

    arguments: tuple[Package, dict[str, Any], str]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.arguments


@functools.lru_cache(maxsize=512)
def _serving(module: Module, kernels: tuple[Kernels, ...], target: str) -> Module:
    """The module, with the kernels of the targets that serve."""
    emitted = {k.target: k for k in kernels}
    wanted = kernel_targets(target)
    if target in wanted and target not in emitted:
        raise PackageError(
            f"{module.name} was emitted without {target} kernels: add them with "
            f"'optgen generate {module.name} --target {target}'"
        )
    serving = {name: emitted[name] for name in wanted if name in emitted}
    return with_kernels(module, serving, target) if serving else module


def _served(
    package: Package, settings: Settings, spec: LeafSpec, placement: Placement | None
) -> Placement:
    if placement is not None:
        return placement
    shape = "x".join(map(str, spec.shape)) or "scalar"
    flags = "".join(f" --set {name}={value}" for name, value in settings.items())
    raise PackageError(
        f"{package.name} was emitted for other leaves than {spec}: add its variant with "
        f"'optgen generate {package.name}{flags} --shape {shape} --dtype {spec.param_dtype}'"
    )
