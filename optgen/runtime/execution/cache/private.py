"""A temporary directory of this process, used where the user's cache cannot be written."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from pathlib import Path

from optgen.errors import CacheError
from optgen.runtime.execution.notice import warn

_opening = threading.Lock()
_opened: list[Path] = []


def existing() -> tuple[Path, ...]:
    """The directory, if it was opened."""
    return tuple(_opened)


def open_instead(reason: str, setting: str) -> None:
    """Makes the directory and says why, unless that was done before.

    Args:
      reason: the reason for which the cache cannot serve.
      setting: the environment variable that names another cache.

    Raises:
      CacheError: where no temporary directory can be made either.
    """
    with _opening:
        if _opened:
            return
        try:
            root = Path(tempfile.mkdtemp(prefix="optgen-"))
        except OSError as error:
            raise CacheError(
                f"{reason}, and no temporary directory can be made ({error.strerror}): name a "
                f"directory in {setting} that can be written"
            ) from error
        atexit.register(_remove, root, os.getpid())
        warn(
            f"{reason}: until this process ends they are kept in {root}, and the next one "
            f"compiles them again. Name a directory in {setting} that can be written.",
            RuntimeWarning,
        )
        _opened.append(root)


def _remove(root: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child runs its parent's exit functions too
        shutil.rmtree(root, ignore_errors=True)
