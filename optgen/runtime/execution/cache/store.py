"""The store of compiled files: each is built once, written whole or not at all, and checked.

A file ``STEM.SUFFIX`` is valid where ``STEM.json`` beside it holds its size and hash. Both are
written under another name and renamed, the hash last, so that a process that is killed leaves
nothing that passes for a valid file. A builder holds a lock, which the system releases with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from optgen.config import CACHE_DIR
from optgen.errors import CacheError
from optgen.runtime.execution.cache import private
from optgen.runtime.execution.cache.lock import locked
from optgen.runtime.execution.home import cache_home

Build = Callable[[Path], bytes]
"""Returns the bytes of a file; takes an empty directory for its temporary files."""

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_REMEDY = f"or name another directory in {CACHE_DIR.name}"


class Store:
    """The files of one kind, in a directory of their own.

    Attributes:
      name: the name of the directory.
      suffix: the suffix of the files.
    """

    def __init__(self, name: str, suffix: str) -> None:
        self.name, self.suffix = name, suffix

    def directory(self) -> Path:
        """The directory of the files, which need not exist yet."""
        return cache_home() / self.name

    def fetch(self, stem: str, build: Build) -> Path:
        """The file of this name, built where it is missing or damaged.

        Where the cache cannot be written, a warning says so once, and a directory of this process
        serves until it ends.

        Args:
          stem: the file's name without its suffix; two different files need two stems.
          build: builds the file.

        Raises:
          CacheError: where the cache or the file belongs to someone else, or others can write it;
            or where no directory can be written.
        """
        home = self.directory()
        for place in (home, *self._private()):
            file = place / f"{stem}{self.suffix}"
            if _trusted(place) and _whole(file):
                return file
        if not self._private():
            try:
                return _make(_made(home) / f"{stem}{self.suffix}", build)
            except OSError as error:  # read-only, full, over the quota, or no directory at all
                reason = f"compiled kernels cannot be kept in {home} ({error.strerror})"
            private.open_instead(reason, CACHE_DIR.name)
        (place,) = self._private()
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            return _make(place / f"{stem}{self.suffix}", build)
        except OSError as error:
            raise CacheError(
                f"compiled kernels cannot be kept in {home}, nor in {place} ({error.strerror}): "
                f"make room, {_REMEDY}"
            ) from error

    def _private(self) -> list[Path]:
        return [root / self.name for root in private.existing()]


def discard(file: Path) -> None:
    """Removes a file that turned out to be unusable, with its record."""
    for path in (_record_path(file), file):
        with contextlib.suppress(OSError):
            path.unlink()


def _made(home: Path) -> Path:
    """The directory, made for its owner alone where it is missing."""
    for path in (home.parent, home):
        path.mkdir(mode=0o700, parents=path == home.parent, exist_ok=True)
    _trusted(home)
    return home


def _trusted(home: Path) -> bool:
    """True where a directory exists.

    Raises:
      CacheError: where others could write into it.
    """
    for path in (home.parent, home):
        try:
            status = path.stat()
        except OSError:
            return False
        if not stat.S_ISDIR(status.st_mode):
            raise CacheError(f"{path} is no directory: remove it, {_REMEDY}")
        _own(path, status, "chmod go-w")
    return True


def _own(path: Path, status: os.stat_result, command: str) -> None:
    """Refuses a path that belongs to another user, or that others can write."""
    if status.st_uid != os.geteuid():
        raise CacheError(
            f"{path} belongs to the user {status.st_uid}, not to {os.geteuid()}, and code that "
            f"someone else can write is never loaded: remove it, {_REMEDY}"
        )
    if status.st_mode & _OTHERS_WRITE:
        raise CacheError(
            f"{path} can be written by other users, and code that someone else can write is never "
            f"loaded: `{command}` it, {_REMEDY}"
        )


def _whole(file: Path) -> bool:
    """True where the file exists, and has the size and the hash of its record."""
    try:
        return _read_own(_record_path(file)) == _record(_read_own(file))
    except OSError:
        return False


def _read_own(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        _own(path, os.fstat(descriptor), "remove")
        return file.read()


def _record_path(file: Path) -> Path:
    return file.with_suffix(".json")


def _record(content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return json.dumps({"size": len(content), "sha256": digest}).encode()


def _make(file: Path, build: Build) -> Path:
    """Builds the file, unless another process did so while this one waited for the lock."""
    place, stem = file.parent, file.stem
    with locked(file.with_suffix(".lock")):
        if not _whole(file):
            for left in place.glob(f"{stem}.*.tmp"):  # by one who was killed, holding this lock
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(
                prefix=f"{stem}.", suffix=".tmp", dir=place, ignore_cleanup_errors=True
            ) as scratch:
                content = build(Path(scratch))
                whole = _written(Path(scratch, "whole"), content)
                record = _written(Path(scratch, "record"), _record(content))
                os.replace(whole, file)
                os.replace(record, _record_path(file))
    return file


def _written(path: Path, content: bytes) -> Path:
    """The file, after all of it has reached the disk."""
    with open(path, "wb", opener=_for_the_owner) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return path


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
