"""An optgen optimizer in flax: `nnx.Optimizer` takes it as it takes any of optax's."""

import jax.numpy as jnp
import numpy as np
from flax import nnx

import optgen


class Model(nnx.Module):
    """A perceptron with one hidden layer."""

    def __init__(self, rngs):
        self.hidden = nnx.Linear(2, 32, rngs=rngs)
        self.out = nnx.Linear(32, 1, rngs=rngs)

    def __call__(self, x):
        """The prediction for points of the plane."""
        return self.out(nnx.relu(self.hidden(x)))[:, 0]


@nnx.jit
def train_step(model, optimizer, x, y):
    loss, grads = nnx.value_and_grad(lambda model: jnp.mean((model(x) - y) ** 2))(model)
    optimizer.update(model, grads)
    return loss


def main(steps=200):
    model = Model(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optgen.adamw(1e-2), wrt=nnx.Param)
    points = np.random.default_rng(0).uniform(-1, 1, (256, 2)).astype(np.float32)
    losses = [
        float(train_step(model, optimizer, points, points[:, 0] * points[:, 1]))
        for _ in range(steps)
    ]
    print(f"loss of the first step {losses[0]:.4f}, of the last {losses[-1]:.4f}")
    assert losses[-1] < losses[0] / 10
    return losses


if __name__ == "__main__":
    main()
