"""torch.optim as a contestant."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from optgen_bench import machine, workloads
from optgen_bench.contestants import Contestant, Work
from optgen_bench.records import Costs
from optgen_bench.torch_rules import MakeTorch


def why_no_torch() -> str | None:
    """Returns why torch cannot take part, or None where it can."""
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed; pip install 'optgen[bench]' adds it"
    if jax.default_backend() == "cpu":
        return None
    import torch

    if jax.default_backend() == "gpu" and torch.cuda.is_available():
        return None
    return f"this torch cannot use the {jax.default_backend()} that JAX uses"


class TorchStep(Contestant):
    """An eager torch optimizer, on the same kind of device and as many threads as JAX.

    Args:
      name: of the contestant.
      make: builds the optimizer over a list of tensors; see `torch_rules`.
      kind: "fused" or "foreach".
    """

    def __init__(self, name: str, make: MakeTorch, kind: str) -> None:
        self.name = name
        self._make, self._kind = make, kind
        self._parameters: list[Any] = []
        self._step: Callable[[], object] | None = None

    def memory(self, work: Work) -> int:
        # Parameters, a gradient of its own, two moments, and foreach's tree of temporaries.
        return 5 * workloads.tree_bytes(work.tree)

    def prepare(self, work: Work) -> Costs:
        return Costs()

    def allocate(self, work: Work) -> None:
        import torch

        torch.set_num_threads(machine.threads())
        self._device = "cuda" if jax.default_backend() == "gpu" else "cpu"
        self._parameters = [_tensor(x, self._device) for x in jax.tree.leaves(work.parameters())]
        gradients = jax.tree.leaves(work.gradients())
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = _tensor(gradient, self._device)
        self._step = self._make(self._parameters, self._kind)

    def step(self) -> None:
        assert self._step is not None, "allocate comes first"
        self._step()

    def wait(self) -> None:
        import torch

        if self._device == "cuda":
            torch.cuda.synchronize()

    def current(self) -> Iterator[np.ndarray] | None:
        return (p.detach().double().cpu().numpy() for p in self._parameters)

    def release(self) -> None:
        self._parameters, self._step = [], None


def _tensor(array: np.ndarray, device: str) -> Any:
    """Copies an array to a tensor, bfloat16 (which torch cannot read from NumPy) by its bits."""
    import torch

    if array.dtype.name == "bfloat16":
        bits = torch.from_numpy(array.view(np.int16).copy())
        return bits.view(torch.bfloat16).to(device)
    return torch.from_numpy(array.copy()).to(device)
