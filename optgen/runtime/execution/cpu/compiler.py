"""Finds the C++ compiler, and makes shared libraries of emitted source."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from optgen.config import CXX, CXXFLAGS
from optgen.errors import CompilerError
from optgen.runtime.execution.cache import Store
from optgen.runtime.execution.cpu.processor import processor

NATIVE = Path(__file__).parent / "native"
"""Directory of the C and C++ sources."""

LIBRARIES = Store("cpu", ".so")

HEADERS: Mapping[str, Path] = dict.fromkeys(
    (
        "optgen_kernel.h",
        "optgen_numbers.h",
        "optgen_leaf.h",
        "optgen_reductions.h",
        "optgen_launch.h",
    ),
    NATIVE,
)
"""Headers that emitted kernels include, besides the standard library: name and directory."""

FLAGS = (
    *("-O3", "-std=c++17", "-fPIC", "-shared", "-fvisibility=hidden"),
    # What lets loops with square roots and branches become vectors. Never -ffast-math: NaN,
    # infinity and signed zeros mean what they mean in JAX, and sums keep their order.
    *("-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd"),
)
ARCHITECTURES = (("-march=native",), ("-mcpu=native",), ())
"""Flags for this machine's CPU, the first that the compiler takes."""

_CANDIDATES = ("c++", "g++", "clang++")
_LIMIT = 600  # seconds; far above any kernel on any machine, so that a compiler that hangs ends
_LINES = 30  # of a compiler's complaints
_FULL = ("No space left on device", "Disk quota exceeded")  # what it says where there is no room


@dataclass(frozen=True, slots=True)
class Compiler:
    """A compiler that was found to work.

    Attributes:
      command: what runs it: the path of the program, then what ``CXX`` says besides.
      version: all that it says of its version.
      flags: those of every compilation.
    """

    command: tuple[str, ...]
    version: str
    flags: tuple[str, ...]


def find() -> Compiler:
    """The compiler in this environment, tried once for each.

    Raises:
      CompilerError: where there is none, or it does not work.
    """
    return _find(CXX.get(), CXXFLAGS.get(), os.environ.get("PATH", os.defpath))


def compile_library(
    source: str, name: str, headers: Mapping[str, Path] = HEADERS, compiler: Compiler | None = None
) -> Path:
    """The shared library of a C++ source: from the user's cache, or compiled now.

    Args:
      source: the text.
      name: what its files are called, and errors call it.
      headers: what it includes that is not the system's: name and directory.
      compiler: which to use; by default what ``find`` finds.

    Raises:
      CompilerError: where there is no compiler, or it refuses the source.
      CacheError: where the result cannot be kept.
    """
    chosen = compiler or find()
    stem = f"{_file_name(name)}-{_key(source, chosen, headers)}"
    return LIBRARIES.fetch(stem, lambda scratch: _compile(source, name, headers, chosen, scratch))


def fixed_flags() -> tuple[str, ...]:
    """The flags that do not depend on the machine."""
    return (*FLAGS, *_words(CXXFLAGS.get(), CXXFLAGS.name))


def _key(source: str, compiler: Compiler, headers: Mapping[str, Path]) -> str:
    parts = [source, *compiler.command, compiler.version, *compiler.flags, processor()]
    texts = [_header(directory / name) for name, directory in headers.items()]
    digest = hashlib.sha256()
    for part in (*parts, *headers, *texts):
        encoded = part.encode()
        digest.update(f"{len(encoded)}:".encode())  # so that no two lists run into the same bytes
        digest.update(encoded)
    return digest.hexdigest()


def _header(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CompilerError(f"the header {path} is missing: install its package again") from error


def _file_name(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in name)[:80]


@functools.cache
def _find(cxx: str, cxxflags: str, path: str) -> Compiler:
    words = _words(cxx, CXX.name)
    candidates = words[:1] or _CANDIDATES
    program = next((file for c in candidates if (file := shutil.which(c, path=path))), None)
    if program is None:
        where = f"{CXX.name}={cxx} names no program" if words else f"no {', '.join(_CANDIDATES)}"
        raise CompilerError(
            f"no C++ compiler was found ({where} on the PATH): install g++ or clang++, or name "
            f"one in {CXX.name}"
        )
    command = (program, *words[1:])
    version = _run((*command, "--version"), "be asked for its version").strip()
    added = _words(cxxflags, CXXFLAGS.name)
    return Compiler(command, version, (*FLAGS, *_architecture(command, added), *added))


def _architecture(command: Sequence[str], added: Sequence[str]) -> tuple[str, ...]:
    """The first flags for this CPU with which the compiler takes a program at all."""
    refusals: list[CompilerError] = []
    for architecture in ARCHITECTURES:
        flags = (*FLAGS, *architecture, *added)
        try:
            _run((*command, *flags, "-x", "c++", "-fsyntax-only", "-"), "compile", "int probe;\n")
            return architecture
        except CompilerError as error:
            refusals.append(error)
    raise refusals[-1]


def _words(text: str, setting: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise CompilerError(f"{setting}={text} cannot be read ({error}): quote it") from error


def _compile(
    source: str, name: str, headers: Mapping[str, Path], compiler: Compiler, scratch: Path
) -> bytes:
    """The bytes of the library."""
    text, library = scratch / f"{_file_name(name)}.cc", scratch / "library.so"
    text.write_text(source, encoding="utf-8")
    directories = [f"-I{directory}" for directory in dict.fromkeys(headers.values())]
    command = (*compiler.command, *compiler.flags, *directories, str(text), "-o", str(library))
    complaint = _run(command, f"compile {name}", scratch=scratch)
    binary = library.read_bytes() if library.exists() else b""
    if not binary:
        raise CompilerError(
            f"{shlex.join(compiler.command)} said that it compiled {name}, and made nothing: "
            f"{complaint.strip() or 'it gave no reason'}. Name another compiler in {CXX.name}."
        )
    return binary


def _run(command: Sequence[str], what: str, text: str = "", scratch: Path | None = None) -> str:
    """Runs the compiler, and returns what it wrote."""
    environment = {**os.environ, "LC_ALL": "C"} | ({"TMPDIR": str(scratch)} if scratch else {})
    try:
        done = subprocess.run(
            command,
            input=text.encode(),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_LIMIT,
        )
    except OSError as error:
        raise CompilerError(f"{command[0]} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise CompilerError(f"{command[0]} took over {_LIMIT} s to {what}") from error
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        if any(sign in output for sign in _FULL):
            raise OSError(errno.ENOSPC, f"no room to {what}")
        lines = output.strip().splitlines()
        reason = "\n".join(lines[:_LINES]) or f"exit status {done.returncode}"
        raise CompilerError(f"{command[0]} cannot {what}: {reason}\n(it ran {shlex.join(command)})")
    return output
