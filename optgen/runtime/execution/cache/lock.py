"""A lock between processes, and between threads of one, that ends with its holder."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

# File systems without locks: whatever is guarded is also written in one step, so that two may
# do the same work, but neither harms the other.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock of this name; its file is gone afterwards."""
    import fcntl  # not where Windows is, which says elsewhere that CPU kernels don't work there

    descriptor = _acquire(path)
    try:
        yield
    finally:
        # Unlinked while it is held: who waits for it finds that its file has no name any more.
        path.unlink(missing_ok=True)
        # Said aloud, because a child forked meanwhile has the descriptor too.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _acquire(path: Path) -> int:
    import fcntl

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _still_named(descriptor, path):
                return descriptor
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return descriptor
            os.close(descriptor)
            raise
        os.close(descriptor)


def _still_named(descriptor: int, path: Path) -> bool:
    """True where the open file still has this name, and was not removed by the last holder."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
