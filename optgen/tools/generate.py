"""Emitted packages: written to disk, added to, and checked against a fresh emission.

A package holds a module for each choice of static hyperparameters that was asked for, and in
each the variants for the leaves that were asked for; ``manifest.json`` remembers both, so that
generating again adds to what is there.
"""

from __future__ import annotations

import inspect
import itertools
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from optgen.compile import distinct_dtypes, emit, lower
from optgen.dsl.rule import Instance
from optgen.emit.python import WIDTH, Doc, literal, render
from optgen.emit.templates import template
from optgen.errors import HyperparameterError, TargetError, UsageError
from optgen.runtime.execution import cpu
from optgen.runtime.execution.package import settings_of
from optgen.runtime.execution.targets import TARGETS
from optgen.runtime.vocabulary.hyper import REQUIRED, Hyperparameter
from optgen.runtime.vocabulary.leaf import LeafSpec, MaskValue
from optgen.zoo import STOCK

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

STOCK_SETTINGS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "sgd": ({}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}),
    "rmsprop": ({}, {"centered": True}, {"momentum": 0.9}),
    "adafactor": ({"learning_rate": 1e-3}, {"learning_rate": 1e-3, "momentum": 0.9}),
}
"""What a stock rule's committed package was emitted for, where that is not its defaults alone."""

_SOURCES = {"cpu": ".cc", "triton": "_kernels.py", "tpu": "_kernels.py"}
"""What the name of a target's source ends with; its tables stand beside it in Python."""

_TABLES = {"cpu": "NATIVE", "triton": "KERNELS", "tpu": "KERNELS"}

_ANY_NUMBER = 1.0  # stands for a run-time hyperparameter: no value of one is in what is emitted
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class _Configuration:
    """What one module of a package was emitted for."""

    given: Mapping[str, Any]
    leaves: tuple[LeafSpec, ...]


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
    targets = _known(targets)
    given = dict(settings or {})
    instance = _instance(rule, given)
    directory = Path(out) / instance.name
    leaves = _specs(instance, shapes, dtypes)
    configurations = _merge(_remembered(directory), _Configuration(given, leaves), rule)
    files = _files(rule, configurations, targets)
    if compile_now:
        _compile(instance.name, files)
    return _write(directory, files)


def _compile(name: str, files: Mapping[str, str]) -> None:
    for file, text in files.items():
        if file.endswith(".cc"):
            cpu.compile_library(text, name)


def generate_all(out: Path, compile_now: bool = False) -> list[Path]:
    """Writes the packages of every stock rule, and the module that imports them all.

    Args:
      out: the directory that holds packages.
      compile_now: see ``generate``.
    """
    out = Path(out)
    if compile_now:
        for name, files in _stock_files().items():
            _compile(name, files)
    return [
        path
        for name, files in _stock_files().items()
        for path in _write(out / name if name else out, files)
    ]


def check(out: Path) -> list[str]:
    """What differs between a directory of stock packages and a fresh emission, a line each."""
    out, faults = Path(out), []
    for name, files in _stock_files().items():
        directory = out / name if name else out
        for file, text in files.items():
            path = directory / file
            if not path.exists():
                faults.append(f"{path} is missing")
            elif path.read_text(encoding="utf-8") != text:
                faults.append(f"{path} differs from what optgen emits now")
        known = set(files) | {"__pycache__"}
        known |= {name for name in _stock_files() if name} if not name else set()
        extra = [p for p in sorted(directory.glob("*")) if p.name not in known]
        faults += [f"{path} is not emitted by any stock rule" for path in extra]
    return faults


def _stock_files() -> dict[str, dict[str, str]]:
    packages: dict[str, dict[str, str]] = {}
    for name, rule in sorted(STOCK.items()):
        configurations: list[_Configuration] = []
        for given in STOCK_SETTINGS.get(name, ({},)):
            leaves = _specs(_instance(rule, given), DEFAULT_SHAPES, ("float32",))
            configurations.append(_Configuration(given, leaves))
        packages[name] = _files(rule, configurations, TARGETS)
    packages[""] = {"__init__.py": template("kernels.py.jinja").render(names=sorted(STOCK))}
    return packages


