"""Emitted packages: written to disk, and added to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from optgen.emit.emitters import EMITTERS
from optgen.errors import TargetError
from optgen.runtime.execution.targets import TARGETS
from optgen.runtime.vocabulary.module import Kernels
from optgen.tools.generate import manifest
from optgen.tools.generate.configuration import Configuration, leaf_specs, make_instance, merge
from optgen.tools.generate.package import package_files

DEFAULT_SHAPES: tuple[tuple[int, ...], ...] = (
    (),
    (128,),
    (256, 512),
    (512, 256),
    (4, 256, 512),
    (4, 512, 256),
    (3, 3, 128, 256),
    (3, 3, 256, 128),
)
"""Leaves of every kind that the stock rules tell apart: vectors, matrices, both ways factored."""


def generate(
    rule: Any,
    out: Path,
    settings: Mapping[str, Any] | None = None,
    shapes: Iterable[tuple[int, ...]] = DEFAULT_SHAPES,
    dtypes: Iterable[str] = ("float32",),
    targets: Iterable[str] = TARGETS,
    compile_now: bool = False,
) -> list[Path]:
    """Writes a rule's package, or adds to it.

    Args:
      rule: a rule, a chain of rules, or an optimizer.
      out: the directory that holds packages; the rule's own is made in it.
      settings: hyperparameters by name; those that are static, or None or not, decide what is
        emitted.
      shapes: the shapes of leaves to serve.
      dtypes: the names of their dtypes.
      targets: what to emit for; ``xla``, which every platform can run, always is.
      compile_now: whether to compile the kernels as well, into the cache that they are loaded
        from, so that the first step of an optimizer does not.

    Returns:
      The files that were written.

    Raises:
      RuleError: for what is wrong with the rule.
      TargetError: for a target that this version cannot emit.
      CompilerError: where the kernels cannot be compiled.
    """
    targets = _checked(targets)
    settings = dict(settings or {})
    instance = make_instance(rule, settings)
    directory = Path(out) / instance.name
    leaves = leaf_specs(instance, shapes, dtypes)
    configurations = merge(manifest.read(directory), Configuration(settings, leaves), rule)
    files = package_files(rule, configurations, targets)
    if compile_now:
        compile_sources(instance.name, files)
    return write(directory, files)


def compile_sources(name: str, files: Mapping[str, str]) -> None:
    """Compiles what targets compile beforehand, among the files of a package, into the cache."""
    for emitter in EMITTERS.values():
        prepare = TARGETS[emitter.target].prepare
        for file, text in files.items():
            if prepare is not None and file.endswith(emitter.ending):
                prepare(Kernels(name, emitter.target, text, ()))


def _checked(targets: Iterable[str]) -> tuple[str, ...]:
    targets = tuple(targets)
    for target in targets:
        if target not in TARGETS:
            raise TargetError(
                f"target {target!r} is not in this version of optgen: there are "
                f"{', '.join(TARGETS)}"
            )
    return targets


def write(directory: Path, files: Mapping[str, str]) -> list[Path]:
    """Writes each file whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in files.items():
        path = directory / name
        handle, temporary = tempfile.mkstemp(dir=directory, prefix=f".{name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        paths.append(path)
    return paths
