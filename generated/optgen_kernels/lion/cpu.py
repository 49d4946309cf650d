"""What the kernels of lion in the C++ file beside this one take and give.

Emitted by optgen: change the rule, not this file.
"""

from pathlib import Path

from optgen.runtime.vocabulary.kernels import Native, NativeGroup, NativePhase

NATIVE = Native(
    name="lion",
    source=Path(__file__).with_suffix(".cc"),
    step=(
        NativePhase(
            symbol="optgen_step_1",
            scalars=(
                "minus_learning_rate",
                "one_minus_b1",
                "b1",
                "weight_decay",
                "one_minus_b2",
                "b2",
            ),
            groups=(
                NativeGroup(
                    variant=0,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "mu"),
                    outputs={},
                    views=((),),
                ),
                NativeGroup(
                    variant=1,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "mu"),
                    outputs={},
                    views=((),),
                ),
            ),
        ),
    ),
    update=(
        NativePhase(
            symbol="optgen_update_1",
            scalars=(
                "minus_learning_rate",
                "one_minus_b1",
                "b1",
                "weight_decay",
                "one_minus_b2",
                "b2",
            ),
            groups=(
                NativeGroup(
                    variant=0,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g", "p"),
                    in_place=("mu",),
                    outputs={"update": ("float32", 0, "*")},
                    views=((),),
                ),
                NativeGroup(
                    variant=1,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("mu",),
                    outputs={"update": ("float32", 0, "*")},
                    views=((),),
                ),
            ),
        ),
    ),
)
