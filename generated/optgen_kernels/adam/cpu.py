"""What the kernels of adam in the C++ file beside this one take and give.

Emitted by optgen: change the rule, not this file.
"""

from pathlib import Path

from optgen.runtime.vocabulary.kernels import Native, NativeGroup, NativePhase

NATIVE = Native(
    name="adam",
    source=Path(__file__).with_suffix(".cc"),
    step=(
        NativePhase(
            symbol="optgen_step_1",
            scalars=(
                "minus_learning_rate",
                "one_minus_b1",
                "b1",
                "bias_correction_b1",
                "one_minus_b2",
                "b2",
                "bias_correction_b2",
                "eps_root",
                "eps",
            ),
            groups=(
                NativeGroup(
                    variant=0,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "mu", "nu"),
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
                "bias_correction_b1",
                "one_minus_b2",
                "b2",
                "bias_correction_b2",
                "eps_root",
                "eps",
            ),
            groups=(
                NativeGroup(
                    variant=0,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("mu", "nu"),
                    outputs={"update": ("float32", 0, "*")},
                    views=((),),
                ),
            ),
        ),
    ),
)
