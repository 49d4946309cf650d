"""What the kernels of lars in the C++ file beside this one take and give.

Emitted by optgen: change the rule, not this file.
"""

from pathlib import Path

from optgen.runtime.vocabulary.kernels import Native, NativeGroup, NativePhase

NATIVE = Native(
    name="lars",
    source=Path(__file__).with_suffix(".cc"),
    step=(
        NativePhase(
            symbol="optgen_step_1",
            scalars=("weight_decay", "minus_learning_rate", "trust_coefficient", "eps", "momentum"),
            groups=(
                NativeGroup(
                    variant=0,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "trace"),
                    outputs={"sum_1": ("float32", 0, ()), "sum_2": ("float32", 0, ())},
                    views=((), ()),
                ),
                NativeGroup(
                    variant=1,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "trace"),
                    outputs={},
                    views=((),),
                ),
                NativeGroup(
                    variant=2,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "trace"),
                    outputs={"sum_1": ("float32", 0, ()), "sum_2": ("float32", 0, ())},
                    views=((), ()),
                ),
                NativeGroup(
                    variant=3,
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
            scalars=("weight_decay", "minus_learning_rate", "trust_coefficient", "eps", "momentum"),
            groups=(
                NativeGroup(
                    variant=0,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g", "p"),
                    in_place=("trace",),
                    outputs={
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
                    in_place=("trace",),
                    outputs={"update": ("float32", 0, "*")},
                    views=((),),
                ),
                NativeGroup(
                    variant=2,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g", "p"),
                    in_place=("trace",),
                    outputs={
                        "sum_1": ("float32", 0, ()),
                        "sum_2": ("float32", 0, ()),
                        "update": ("float32", 1, "*"),
                    },
                    views=((), ()),
                ),
                NativeGroup(
                    variant=3,
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
