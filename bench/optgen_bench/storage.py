"""Records as JSON, checked when they are read back, and files written whole or not at all."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import re
import tempfile
import types
import typing
from pathlib import Path
from typing import Any

from optgen.errors import UsageError
from optgen_bench.records import SCHEMA, Report


def to_json(record: Any) -> str:
    """Returns a record (a dataclass of this module, or of `costs`) as indented JSON."""
    return json.dumps(dataclasses.asdict(record), indent=2, allow_nan=False) + "\n"


def from_json(text: str) -> Report:
    """Reads a report back; raises `UsageError` where it does not follow the schema."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"not a benchmark report: {error}. Give a file that --json wrote."
        ) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise UsageError(
            f"the report follows schema {schema!r}, and this version reads {SCHEMA!r}. "
            "Run the benchmark again."
        )
    report: Report = decode(Report, document, "report")
    return report


def decode(kind: Any, value: Any, where: str) -> Any:
    """Builds a value of an annotated type from parsed JSON, checking every field on the way."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:  # only `T | None` occurs
        return None if value is None else decode(arguments[0], value, where)
    if dataclasses.is_dataclass(kind):
        return _decode_fields(kind, value, where)
    expected = origin or kind
    if type(value) is not expected and not (expected is float and type(value) is int):
        raise UsageError(f"{where}: expected {expected.__name__}, got {value!r}.")
    if origin is list:
        return [decode(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(value)]
    if origin is dict:
        return {k: decode(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    return float(value) if expected is float else value


def _decode_fields(kind: Any, value: Any, where: str) -> Any:
    hints = typing.get_type_hints(kind)
    needed = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
    if not isinstance(value, dict) or not needed <= set(value) <= set(hints):
        raise UsageError(f"{where}: expected an object with the fields {', '.join(hints)}.")
    return kind(
        **{name: decode(hints[name], item, f"{where}.{name}") for name, item in value.items()}
    )


def result_path(folder: str | os.PathLike[str], report: Report) -> Path:
    """Returns a free path, named by the machine and the day: `nvidia-h200-2026-01-31.json`."""
    machine = report.machine
    device = f"{machine.cpu} {machine.threads} threads"
    if machine.platform != "cpu":
        device = machine.device
    stem = "-".join(re.findall(r"[a-z0-9]+", f"{device} {report.date[:10]}".lower()))
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    paths = (Path(folder) / f"{name}.json" for name in names)
    return next(path for path in paths if not path.exists())


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raises `UsageError` where `write_atomically` could not write, before work is done in vain."""
    folder = Path(path).absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        reason = "no permission" if folder.is_dir() else f"there is no directory {str(folder)!r}"
        raise UsageError(
            f"cannot write {str(path)!r}: {reason}. Give a path in a directory that you can write."
        )


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a whole file or nothing: a reader never sees a part of it.

    Raises:
      UsageError: where the directory does not exist or cannot be written.
    """
    target = Path(path)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".optgen-") as folder:
            partial = Path(folder) / "partial"
            partial.write_bytes(data)
            os.replace(partial, target)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(
            f"cannot write {str(target)!r}: {reason}. "
            "Give a path in a directory that you can write."
        ) from error
