"""The Mosaic modules of a step, as text for a reader."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import jax

from optgen.runtime.execution.target import UnrunStep
from optgen.runtime.execution.tpu import calls
from optgen.runtime.execution.tpu.executor import TpuExecutor

_CALL = "tpu_custom_call"


def listing(step: UnrunStep) -> str:
    """Returns what Pallas makes of the launches of a step, each distinct one once.

    Nothing runs, and no TPU is needed.
    """
    step_on_tpu = step.executed_by(TpuExecutor(step.kernels, calls.lowered))
    lowered = jax.jit(step_on_tpu).trace(step.leaves).lower(lowering_platforms=("tpu",))
    module = lowered.compiler_ir("stablehlo")
    names = {_text(body): name for name, body in _bodies(module.operation)}
    parts = [
        f"// module {number} of {len(names)}: {name}\n{text.strip()}\n"
        for number, (text, name) in enumerate(names.items(), 1)
    ]
    return "\n".join(parts) or "// No launch: XLA compiles all that this step does.\n"


def _bodies(operation: Any) -> Iterator[tuple[str, bytes]]:
    """The name and the serialized module of each custom call inside an operation."""
    for region in operation.regions:
        for block in region.blocks:
            for inside in block.operations:
                attributes = inside.operation.attributes
                if "backend_config" in attributes and _CALL in str(attributes["call_target_name"]):
                    config = json.loads(attributes["backend_config"].value)
                    body = config["custom_call_config"]["body"]
                    yield attributes["kernel_name"].value, base64.b64decode(body)
                yield from _bodies(inside.operation)


def _text(body: bytes) -> str:
    """A serialized module; its operations have names of their own until it is read back."""
    from jax.interpreters import mlir
    from jaxlib.mlir import ir
    from jaxlib.mlir.passmanager import PassManager
    from jaxlib.mosaic.python import tpu

    context = mlir.make_ir_context()
    tpu.register_dialect(context)
    context.allow_unregistered_dialects = True
    with context, ir.Location.unknown():
        module = ir.Module.parse(body)
        PassManager.parse("builtin.module(mosaic-serde{serialize=false})").run(module.operation)
        text = str(module.operation.get_asm(enable_debug_info=False))
    return text
