"""Whether Triton kernels can be lowered here, and with what."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import sys

from optgen import config

FITS = (
    # jax-triton, Python, JAX: the first version that fits, and the first that does not
    ("0.3.1", (3, 11), (0, 8, 2), (0, 12)),
    ("0.4.1", (3, 12), (0, 11), (0, 12)),
)
"""Which release of jax-triton works with which JAX."""


def version_of(package: str) -> str | None:
    """The version of a package that is installed, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int("".join(c for c in x if c.isdigit()) or 0) for x in version.split(".")[:3])


@functools.cache
def unavailable() -> str | None:
    """Why Triton kernels cannot be lowered in this process; None where they can.

    Nothing is imported to find out.
    """
    if config.INTERPRET.get():
        missing = [name for name in ("triton",) if importlib.util.find_spec(name) is None]
    else:
        missing = [n for n in ("triton", "jax_triton") if importlib.util.find_spec(n) is None]
    if missing:
        names = " and ".join(name.replace("_", "-") for name in missing)
        return f"{names} cannot be found: install {advice()}"
    if config.INTERPRET.get():
        return None
    if importlib.util.find_spec("jax_cuda13_plugin") or importlib.util.find_spec(
        "jax_cuda12_plugin"
    ):
        return _misfit()
    return "JAX's CUDA plugin cannot be found: install jax[cuda13]"


def _misfit() -> str | None:
    bridge, jax = version_of("jax-triton"), version_of("jax")
    if bridge is None or jax is None:
        return None  # built from source: nothing is known against it
    for release, _, first, end in FITS:
        if _numbers(bridge)[:2] == _numbers(release)[:2]:
            if first <= _numbers(jax) < end:
                return None
            return f"jax-triton {bridge} does not work with JAX {jax}: install {advice()}"
    return None


def advice() -> str:
    """The releases that fit this Python."""
    fitting = [
        f"jax-triton=={release} with {'.'.join(map(str, first))} <= jax < {'.'.join(map(str, end))}"
        for release, python, first, end in FITS
        if sys.version_info >= python
    ]
    return " or ".join(fitting)
