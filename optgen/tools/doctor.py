"""Diagnosis of this machine: targets, versions, devices, settings."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator
from dataclasses import dataclass

from optgen.config import SETTINGS
from optgen.errors import TargetError
from optgen.runtime.execution import cpu
from optgen.runtime.execution.targets import PORTABLE, TARGETS, check_runs
from optgen.tools import chips

PACKAGES = ("optgen", "jax", "jaxlib", "optax", "numpy", "sympy")
"""The packages that optgen always needs."""

OPTIONAL = {
    "scikit-learn": "optgen demo",
    "matplotlib": "optgen demo, and bench --plot",
    "torch": "bench --against torch",
    "jax-triton": "the triton target",
    "triton": "the triton target",
    "jax-cuda13-plugin": "the triton target",
    "libtpu": "the tpu target",
    "flatbuffers": "explain --against-xla, and keeping compiled GPU launches",
    "flashoptim-jax": "bench --against flashoptim",
}
"""Packages that only some commands need, with those commands."""

COMPILED_FOR = "compiled for without the chip (explain --against-xla)"


@dataclass(frozen=True)
class TargetReport:
    """Diagnosis of a target.

    Attributes:
      name: of the target.
      works: whether a step through it gave the right numbers.
      why: what was seen, or why it cannot work.
    """

    name: str
    works: bool
    why: str


@dataclass(frozen=True)
class SettingReport:
    """An environment variable that optgen reads: its name, its value here, what it does."""

    name: str
    value: str
    about: str


@dataclass(frozen=True)
class Diagnosis:
    """Diagnosis of a machine.

    Attributes:
      targets: those of this version.
      kernels: what compiles C++ kernels, and where they are kept.
      devices: what JAX runs on, each by its platform and its kind.
      chips: for each chip that XLA can compile for without it, why it cannot here, or "".
      versions: of Python and of the packages; "" for one that is not installed.
      settings: the environment variables.
    """

    targets: tuple[TargetReport, ...]
    kernels: dict[str, str]
    devices: tuple[tuple[str, str], ...]
    chips: dict[str, str]
    versions: dict[str, str]
    settings: tuple[SettingReport, ...]

    @property
    def ok(self) -> bool:
        """True where ``xla`` works, which serves wherever another target does not."""
        return any(target.works for target in self.targets if target.name == PORTABLE)

    def sections(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """The same for readers: titles, each with rows of a name and a text."""
        yield (
            "targets",
            [(t.name, f"{'works' if t.works else 'no'}: {t.why}") for t in self.targets],
        )
        yield "C++ kernels", list(self.kernels.items())
        yield "devices", list(self.devices)
        yield "chips", [(name, why or COMPILED_FOR) for name, why in self.chips.items()]
        yield "versions", [(name, _version(name, v)) for name, v in self.versions.items()]
        yield "environment", [(s.name, f"{s.value} ({s.about})") for s in self.settings]


def available() -> dict[str, str]:
    """The targets of this version, each with the reason why it cannot serve here, or ""."""
    return {name: _why_not(name) for name in TARGETS}


def _why_not(name: str) -> str:
    try:
        check_runs(name)
    except TargetError as error:
        return str(error)
    return ""


def diagnose() -> Diagnosis:
    """Tries every target of this version, and collects what a report of a fault should hold."""
    import jax

    return Diagnosis(
        targets=tuple(map(_try, TARGETS)),
        kernels=cpu.describe(),
        devices=tuple((device.platform, device.device_kind) for device in jax.devices()),
        chips={name: _first_sentence(chips.unavailable(name)) for name in chips.CHIPS},
        versions={"python": platform.python_version()}
        | {name: _installed(name) for name in (*PACKAGES, *OPTIONAL)},
        settings=tuple(SettingReport(s.name, _value(s.get()), s.about) for s in SETTINGS),
    )


def _try(name: str) -> TargetReport:
    try:
        check_runs(name)
        right = _step_is_right(name)
    except TargetError as error:
        return TargetReport(name, False, str(error))
    except Exception as error:  # whatever is wrong with the installation is the finding
        return TargetReport(name, False, f"{type(error).__name__}: {error}".partition("\n")[0])
    why = "a step of sgd is right" if right else "a step of sgd gives wrong numbers"
    return TargetReport(name, right, why)


def _step_is_right(target: str) -> bool:
    import jax.numpy as jnp

    from optgen.zoo import STOCK

    tx = STOCK["sgd"](0.5, target=target)
    params = {"w": jnp.arange(3.0)}
    params, _ = tx.step(params, tx.init(params), grads=params)
    return bool((params["w"] == jnp.arange(3.0) / 2).all())


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _first_sentence(text: str | None) -> str:
    return (text or "").partition(". ")[0]


def _version(name: str, version: str) -> str:
    return version or f"not installed; for {OPTIONAL.get(name, 'optgen')}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "not set"
    return "not set" if value is None or value == "" else str(value)
