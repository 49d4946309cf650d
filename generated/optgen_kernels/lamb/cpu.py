"""What the kernels of lamb in the C++ file beside this one take and give.

Emitted by optgen: change the rule, not this file.
"""

from pathlib import Path

from optgen.runtime.vocabulary.kernels import Native, NativeGroup, NativePhase

NATIVE = Native(
    name="lamb",
    source=Path(__file__).with_suffix(".cc"),
    step=(
        NativePhase(
            symbol="optgen_step_1",
            scalars=(
                "one_minus_b1",
                "b1",
                "bias_correction_b1",
                "one_minus_b2",
                "b2",
                "bias_correction_b2",
                "eps_root",
                "eps",
                "weight_decay",
                "minus_learning_rate",
            ),
            groups=(
                NativeGroup(
                    variant=0,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "mu", "nu"),
                    outputs={"sum_1": ("float32", 0, ()), "sum_2": ("float32", 0, ())},
                    views=((), ()),
                ),
                NativeGroup(
                    variant=1,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "mu", "nu"),
                    outputs={"sum_1": ("float32", 0, ()), "sum_2": ("float32", 0, ())},
                    views=((), ()),
                ),
            ),
        ),
    ),
    update=(
        NativePhase(
            symbol="optgen_update_1",
            scalars=(
                "one_minus_b1",
                "b1",
                "bias_correction_b1",
                "one_minus_b2",
                "b2",
                "bias_correction_b2",
                "eps_root",
                "eps",
                "weight_decay",
                "minus_learning_rate",
            ),
            groups=(
                NativeGroup(
                    variant=0,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g", "p"),
                    in_place=("mu", "nu"),
                    outputs={
                        "add_decayed_weights": ("float32", 0, "*"),
                        "sum_1": ("float32", 0, ()),
                        "sum_2": ("float32", 0, ()),
                        "update": ("float32", 1, "*"),
                    },
                    views=((), ()),
                ),
                NativeGroup(
                    variant=1,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g", "p"),
                    in_place=("mu", "nu"),
                    outputs={
                        "sum_1": ("float32", 0, ()),
                        "sum_2": ("float32", 0, ()),
                        "update": ("float32", 1, "*"),
                    },
                    views=((), ()),
                ),
            ),
        ),
    ),
)