def _known(targets: Iterable[str]) -> tuple[str, ...]:
    targets = tuple(targets)
    for target in targets:
        if target not in TARGETS:
            raise TargetError(
                f"target {target!r} is not in this version of optgen: there are "
                f"{', '.join(TARGETS)}"
            )
    return targets


def _instance(rule: Any, given: Mapping[str, Any]) -> Instance:
    """The rule with numbers for the run-time hyperparameters that it wants."""
    instance = getattr(rule, "instance", None)
    if instance is not None:
        if given:
            raise UsageError(
                f"{instance.name} has its hyperparameters already: generate the rule itself to "
                f"choose {', '.join(given)}"
            )
        return cast(Instance, instance)
    wanted = {
        h.name: _ANY_NUMBER
        for h in rule.hyperparameters
        if h.default is REQUIRED and h.kind == "scalar"
    }
    missing = [h.name for h in rule.hyperparameters if h.default is REQUIRED and h.static]
    if missing := [name for name in missing if name not in given]:
        raise HyperparameterError(
            f"{rule.name} needs the static {missing[0]!r}: choose it with --set {missing[0]}=…"
        )
    return cast(Instance, rule(**{**wanted, **given}).instance)


def _specs(
    instance: Instance, shapes: Iterable[tuple[int, ...]], dtypes: Iterable[str]
) -> tuple[LeafSpec, ...]:
    """The leaves to serve, under everything that a mask may say of them."""
    choices: tuple[MaskValue, ...] = (None, True, False)
    masks = list(itertools.product(choices, repeat=len(instance.masks)))
    return tuple(
        LeafSpec(tuple(shape), dtype, dtype, mask)
        for shape, dtype, mask in itertools.product(shapes, dtypes, masks)
    )


def _remembered(directory: Path) -> list[_Configuration]:
    path = directory / _MANIFEST
    if not path.exists():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(entries, list) or not entries:
            raise ValueError("it lists no configurations")
        return [
            _Configuration(
                entry["settings"],
                tuple(
                    LeafSpec(
                        tuple(leaf["shape"]),
                        leaf["param_dtype"],
                        leaf["grad_dtype"],
                        tuple(leaf["masks"]),
                    )
                    for leaf in entry["leaves"]
                ),
            )
            for entry in entries
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no manifest of an emitted package ({type(error).__name__}: {error}): "
            "remove the directory, or choose another with -o"
        ) from None


def _merge(known: list[_Configuration], new: _Configuration, rule: Any) -> list[_Configuration]:
    """Adds to the configuration that is emitted for the same settings, or adds another."""
    key = _settings(_instance(rule, new.given))
    for i, old in enumerate(known):
        if _settings(_instance(rule, old.given)) == key:
            leaves = tuple(dict.fromkeys((*old.leaves, *new.leaves)))
            return [*known[:i], _Configuration(old.given, leaves), *known[i + 1 :]]
    return [*known, new]


def _hyperparameters(instance: Instance) -> tuple[Hyperparameter, ...]:
    """A rule's own; for a chain its run-time ones, at the values that they have now."""
    if len(instance.parts) == 1:
        return instance.parts[0].rule.hyperparameters
    scalars = [
        Hyperparameter(name, "scalar", value if isinstance(value, float) else REQUIRED)
        for name, value in instance.scalars.items()
    ]
    masks = [
        Hyperparameter(f"{part.rule.name}_{name}", "mask", None)
        for part in instance.composition.parts
        for name in part.masks
    ]
    return (*scalars, *masks)


def _settings(instance: Instance) -> dict[str, Any]:
    if len(instance.parts) > 1:
        return {}
    part = instance.parts[0]
    return settings_of(part.rule.hyperparameters, part.values)


