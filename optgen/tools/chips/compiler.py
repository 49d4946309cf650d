"""The parent's side: traces and lowers here, and has a child process compile."""

from __future__ import annotations

import atexit
import functools
import importlib.machinery
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax import export

from optgen.config import CHIPS_DIR
from optgen.errors import ChipError
from optgen.tools.chips.child import ENVIRONMENT
from optgen.tools.chips.chip import Chip, chip
from optgen.tools.chips.hlo import parse
from optgen.tools.chips.module import Memory, Module, read_kernels

# Kernels whose form JAX does not promise to keep from one version to the next; parent and child
# are of one version.
_CUSTOM_CALLS = ("triton_kernel_call", "triton_kernel_call_ffi", "__gpu$xla.gpu.triton")


class Compiler:
    """A child process that compiles, started when it is first asked; a context manager.

    JAX reads its environment once, and the plugins of chips that are not there complain on each
    start, so the chips' compilers get a process of their own. Starting it takes about a second,
    each job what XLA takes.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        # Open as long as this is.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115
        self._lock = threading.Lock()

    def __enter__(self) -> Compiler:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child process; a later job starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def compile(
        self,
        name: str,
        function: Callable[..., Any],
        *arguments: Any,
        donate_argnums: int | Sequence[int] = (),
    ) -> Module:
        """Compiles a jitted function for a chip; see ``compile_for``."""
        chosen = chip(name)
        if reason := unavailable(name):
            raise ChipError(reason)
        exported, donated = _export(chosen, function, arguments, donate_argnums)
        with self._lock:
            answer = self._ask(chosen, exported, donated)
        if "error" in answer:
            raise ChipError(f"the compiler for {name} refuses: {answer['error']}")
        hlo = parse(answer["text"])
        return Module(
            chip=name,
            kernels=read_kernels(hlo),
            aliases=hlo.aliases,
            memory=Memory(**answer["memory"]),
            compile_seconds=answer["seconds"],
            text=answer["text"],
        )

    def _ask(self, chosen: Chip, exported: bytes, donated: Sequence[int]) -> Mapping[str, Any]:
        if self._process is None or self._process.poll() is not None:
            self._process = self._start()
        job = {"chip": chosen.name, "donated": donated, "size": len(exported)}
        source, answers = self._process.stdin, self._process.stdout
        assert source is not None
        assert answers is not None
        try:
            source.write(json.dumps(job).encode() + b"\n" + exported)
            source.flush()
            line = answers.readline()
        except BrokenPipeError:
            line = b""
        except BaseException:  # its answer would be taken for that of the next job
            self.close()
            raise
        if not line:
            status = self._process.wait()
            raise ChipError(
                f"the process that compiles for {chosen.name} ended with status {status}: "
                f"{self._last_words()}"
            )
        answer: Mapping[str, Any] = json.loads(line)
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).parents[3])
        paths = (root, os.environ.get("PYTHONPATH", ""), CHIPS_DIR.get())
        flags = f"{os.environ.get('XLA_FLAGS', '')} {ENVIRONMENT['XLA_FLAGS']}".strip()
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "XLA_FLAGS": flags}
        return subprocess.Popen(
            (sys.executable, "-m", "optgen.tools.chips"),
            env={**os.environ, **ENVIRONMENT, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )

    def _last_words(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-10:]) or "it gave no reason"


def compile_for(
    name: str,
    function: Callable[..., Any],
    *arguments: Any,
    donate_argnums: int | Sequence[int] = (),
) -> Module:
    """Compiles a function for a chip that this machine need not have, and reads what came out.

    The function is traced and lowered here, for the chip's platform; a child process compiles,
    which is kept for later calls, and ends with this process.

    Args:
      name: of the chip; see ``CHIPS``.
      function: what ``jax.jit`` takes. What it returns is a pytree of arrays.
      arguments: pytrees of arrays or ``jax.ShapeDtypeStruct``.
      donate_argnums: the arguments that are donated, as ``jax.jit`` takes them.

    Returns:
      The module. Its parameters are all leaves of the arguments, in the order of
      ``jax.tree.leaves``, unused ones too.

    Raises:
      UsageError: for a chip that is not known.
      ChipError: where the chip's compiler is not installed, saying what to install; or where it
        refuses, with its message.
    """
    return _shared().compile(name, function, *arguments, donate_argnums=donate_argnums)


def unavailable(name: str) -> str | None:
    """The reason why a chip cannot be compiled for here, and the remedy; None where it can.

    Raises:
      UsageError: for a chip that is not known.
    """
    chosen = chip(name)
    if not _installed("flatbuffers", sys.path):
        return (
            "to compile for a chip that is not here, JAX writes the function down with "
            "flatbuffers, which is not installed: pip install flatbuffers"
        )
    compiler = _COMPILERS[chosen.platform]
    paths = list(filter(None, (*sys.path, CHIPS_DIR.get())))
    if any(_installed(module, paths) for module in compiler.modules):
        return None
    return (
        f"compiling for {name} takes {compiler.title}, which needs no such chip and is not "
        f"installed: pip install --no-deps {compiler.wheels}. Beside JAX it complains of the "
        f"missing chip on each start; with --target DIRECTORY, and DIRECTORY named in "
        f"{CHIPS_DIR.name}, JAX does not see it."
    )


class _ChipCompiler(NamedTuple):
    """The compiler of a platform of JAX: modules of which any is enough, and their wheels."""

    title: str
    modules: tuple[str, ...]
    wheels: str


_COMPILERS: Mapping[str, _ChipCompiler] = {
    "cuda": _ChipCompiler(
        "JAX's CUDA plugin",
        ("jax_cuda13_plugin", "jax_cuda12_plugin"),
        f"jax-cuda13-plugin=={jax.__version__} jax-cuda13-pjrt=={jax.__version__}",
    ),
    "tpu": _ChipCompiler("libtpu", ("libtpu",), "libtpu"),
}


def _installed(module: str, paths: list[str]) -> bool:
    return importlib.machinery.PathFinder.find_spec(module, paths) is not None


@functools.cache
def _shared() -> Compiler:
    compiler = Compiler()
    atexit.register(compiler.close)
    return compiler


def _export(
    chosen: Chip,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    donate_argnums: int | Sequence[int],
) -> tuple[bytes, list[int]]:
    """The function on flat lists of arrays, lowered for the chip's platform, as bytes.

    Trees stay here, as JAX can write down only those of its own types.

    Returns:
      The bytes, and the numbers of the leaves that are donated.
    """
    numbers = (donate_argnums,) if isinstance(donate_argnums, int) else donate_argnums
    donate = {range(len(arguments))[number] for number in numbers}
    leaves, tree = jax.tree.flatten(jax.eval_shape(lambda *trees: trees, *arguments))
    owners = [n for n, argument in enumerate(arguments) for _ in jax.tree.leaves(argument)]
    donated = [leaf for leaf, owner in enumerate(owners) if owner in donate]

    def flat(*leaves: Any) -> list[Any]:
        return jax.tree.leaves(function(*jax.tree.unflatten(tree, leaves)))

    exported = export.export(
        jax.jit(flat, donate_argnums=donated, keep_unused=True),
        platforms=(chosen.platform,),
        disabled_checks=[export.DisabledSafetyCheck.custom_call(name) for name in _CUSTOM_CALLS],
    )(*leaves)
    return bytes(exported.serialize()), donated
