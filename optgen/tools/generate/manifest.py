"""The manifest of a package: the configurations that it was emitted for, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from optgen.errors import UsageError
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.tools.generate.configuration import Configuration

MANIFEST = "manifest.json"
"""The name of the file."""


def read(directory: Path) -> list[Configuration]:
    """The configurations of the package in a directory; none where there is no package.

    Raises:
      UsageError: for a manifest that cannot be read.
    """
    path = directory / MANIFEST
    if not path.exists():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(entries, list) or not entries:
            raise ValueError("it lists no configurations")
        return [
            Configuration(
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


def text(configurations: Sequence[Configuration]) -> str:
    """The manifest of configurations, a line for each leaf."""
    entries = [
        {"settings": dict(c.settings), "leaves": [asdict(leaf) for leaf in c.leaves]}
        for c in configurations
    ]
    lines = []
    for entry in entries:
        leaves = ",\n".join(f"      {json.dumps(leaf)}" for leaf in entry["leaves"])
        settings = json.dumps(entry["settings"])
        lines.append(f'  {{\n    "settings": {settings},\n    "leaves": [\n{leaves}\n    ]\n  }}')
    return "[\n" + ",\n".join(lines) + "\n]\n"
