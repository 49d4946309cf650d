"""Runs the kernels that were emitted for TPUs, with Pallas.

An emitted function computes on a tile of a leaf; here is what brings tiles from memory to a
core's vector memory (VMEM) and back. A launch is one of three:

- ``packed``: many small leaves, each whole in VMEM;
- ``tiled``, with one sweep: a large leaf, tile by tile;
- ``tiled``, with several sweeps: a leaf that stays in VMEM between them, and is read once.

Nothing here imports Pallas before something is lowered for a TPU.
"""

from optgen.runtime.execution.tpu.chip import unavailable

__all__ = ["unavailable"]
