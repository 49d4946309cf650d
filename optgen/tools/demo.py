"""The demonstration: a rule of one's own trains a network on real images, beside AdamW.

The images are scikit-learn's handwritten digits, which ship with it: 1,797 of 8 × 8 pixels.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from optgen.errors import UsageError
from optgen.optimizer import Optimizer

RULE = "cautious_adamw"
"""The rule of the demonstration, in the file of that name among the examples."""

LEARNING_RATE = 3e-3
HYPERPARAMETERS = {"learning_rate": LEARNING_RATE, "weight_decay": 1e-2}

Progress = Callable[[int, int, str], None]

_SIZES = (64, 128, 128, 10)
_BATCH = 128
_TEST_SHARE = 0.25
_WARM_UP = 20  # steps that are not timed: the first ones compile


@dataclass(frozen=True)
class Data:
    """Images and labels.

    Attributes:
      train_images: float32, one row of 64 pixels between 0 and 1 for each image.
      train_labels: int32, 0 to 9.
      test_images: the same for images that are not trained on.
      test_labels: their labels.
    """

    train_images: Any
    train_labels: Any
    test_images: Any
    test_labels: Any


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
      name: of the optimizer.
      losses: the loss of each step, before it.
      train_accuracy: share of the training images that are classified right in the end.
      test_accuracy: the same of the test images.
      compile_seconds: until the first step was done.
      step_seconds: the median time of a step, forward and backward pass included.
    """

    name: str
    losses: Any
    train_accuracy: float
    test_accuracy: float
    compile_seconds: float
    step_seconds: float


def examples() -> Path:
    """The directory of the examples: inside the installed package, or beside it in a checkout.

    Raises:
      UsageError: where neither has them.
    """
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "examples", package.parent / "examples"):
        if (candidate / f"{RULE}.py").is_file():
            return candidate
    raise UsageError(
        "the examples are not installed: run the demonstration in a clone of the repository, or "
        "give it a rule of your own as path/to/file.py:name"
    )


def require_libraries() -> None:
    """Checks for what only the demonstration needs.

    Raises:
      UsageError: with the command that installs what is missing.
    """
    try:
        import matplotlib.figure  # noqa: F401
        import sklearn.datasets  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"the demonstration needs {error.name}: install it with pip install 'optgen[demo]'"
        ) from error


def digits(seed: int = 0) -> Data:
    """The handwritten digits, shuffled and split into training and test images."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(images))
    images = jnp.asarray(images[order] / 16, jnp.float32)
    labels = jnp.asarray(labels[order], jnp.int32)
    tests = int(_TEST_SHARE * len(order))
    return Data(images[tests:], labels[tests:], images[:tests], labels[:tests])


def network(seed: int = 0) -> list[dict[str, Any]]:
    """The parameters of a perceptron with two hidden layers, He-initialised."""
    keys = jax.random.split(jax.random.key(seed), len(_SIZES) - 1)
    return [
        {"w": jax.random.normal(k, (m, n)) * (2 / m) ** 0.5, "b": jnp.zeros(n)}
        for k, m, n in zip(keys, _SIZES, _SIZES[1:], strict=False)
    ]


def logits(params: Sequence[Mapping[str, Any]], images: Any) -> Any:
    """The network's logits: of each image for each digit, shape (images, 10)."""
    x = images
    for layer in params[:-1]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def _loss(params: Any, images: Any, labels: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits(params, images), labels).mean()


@jax.jit
def _accuracy(params: Any, images: Any, labels: Any) -> Any:
    return (logits(params, images).argmax(axis=1) == labels).mean()


def describe(data: Data, steps: int) -> str:
    """The network, the batches and the images, in words."""
    sizes = "–".join(map(str, _SIZES))
    return (
        f"A perceptron ({sizes}) takes {steps} steps of {_BATCH} images each, out of "
        f"{len(data.train_labels):,}; {len(data.test_labels)} more are kept to test it."
    )


