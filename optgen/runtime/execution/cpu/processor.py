"""Identity of this machine's CPU: code made for one of them may not run on another."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

# The lines of /proc/cpuinfo, here on x86, ARM, RISC-V and POWER, that make a difference to code.
_TELLING = {
    *("vendor_id", "cpu family", "model", "model name", "flags"),
    *("Features", "CPU implementer", "CPU variant", "CPU part", "isa", "cpu"),
}


@functools.cache
def processor() -> str:
    """Model and features of this machine's CPU, so far as a compiler's output depends on them."""
    features = {"machine": platform.machine(), "processor": platform.processor()}
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = (part.strip() for part in line.partition(":"))
        if key in _TELLING:
            features.setdefault(key, " ".join(sorted(value.split())))
    return repr(sorted(features.items()))
