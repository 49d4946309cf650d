"""torch.optim as a contestant."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from optgen.tools import workloads
from optgen.tools.timing import Contestant, Costs, Work
from optgen_bench import machine
from optgen_bench.torch_rules import MakeTorch

_STEPS_BEFORE_RECORDING = 3


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
      on_device: whether a step on a GPU is recorded once and replayed, so that Python costs
        nothing; an optimizer that cannot be recorded takes no part.
    """

    def __init__(self, name: str, make: MakeTorch, kind: str, on_device: bool = False) -> None:
        self.name = name
        self._make, self._kind, self._on_device = make, kind, on_device
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
        if self._on_device and self._device == "cuda":
            self._step = _recorded(self._step)

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


def _recorded(step: Callable[[], object]) -> Callable[[], object]:
    """Records a step, after some that allocate its state, and returns what replays it."""
    import torch

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(_STEPS_BEFORE_RECORDING):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    replay: Callable[[], object] = graph.replay
    return replay


def _tensor(array: np.ndarray, device: str) -> Any:
    """Copies an array to a tensor, bfloat16 (which torch cannot read from NumPy) by its bits."""
    import torch

    if array.dtype.name == "bfloat16":
        bits = torch.from_numpy(array.view(np.int16).copy())
        return bits.view(torch.bfloat16).to(device)
    return torch.from_numpy(array.copy()).to(device)