class _Training:
    """One network and its optimizer, in training."""

    def __init__(self, name: str, tx: Any, seed: int) -> None:
        self.name = name
        self._params = network(seed)
        self._state = tx.init(self._params)
        self._step = _train_step(tx)
        self._losses: list[float] = []
        self._times: list[float] = []

    def take(self, images: Any, labels: Any) -> None:
        """One step on one batch."""
        begin = time.perf_counter()
        self._params, self._state, loss = self._step(self._params, self._state, images, labels)
        self._losses.append(float(loss))
        self._times.append(time.perf_counter() - begin)

    def finish(self, data: Data) -> Run:
        """The record of the training, and its accuracies."""
        return Run(
            self.name,
            np.asarray(self._losses),
            float(_accuracy(self._params, data.train_images, data.train_labels)),
            float(_accuracy(self._params, data.test_images, data.test_labels)),
            self._times[0],
            float(np.median(self._times[_WARM_UP:] or self._times)),
        )


def train(
    optimizers: Mapping[str, Any],
    data: Data,
    steps: int,
    seed: int = 0,
    progress: Progress = lambda done, total, what: None,
) -> list[Run]:
    """Trains a network with each optimizer, all from the same start and on the same batches.

    They step in turns, so that whatever else the machine does slows all of them alike.

    Args:
      optimizers: by name; an optgen optimizer takes fused steps, others are optax's.
      data: the images.
      steps: how many steps each takes.
      seed: of the start and of the batches.
      progress: called with how many steps are done, of how many, and "".
    """
    trainings = [_Training(name, tx, seed) for name, tx in optimizers.items()]
    rng = np.random.default_rng(seed)
    for done in range(steps):
        chosen = rng.choice(len(data.train_labels), _BATCH, replace=False)
        images, labels = data.train_images[chosen], data.train_labels[chosen]
        for training in trainings:
            training.take(images, labels)
        progress(done + 1, steps, "")
    return [training.finish(data) for training in trainings]


def _train_step(tx: Any) -> Callable[..., tuple[Any, Any, Any]]:
    apply = tx.step if isinstance(tx, Optimizer) else functools.partial(_optax_step, tx)

    def step(params: Any, state: Any, images: Any, labels: Any) -> tuple[Any, Any, Any]:
        loss, grads = jax.value_and_grad(_loss)(params, images, labels)
        params, state = apply(params, state, grads=grads)
        return params, state, loss

    return jax.jit(step, donate_argnums=(0, 1))


def _optax_step(tx: Any, params: Any, state: Any, *, grads: Any) -> tuple[Any, Any]:
    updates, state = tx.update(grads, state, params)
    return optax.apply_updates(params, updates), state


# Okabe and Ito's colours, which the colour-blind tell apart.
_STYLES: tuple[Mapping[str, Any], ...] = (
    {"color": "#0072B2", "lw": 2.2, "zorder": 4},
    {"color": "#D55E00", "lw": 1.6, "ls": (0, (4, 3)), "zorder": 3},
    {"color": "#E69F00", "lw": 4.0, "zorder": 2, "solid_capstyle": "round"},
)
_AVERAGED = 15  # steps of a moving average: the loss of one batch is noise


def plot(runs: Sequence[Run], path: Path) -> None:
    """Saves the loss curves as a picture; the ending of the path chooses the format.

    Raises:
      UsageError: for an ending that matplotlib does not know.
      OSError: where the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.6), dpi=150, layout="constrained")
    known = figure.canvas.get_supported_filetypes()
    if path.suffix.lstrip(".") not in known:
        raise UsageError(f"cannot write a picture to {path}: end its name in .png or .svg")
    axes = figure.subplots()
    for run, style in zip(runs, _STYLES, strict=False):
        label = f"{run.name}, {run.test_accuracy:.1%} right on test images"
        smooth = _average(run.losses)
        axes.plot(np.arange(len(smooth)) + _AVERAGED // 2, smooth, label=label, **style)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda loss, _: f"{loss:g}")
    axes.set_xlabel("step")
    axes.set_ylabel("training loss (cross entropy)")
    axes.grid(True, which="major", color="0.9", lw=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)
    axes.legend(frameon=False, loc="upper right")
    axes.set_title(
        "Handwritten digits: same network, same start, same batches",
        loc="left",
        fontsize=11.5,
        fontweight="bold",
    )
    note = f"moving average of {_AVERAGED} steps; learning rate {LEARNING_RATE:g}"
    axes.text(0.01, 0.02, note, transform=axes.transAxes, fontsize=8, color="0.4")
    figure.savefig(path)


def _average(losses: Any) -> Any:
    width = min(_AVERAGED, len(losses))
    return np.convolve(losses, np.full(width, 1 / width), mode="valid")