def _files(
    rule: Any, configurations: Sequence[_Configuration], targets: Sequence[str]
) -> dict[str, str]:
    """The text of every file of a package."""
    files: dict[str, str] = {}
    units: list[str | Doc] = []
    modules: list[str] = []
    first = _instance(rule, configurations[0].given)
    for configuration in configurations:
        instance = _instance(rule, configuration.given)
        lowered, _ = lower(instance.composition, configuration.leaves)
        suffix = "" if configuration is configurations[0] else _difference(instance, first)
        files[f"xla{suffix}.py"] = emit(lowered, "xla", ())["py"]  # what every platform can run
        modules.append(f"xla{suffix}")
        kernels = []
        dtypes = distinct_dtypes(configuration.leaves, lowered)
        for target in (name for name in targets if name != "xla"):
            emitted = emit(lowered, target, dtypes)
            files[f"{target}{suffix}{_SOURCES[target]}"] = emitted["source"]
            files[f"{target}{suffix}.py"] = emitted["tables"]
            modules.append(f"{target}{suffix}")
            kernels.append(f"{target}{suffix}.{_TABLES[target]}")
        settings = [f"{literal(k)}: {literal(v)}" for k, v in _settings(instance).items()]
        units.append(Doc("(", [Doc("{", settings, "}"), f"xla{suffix}.UNIT", *kernels], ")"))
    hyperparameters = [_declaration(h) for h in _hyperparameters(first)]
    package = Doc(
        f"{first.name} = Package(",
        [
            f"name={literal(first.name)}",
            "module=__name__",
            Doc("hyperparameters=(", hyperparameters, ",)" if len(hyperparameters) == 1 else ")"),
            Doc("units=(", units, ",)" if len(units) == 1 else ")"),
            "doc=__doc__",
        ],
        ")",
    )
    files["__init__.py"] = template("package.py.jinja").render(
        doc=inspect.cleandoc(lowered.doc),
        name=first.name,
        imports=_imports(sorted(modules)),
        package=render(package),
    )
    files[_MANIFEST] = _manifest(configurations)
    return files


def _imports(modules: Sequence[str]) -> str:
    """The statement that imports the modules of a package, as a formatter leaves it."""
    line = f"from . import {', '.join(modules)}"
    return line if len(line) <= WIDTH else render(Doc("from . import (", modules, ")"))


def _difference(instance: Instance, first: Instance) -> str:
    """What a module is called beyond its target: the choices that differ from the first one's."""
    words = []
    chosen, usual = _settings(instance), _settings(first)
    for name in (h.name for h in _hyperparameters(first)):
        if name in usual and name not in chosen:
            words.append(name)  # it was None, and is a run-time scalar now
        elif name in chosen and name not in usual:
            words.append(f"no_{name}")
        elif name in chosen and chosen[name] != usual[name]:
            words.append(name if chosen[name] is True else f"{name}_{chosen[name]}".lower())
    return "".join("_" + "".join(c if c.isalnum() else "_" for c in word) for word in words)


def _declaration(h: Hyperparameter) -> str:
    default = "" if h.default is REQUIRED else f", {literal(h.default)}"
    return f"Hyperparameter({literal(h.name)}, {literal(h.kind)}{default})"


def _manifest(configurations: Sequence[_Configuration]) -> str:
    entries = [
        {"settings": dict(c.given), "leaves": [asdict(leaf) for leaf in c.leaves]}
        for c in configurations
    ]
    lines = []
    for entry in entries:
        leaves = ",\n".join(f"      {json.dumps(leaf)}" for leaf in entry["leaves"])
        settings = json.dumps(entry["settings"])
        lines.append(f'  {{\n    "settings": {settings},\n    "leaves": [\n{leaves}\n    ]\n  }}')
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _write(directory: Path, files: Mapping[str, str]) -> list[Path]:
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
