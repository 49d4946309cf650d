"""Availability of Triton kernels in this process, and the versions that work together."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import re
import sys
from dataclasses import dataclass

from optgen import config
from optgen.errors import UsageError

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """Versions that a line of releases of jax-triton works with.

    Attributes:
      release: the newest of the line that was tried.
      python: the first Python.
      jax: the first JAX.
      jax_end: the first JAX that it does not work with; None where none is known.
      triton: the first Triton.
    """

    release: str
    python: Version
    jax: Version
    jax_end: Version | None
    triton: Version

    def serves(self, jax: Version, triton: Version) -> bool:
        """True where it works with these versions."""
        return self.serves_jax(jax) and triton >= self.triton

    def serves_jax(self, jax: Version) -> bool:
        """True where it works with this JAX."""
        return jax >= self.jax and (self.jax_end is None or jax < self.jax_end)

    def __str__(self) -> str:
        end = "" if self.jax_end is None else f" < {_text(self.jax_end)}"
        jax = f"{_text(self.jax)} <= jax{end}" if end else f"jax >= {_text(self.jax)}"
        return f"jax-triton=={self.release} with {jax} and triton >= {_text(self.triton)}"


FITS = (
    Fit("0.3.1", python=(3, 11), jax=(0, 8, 2), jax_end=None, triton=(3, 6)),
    # Its rule of dead-code elimination takes two arguments, and JAX 0.12 passes three. On Triton
    # 3.6 it makes an object that takes no arguments with some.
    Fit("0.4.1", python=(3, 12), jax=(0, 11), jax_end=(0, 12), triton=(3, 7)),
)
"""Lowered for CUDA with JAX 0.10.2, 0.11.2 and 0.12.0.1, and Triton 3.6, 3.7 and 3.9."""


def version_of(package: str) -> str | None:
    """The version of a package that is installed, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> Version:
    return tuple(int("".join(c for c in x if c.isdigit()) or 0) for x in version.split(".")[:3])


def _text(version: Version) -> str:
    return ".".join(map(str, version))


@functools.cache
def unavailable() -> str | None:
    """Reason for which Triton kernels cannot be lowered in this process; None where they can.

    Nothing is imported to find out.
    """
    needed = ("triton",) if config.INTERPRET.get() else ("triton", "jax_triton")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        names = " and ".join(name.replace("_", "-") for name in missing)
        return f"{names} cannot be found: install {advice()}"
    if config.INTERPRET.get():
        return None
    plugins = ("jax_cuda13_plugin", "jax_cuda12_plugin")
    if not any(importlib.util.find_spec(plugin) for plugin in plugins):
        return "JAX's CUDA plugin cannot be found: install jax[cuda13]"
    return misfit(*map(version_of, ("jax-triton", "jax", "triton")))


def misfit(bridge: str | None, jax: str | None, triton: str | None) -> str | None:
    """Conflict of these versions, and the versions to install; None where none is known.

    Args:
      bridge: of jax-triton; None where it was built from source, as the others.
      jax: of JAX.
      triton: of Triton.
    """
    if bridge is None or jax is None or triton is None:
        return None
    numbers = _numbers(bridge)
    fit = next((f for f in FITS if numbers[:2] == _numbers(f.release)[:2]), None)
    if fit is None and numbers > _numbers(FITS[0].release):
        return None  # newer than this table
    if fit is not None and fit.serves(_numbers(jax), _numbers(triton)):
        return None
    return (
        f"jax-triton {bridge} does not work with JAX {jax} and Triton {triton}: "
        f"install {advice(jax, triton)}"
    )


def advice(jax: str | None = None, triton: str | None = None) -> str:
    """The releases that fit this Python; of those, where there are any, the ones that fit these.

    Args:
      jax: the version of JAX that is installed.
      triton: the version of Triton that is installed.
    """
    fitting = [fit for fit in FITS if sys.version_info >= fit.python]
    if jax is not None and triton is not None:
        here = [fit for fit in fitting if fit.serves(_numbers(jax), _numbers(triton))]
        if here:
            return f"jax-triton=={here[-1].release} (with --no-deps, so that JAX and Triton stay)"
    return " or ".join(map(str, fitting))


def capability(text: str) -> int:
    """90 for 9.0.

    Raises:
      UsageError: for what is no compute capability that kernels are compiled for.
    """
    if not re.fullmatch(r"\d{1,2}\.\d", text) or float(text) < 8:
        raise UsageError(
            f"{text!r} is no compute capability that Triton kernels are compiled for: write it as "
            f"in 9.0; the first is 8.0. {config.COMPUTE_CAPABILITY.name} holds the one that is "
            "compiled for where no GPU is there to ask"
        )
    return int(text.replace(".", ""))
