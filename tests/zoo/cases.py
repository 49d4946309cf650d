"""The stock rules × the hyperparameters with which they are compared with optax: one table."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

WARMUP = optax.warmup_cosine_decay_schedule(0.0, 2e-3, 20, 200)
FADING = optax.linear_schedule(0.1, 0.0, 150)

# optax raises its float32 step to the power `-decay_rate`; a float64 one makes that float64 under
# x64, and changes nothing otherwise.
DECAY_RATE = np.float64(0.8)

# Every leaf of `trajectories.parameters` with both axes this long is then factored.
SMALL = {"min_dim_size_to_factor": 4, "decay_rate": DECAY_RATE}

MASK_TREE = {
    name: name not in ("scalar", "thin", "kernel")
    for name in ("scalar", "empty", "zeros", "matrix", "thin", "square", "cube", "kernel")
}


def matrices(tree: Any) -> Any:
    """A mask as people write it: biases and scales do not decay."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, tree)


class Case(NamedTuple):
    """A rule, and hyperparameters that optgen and optax are both given."""

    rule: str
    settings: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.rule}-{'-'.join(map(_words, self.settings.items())) or 'defaults'}"


def _words(setting: tuple[str, Any]) -> str:
    name, value = setting
    if value is MASK_TREE:
        value = "tree"
    return f"{name}={getattr(value, '__name__', value)}"


LR = {"learning_rate": 2e-3}
SCHEDULED = {"learning_rate": WARMUP}
TUNED = SCHEDULED | {"b1": 0.8, "b2": 0.95, "eps": 1e-3, "eps_root": 1e-4}
NARROW = LR | {"mu_dtype": jnp.bfloat16}
DECAY: list[dict[str, Any]] = [
    LR | {"weight_decay": 0.1, "mask": MASK_TREE},
    SCHEDULED | {"weight_decay": FADING, "mask": matrices},
    LR | {"weight_decay": 0.1, "mask": False},
]

_STOCK: dict[str, list[dict[str, Any]]] = {
    "sgd": [
        LR,
        SCHEDULED | {"momentum": 0.9},
        LR | {"momentum": 0.9, "nesterov": True, "accumulator_dtype": jnp.bfloat16},
    ],
    "adam": [LR, TUNED, NARROW, LR | {"nesterov": True}],
    "adamw": [LR, TUNED, NARROW, *DECAY, TUNED | {"mask": True, "nesterov": True}],
    "nadam": [LR, NARROW, LR | {"nesterov": False}],
    "nadamw": [TUNED, DECAY[0]],
    "amsgrad": [
        TUNED,
        NARROW,
        LR | {"b2": 0.9, "bias_correction_mu": False, "bias_correction_nu": False},
        LR | {"bias_correction_mu": False},
    ],
    "lion": [LR, NARROW | {"b1": 0.95, "b2": 0.98}, *DECAY],
    "rmsprop": [
        LR,
        SCHEDULED | {"decay": 0.99, "eps": 1e-3, "initial_scale": 1.0},
        LR | {"eps": 1e-3, "eps_in_sqrt": False, "bias_correction": True},
        LR | {"centered": True, "eps": 1e-2, "momentum": 0.9},
        # Corrected moments from zero leave no variance but rounding at the first step.
        LR
        | {"centered": True, "initial_scale": 1.0, "eps_in_sqrt": False, "bias_correction": True},
        LR | {"momentum": 0.9, "nesterov": True},
    ],
    "adagrad": [LR, SCHEDULED | {"initial_accumulator_value": 0.0, "eps": 1e-3}],
    "adafactor": [
        # With no learning rate a step is as large as the threshold lets it be.
        SMALL | {"clipping_threshold": 0.01},
        LR | {"decay_rate": DECAY_RATE},
        SMALL | SCHEDULED | {"momentum": 0.9, "weight_decay_rate": 1e-3},
        SMALL | LR | {"momentum": 0.9, "dtype_momentum": jnp.bfloat16},
        SMALL | LR | {"factored": False, "clipping_threshold": None, "decay_offset": -3},
        SMALL | LR | {"multiply_by_parameter_scale": False, "clipping_threshold": 0.5, "eps": 1e-3},
        SMALL | LR | {"weight_decay_rate": FADING, "weight_decay_mask": matrices},
        SMALL | LR | {"weight_decay_rate": 1e-2, "weight_decay_mask": MASK_TREE},
    ],
    "lamb": [TUNED | {"weight_decay": 0.1}, *DECAY],
    "lars": [
        LR,
        SCHEDULED | {"weight_decay": 0.1, "trust_coefficient": 0.1, "momentum": 0.5},
        LR | {"weight_decay": FADING, "weight_decay_mask": matrices, "eps": 1e-3},
        LR | {"weight_decay": 0.1, "trust_ratio_mask": MASK_TREE, "nesterov": True},
        LR | {"trust_ratio_mask": False, "weight_decay_mask": False},
    ],
}

_ATOMS: dict[str, list[dict[str, Any]]] = {
    "adaptive_grad_clip": [{"clipping": 0.5}, {"clipping": 0.1, "eps": 0.1}],
    "add_decayed_weights": [{"weight_decay": 0.1}, {"weight_decay": FADING, "mask": matrices}],
    "centralize": [{}],
    "clip": [{"max_delta": 0.7}],
    "clip_by_block_rms": [{"threshold": 0.7}],
    "clip_by_global_norm": [{"max_norm": 10.0}, {"max_norm": 1e3}],
    "ema": [{"decay": 0.9}, {"decay": 0.9, "debias": False, "accumulator_dtype": jnp.bfloat16}],
    "identity": [{}],
    "normalize_by_update_norm": [{}, {"scale_factor": 3.0, "eps": 1e-2}],
    "scale": [{"step_size": -0.3}],
    "scale_by_adadelta": [{}, {"rho": 0.5, "eps": 1e-3}],
    "scale_by_adam": [{}, {"nesterov": True, "b1": 0.5}],
    "scale_by_adamax": [{}, {"b1": 0.5, "b2": 0.9, "eps": 1e-3}],
    "scale_by_amsgrad": [{}],
    "scale_by_belief": [{}, {"eps": 1e-3, "eps_root": 1e-3, "nesterov": True}],
    "scale_by_factored_rms": [
        SMALL,
        SMALL | {"step_offset": -3, "epsilon": 1e-3},
        SMALL | {"factored": False},
    ],
    "scale_by_learning_rate": [LR, SCHEDULED | {"flip_sign": False}, {"learning_rate": None}],
    "scale_by_lion": [{}, {"mode": "smooth", "smooth_beta": 3.0}, {"mode": "refined"}],
    "scale_by_param_block_norm": [{}, {"min_scale": 3.0}],
    "scale_by_param_block_rms": [{}, {"min_scale": 1.0}],
    "scale_by_rms": [{}, {"bias_correction": True}],
    "scale_by_rss": [{}],
    "scale_by_sign": [{}],
    "scale_by_stddev": [{"eps": 1e-2}],
    "scale_by_trust_ratio": [{}, {"min_norm": 2.0, "trust_coefficient": 0.1, "eps": 1e-3}],
    "scale_by_yogi": [{}, {"eps_root": 1e-3, "initial_accumulator_value": 0.1}],
    "trace": [{"decay": 0.9}, {"decay": 0.9, "nesterov": True}],
}

STOCK = [Case(rule, settings) for rule, each in _STOCK.items() for settings in each]
ATOMS = [Case(rule, settings) for rule, each in _ATOMS.items() for settings in each]
