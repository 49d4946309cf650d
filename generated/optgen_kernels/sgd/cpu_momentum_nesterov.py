"""What the kernels of sgd in the C++ file beside this one take and give.

Emitted by optgen: change the rule, not this file.
"""

from pathlib import Path

from optgen.runtime.vocabulary.kernels import Native, NativeGroup, NativePhase

NATIVE = Native(
    name="sgd",
    source=Path(__file__).with_suffix(".cc"),
    step=(
        NativePhase(
            symbol="optgen_step_1",
            scalars=("minus_learning_rate", "momentum"),
            groups=(
                NativeGroup(
                    variant=0,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "trace"),
                    outputs={},
                    views=((),),
                ),
            ),
        ),
    ),
    update=(
        NativePhase(
            symbol="optgen_update_1",
            scalars=("minus_learning_rate", "momentum"),
            groups=(
                NativeGroup(
                    variant=0,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("trace",),
                    outputs={"update": ("float32", 0, "*")},
                    views=((),),
                ),
            ),
        ),
    ),
)
