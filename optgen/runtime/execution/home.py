"""The directory of a user's caches."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from optgen.config import CACHE_DIR


def cache_home() -> Path:
    """The directory of all caches of optgen, which need not exist yet."""
    named = CACHE_DIR.get()
    root = Path(os.path.expanduser(named)) if named else platformdirs.user_cache_path("optgen")
    return root.absolute()
