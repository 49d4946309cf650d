"""The environment variables that optgen reads, typed and documented, in one table."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """An environment variable.

    Attributes:
      name: the name of the variable.
      about: its effect, in a sentence.
      default: its value where it is not set.
      parse: converts the variable's text to its value.
    """

    name: str
    about: str
    default: Any
    parse: Callable[[str], Any]

    def get(self) -> Any:
        """The value in this environment, read anew each time."""
        text = os.environ.get(self.name)
        return self.default if text is None or text == "" else self.parse(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


PRINT_AFTER = Setting(
    "OPTGEN_PRINT_AFTER",
    "Passes, separated by commas, after which programs are printed on standard error; or 'all'.",
    (),
    _names,
)

TARGET = Setting(
    "OPTGEN_TARGET",
    "What target='auto' stands for: one target by name; by default whatever serves best.",
    "auto",
    str,
)

CACHE_DIR = Setting(
    "OPTGEN_CACHE_DIR",
    "Where compiled CPU kernels, and what `optgen tune` measured, are kept; by default in the "
    "user's own cache directory.",
    "",
    str,
)

CXX = Setting(
    "CXX",
    "The C++ compiler of CPU kernels; by default c++, g++ or clang++, whichever is found first.",
    "",
    str,
)

CXXFLAGS = Setting(
    "OPTGEN_CXXFLAGS",
    "Flags for the C++ compiler of CPU kernels, after optgen's own, as a shell would read them.",
    "",
    str,
)

INTERPRET = Setting(
    "OPTGEN_INTERPRET",
    "1 to run kernels for an accelerator that is not there in their interpreter: right, and slow.",
    False,
    lambda text: text not in ("0", "false"),
)

COMPUTE_CAPABILITY = Setting(
    "OPTGEN_COMPUTE_CAPABILITY",
    "What Triton kernels are compiled for where no GPU is there to ask; by default 9.0, which is "
    "H100 and H200. They run on GPUs of that number alone.",
    "9.0",
    str,
)

TPU = Setting(
    "OPTGEN_TPU",
    "The generation that TPU kernels are lowered for where no TPU is there to ask: v4, v5e, v5p, "
    "v6e or tpu7x. By default v4, whose vector memory is the smallest, so that all run it.",
    "v4",
    str,
)

CHIPS_DIR = Setting(
    "OPTGEN_CHIPS",
    "A directory of wheels that compile for chips that are not here: JAX's CUDA plugin, libtpu. "
    "By default those that are installed beside JAX.",
    "",
    str,
)

SETTINGS: tuple[Setting, ...] = (
    PRINT_AFTER,
    TARGET,
    CACHE_DIR,
    CXX,
    CXXFLAGS,
    INTERPRET,
    COMPUTE_CAPABILITY,
    TPU,
    CHIPS_DIR,
)
"""All of them, as ``optgen doctor`` lists them."""
