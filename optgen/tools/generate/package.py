"""The text of every file of a package: its modules, its kernels, its manifest."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from optgen.compile import distinct_dtypes, emit, emit_tables, lower
from optgen.dsl.rule import Instance
from optgen.emit.emitters import EMITTERS
from optgen.emit.python import WIDTH, Doc, literal, render
from optgen.emit.templates import template
from optgen.runtime.execution.targets import PORTABLE
from optgen.runtime.vocabulary.hyper import REQUIRED, Hyperparameter
from optgen.tools.generate import manifest
from optgen.tools.generate.configuration import Configuration, make_instance, static_settings


def package_files(
    rule: Any, configurations: Sequence[Configuration], targets: Sequence[str]
) -> dict[str, str]:
    """The text of every file of a package."""
    files: dict[str, str] = {}
    emitted: list[str | Doc] = []
    modules: list[str] = []
    first = make_instance(rule, configurations[0].settings)
    for configuration in configurations:
        instance = make_instance(rule, configuration.settings)
        lowered, _ = lower(instance.composition, configuration.leaves)
        suffix = "" if configuration is configurations[0] else _difference(instance, first)
        portable = f"{PORTABLE}{suffix}"
        sources = {t: f"{t}{suffix}{EMITTERS[t].ending}" for t in targets if t in EMITTERS}
        dtypes = distinct_dtypes(configuration.leaves, lowered) if sources else ()
        files[f"{portable}.py"] = emit(lowered, PORTABLE, dtypes)
        modules.append(portable)
        files |= {file: emit(lowered, target, dtypes) for target, file in sources.items()}
        kernels = []
        if sources:
            files[f"kernels{suffix}.py"] = emit_tables(lowered, sources, dtypes)
            modules.append(f"kernels{suffix}")
            kernels.append(f"*kernels{suffix}.KERNELS")
        settings = [f"{literal(k)}: {literal(v)}" for k, v in static_settings(instance).items()]
        emitted.append(Doc("(", [Doc("{", settings, "}"), f"{portable}.MODULE", *kernels], ")"))
    hyperparameters = [_declaration(h) for h in _hyperparameters(first)]
    package = Doc(
        f"{first.name} = Package(",
        [
            f"name={literal(first.name)}",
            "module=__name__",
            Doc("hyperparameters=(", hyperparameters, ",)" if len(hyperparameters) == 1 else ")"),
            Doc("modules=(", emitted, ",)" if len(emitted) == 1 else ")"),
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
    files[manifest.MANIFEST] = manifest.text(configurations)
    return files


def _imports(modules: Sequence[str]) -> str:
    """The statement that imports the modules of a package, as a formatter leaves it."""
    line = f"from . import {', '.join(modules)}"
    return line if len(line) <= WIDTH else render(Doc("from . import (", modules, ")"))


def _difference(instance: Instance, first: Instance) -> str:
    """The ending of a module's name: the choices that differ from the first configuration's."""
    words = []
    chosen, usual = static_settings(instance), static_settings(first)
    for name in (h.name for h in _hyperparameters(first)):
        if name in usual and name not in chosen:
            words.append(name)  # it was None, and is a run-time scalar now
        elif name in chosen and name not in usual:
            words.append(f"no_{name}")
        elif name in chosen and chosen[name] != usual[name]:
            words.append(name if chosen[name] is True else f"{name}_{chosen[name]}".lower())
    return "".join("_" + "".join(c if c.isalnum() else "_" for c in word) for word in words)


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


def _declaration(h: Hyperparameter) -> str:
    default = "" if h.default is REQUIRED else f", {literal(h.default)}"
    return f"Hyperparameter({literal(h.name)}, {literal(h.kind)}{default})"
