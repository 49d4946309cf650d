"""Tables of measured options: one JSON file for each device, shipped or of the user's own.

    {"schema": "optgen-tuned/2", "device": "NVIDIA H200", "date": "2026-01-31",
     "versions": {"jax": …, "jax-triton": …, "triton": …},
     "options": {"sweep flat, reads 4 4 4 4, writes 4 4 4":
       {"options": {"block": 1024, "warps": 4, …}, "seconds": …, "guessed_seconds": …}}}

Seconds are those of a whole step of the tree that was tuned on, with these options and with the
guessed ones.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optgen.config import CACHE_DIR
from optgen.errors import CacheError
from optgen.runtime.execution.home import cache_home
from optgen.runtime.execution.notice import warn
from optgen.runtime.execution.triton.options import Options

SCHEMA = "optgen-tuned/2"


@dataclass(frozen=True, slots=True)
class Measured:
    """The best options of a kind of launch.

    Attributes:
      options: what they are.
      seconds: of a step with them.
      guessed_seconds: of a step with the options that are guessed where nothing was measured.
    """

    options: Options
    seconds: float
    guessed_seconds: float

    def then(self, later: Measured) -> Measured:
        """With options that were found later, beginning with these."""
        faster = later.seconds / later.guessed_seconds
        return Measured(later.options, self.seconds * faster, self.guessed_seconds)


@dataclass(frozen=True)
class Table:
    """Best options of launches, as measured on a device.

    Attributes:
      device: its name, as JAX has it.
      date: of the newest measurement, ISO 8601.
      versions: of the packages that were measured.
      options: the best ones, by what `tuned.key` says of a launch.
    """

    device: str
    date: str
    versions: Mapping[str, str]
    options: Mapping[str, Measured]

    def text(self) -> str:
        """The table as JSON."""
        return json.dumps({"schema": SCHEMA, **dataclasses.asdict(self)}, indent=2) + "\n"

    def merged(self, older: Table | None) -> Table:
        """This table, with what it lacks from an older one of the same device."""
        if older is None:
            return self
        return dataclasses.replace(self, options={**older.options, **self.options})


def shipped(device: str) -> Path:
    """The file of a device that came with optgen, whether it exists or not."""
    return Path(__file__).with_name("tuned") / f"{slug(device)}.json"


def users(device: str) -> Path:
    """The file of a device in the user's cache, whether it exists or not."""
    return cache_home() / "tuned" / f"{slug(device)}.json"


def place(device: str, named: Path | None) -> Path:
    """The file for a device: a file or a directory that was named, else the user's own."""
    if named is None:
        return users(device)
    return named / f"{slug(device)}.json" if named.is_dir() else named


def slug(device: str) -> str:
    """The device's name as files have it: `nvidia-h200`."""
    return "-".join(re.findall(r"[a-z0-9]+", device.lower()))


@functools.lru_cache(maxsize=64)
def read(path: Path) -> Table | None:
    """The table in a file; None where there is no file.

    A file that holds no table is left alone, and a warning says so once.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        _pass_over(path, str(error.strerror))
        return None
    try:
        return _table(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        _pass_over(path, f"{type(error).__name__}: {error}")
        return None


def _pass_over(path: Path, reason: str) -> None:
    warn(
        f"{path} is no table of measured options ({reason}), and options are guessed: remove it, "
        "or run `optgen tune` again",
    )


def _table(document: Any) -> Table:
    if document["schema"] != SCHEMA:
        raise ValueError(f"it follows {document['schema']!r}, and this version reads {SCHEMA!r}")
    options = {
        str(key): Measured(
            _options(entry["options"]), float(entry["seconds"]), float(entry["guessed_seconds"])
        )
        for key, entry in document["options"].items()
    }
    versions = {str(name): str(version) for name, version in document["versions"].items()}
    return Table(str(document["device"]), str(document["date"]), versions, options)


def _options(entry: Mapping[str, Any]) -> Options:
    for name, value in entry.items():
        power = isinstance(value, int) and value > 0 and value & (value - 1) == 0
        if not (power or (name in ("programs", "stages") and isinstance(value, int) and value > 0)):
            raise ValueError(f"{name} is {value!r}")
    return Options(**entry)


def write(path: Path, table: Table) -> None:
    """Writes a whole table or nothing; the directory of the user's cache is made if need be.

    Raises:
      CacheError: where it cannot be written.
    """
    try:
        if path == users(table.device):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".optgen-") as scratch:
            whole = Path(scratch, path.name)
            whole.touch(mode=0o600)
            whole.write_text(table.text(), "utf-8")
            os.replace(whole, path)
    except OSError as error:
        raise CacheError(
            f"{path} cannot be written ({error.strerror}): name another file with -o, or another "
            f"directory in {CACHE_DIR.name}"
        ) from error
    read.cache_clear()
