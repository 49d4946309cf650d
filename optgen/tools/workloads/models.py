"""The parameter trees of real models, leaf by leaf, as shapes only.

Each function returns a pytree of tuples (the shapes of its leaves). Names and layouts are those of
the models' Flax ports, so that key paths read as in a real checkpoint.
"""

from __future__ import annotations

from typing import Any

Shape = tuple[int, ...]
ShapeTree = Any  # nested dicts and lists of Shape


def gpt2_small() -> ShapeTree:
    """GPT-2 small (Radford et al., 2019): 148 leaves, 124,439,808 parameters, output tied."""
    width, blocks = 768, 12
    return {
        "wte": {"embedding": (50257, width)},
        "wpe": {"embedding": (1024, width)},
        "h": {str(i): _gpt2_block(width) for i in range(blocks)},
        "ln_f": _norm(width),
    }


def _gpt2_block(width: int) -> ShapeTree:
    return {
        "ln_1": _norm(width),
        "attn": {"c_attn": _dense(width, 3 * width), "c_proj": _dense(width, width)},
        "ln_2": _norm(width),
        "mlp": {"c_fc": _dense(width, 4 * width), "c_proj": _dense(4 * width, width)},
    }


def deep_transformer(leaves: int, width: int = 64) -> ShapeTree:
    """The blocks of a narrow transformer, ten leaves each, with attention and MLP in parallel.

    What a step costs beyond its bytes (tracing, compiling, dispatch) grows with leaves.
    """
    return {
        str(i): {
            "ln": _norm(width),
            "attn": {"c_attn": _dense(width, 3 * width), "c_proj": _dense(width, width)},
            "mlp": {"c_fc": _dense(width, 4 * width), "c_proj": _dense(4 * width, width)},
        }
        for i in range(leaves // 10)
    }


def resnet50() -> ShapeTree:
    """ResNet-50 (He et al., 2015, arXiv:1512.03385), v1.5: 161 leaves, 25,557,032 parameters.

    Convolution kernels are height × width × inputs × outputs; running statistics of the batch
    norms are not parameters.
    """
    tree = {"conv_init": {"kernel": (7, 7, 3, 64)}, "bn_init": _norm(64)}
    inputs, index = 64, 0
    for width, repeats in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for repeat in range(repeats):
            block = _bottleneck(inputs, width, project=repeat == 0)
            tree[f"BottleneckResNetBlock_{index}"] = block
            inputs, index = 4 * width, index + 1
    return tree | {"Dense_0": _dense(2048, 1000)}


def _bottleneck(inputs: int, width: int, project: bool) -> ShapeTree:
    block = {
        "Conv_0": {"kernel": (1, 1, inputs, width)},
        "BatchNorm_0": _norm(width),
        "Conv_1": {"kernel": (3, 3, width, width)},
        "BatchNorm_1": _norm(width),
        "Conv_2": {"kernel": (1, 1, width, 4 * width)},
        "BatchNorm_2": _norm(4 * width),
    }
    if project:
        block["conv_proj"] = {"kernel": (1, 1, inputs, 4 * width)}
        block["norm_proj"] = _norm(4 * width)
    return block


def llama3_8b() -> ShapeTree:
    """Llama 3 8B (Grattafiori et al., 2024, arXiv:2407.21783): 291 leaves, 8,030,261,248."""
    vocabulary, width, layers = 128256, 4096, 32
    return {
        "embed_tokens": {"embedding": (vocabulary, width)},
        "layers": {str(i): llama3_8b_layer() for i in range(layers)},
        "norm": {"weight": (width,)},
        "lm_head": {"kernel": (width, vocabulary)},
    }


def llama3_8b_layer() -> ShapeTree:
    """One decoder layer of Llama 3 8B: 9 leaves, 218,112,000 parameters."""
    width, keys, hidden = 4096, 1024, 14336
    return {
        "input_layernorm": {"weight": (width,)},
        "self_attn": {
            "q_proj": {"kernel": (width, width)},
            "k_proj": {"kernel": (width, keys)},
            "v_proj": {"kernel": (width, keys)},
            "o_proj": {"kernel": (width, width)},
        },
        "post_attention_layernorm": {"weight": (width,)},
        "mlp": {
            "gate_proj": {"kernel": (width, hidden)},
            "up_proj": {"kernel": (width, hidden)},
            "down_proj": {"kernel": (hidden, width)},
        },
    }


def _norm(width: int) -> ShapeTree:
    return {"scale": (width,), "bias": (width,)}


def _dense(inputs: int, outputs: int) -> ShapeTree:
    return {"kernel": (inputs, outputs), "bias": (outputs,)}
