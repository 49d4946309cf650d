"""What the kernels of adafactor in the C++ file beside this one take and give.

Emitted by optgen: change the rule, not this file.
"""

from pathlib import Path

from optgen.runtime.vocabulary.kernels import Native, NativeGroup, NativePhase

NATIVE = Native(
    name="adafactor",
    source=Path(__file__).with_suffix(".cc"),
    step=(
        NativePhase(
            symbol="optgen_step_1",
            scalars=("decay", "one_minus_decay", "eps", "learning_rate", "clipping_threshold"),
            groups=(
                NativeGroup(
                    variant=0,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "v"),
                    outputs={"sum_1": ("float32", 0, ()), "sum_2": ("float32", 0, ())},
                    views=((), ()),
                ),
                NativeGroup(
                    variant=1,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "v_row", "v_col"),
                    outputs={
                        "sum_1": ("float32", 0, (0,)),
                        "sum_3": ("float32", 0, (1,)),
                        "sum_5": ("float32", 0, ()),
                        "sum_2": ("float32", 1, ()),
                        "sum_4": ("float32", 2, ()),
                    },
                    views=(((0,), (1,)), ((0,), (1,)), ((0,), (1,)), ((0,), (1,))),
                ),
                NativeGroup(
                    variant=2,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "v_row", "v_col"),
                    outputs={
                        "sum_1": ("float32", 0, (1,)),
                        "sum_3": ("float32", 0, (0,)),
                        "sum_5": ("float32", 0, ()),
                        "sum_2": ("float32", 1, ()),
                        "sum_4": ("float32", 2, ()),
                    },
                    views=(((0,), (1,)), ((0,), (1,)), ((0,), (1,)), ((0,), (1,))),
                ),
                NativeGroup(
                    variant=3,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "v_row", "v_col"),
                    outputs={
                        "sum_1": ("float32", 0, (0, 1)),
                        "sum_3": ("float32", 0, (0, 2)),
                        "sum_5": ("float32", 0, ()),
                        "sum_2": ("float32", 1, (0,)),
                        "sum_4": ("float32", 2, ()),
                    },
                    views=(
                        ((0,), (1,), (2,)),
                        ((0,), (1,), (2,)),
                        ((0,), (1,), (2,)),
                        ((0,), (1,), (2,)),
                    ),
                ),
                NativeGroup(
                    variant=4,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "v_row", "v_col"),
                    outputs={
                        "sum_1": ("float32", 0, (0, 2)),
                        "sum_3": ("float32", 0, (0, 1)),
                        "sum_5": ("float32", 0, ()),
                        "sum_2": ("float32", 1, (0,)),
                        "sum_4": ("float32", 2, ()),
                    },
                    views=(
                        ((0,), (1,), (2,)),
                        ((0,), (1,), (2,)),
                        ((0,), (1,), (2,)),
                        ((0,), (1,), (2,)),
                    ),
                ),
                NativeGroup(
                    variant=5,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "v_row", "v_col"),
                    outputs={
                        "sum_1": ("float32", 0, (0, 1)),
                        "sum_3": ("float32", 0, (0, 2)),
                        "sum_5": ("float32", 0, ()),
                        "sum_2": ("float32", 1, (0,)),
                        "sum_4": ("float32", 2, ()),
                    },
                    views=(
                        ((0, 1), (2,), (3,)),
                        ((0, 1), (2,), (3,)),
                        ((0, 1), (2,), (3,)),
                        ((0, 1), (2,), (3,)),
                    ),
                ),
                NativeGroup(
                    variant=6,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g",),
                    in_place=("p", "v_row", "v_col"),
                    outputs={
                        "sum_1": ("float32", 0, (0, 2)),
                        "sum_3": ("float32", 0, (0, 1)),
                        "sum_5": ("float32", 0, ()),
                        "sum_2": ("float32", 1, (0,)),
                        "sum_4": ("float32", 2, ()),
                    },
                    views=(
                        ((0, 1), (2,), (3,)),
                        ((0, 1), (2,), (3,)),
                        ((0, 1), (2,), (3,)),
                        ((0, 1), (2,), (3,)),
                    ),
                ),
            ),
        ),
    ),
    update=(
        NativePhase(
            symbol="optgen_update_1",
            scalars=("decay", "one_minus_decay", "eps", "learning_rate", "clipping_threshold"),
            groups=(
                NativeGroup(
                    variant=0,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g", "p"),
                    in_place=("v",),
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
                    in_place=("v_row", "v_col"),
                    outputs={
                        "sum_1": ("float32", 0, (0,)),
                        "sum_3": ("float32", 0, (1,)),
                        "sum_5": ("float32", 0, ()),
                        "sum_2": ("float32", 1, ()),
                        "sum_4": ("float32", 2, ()),
                        "update": ("float32", 3, "*"),
                    },
                    views=(((0,), (1,)), ((0,), (1,)), ((0,), (1,)), ((0,), (1,))),
                ),
                NativeGroup(
                    variant=2,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g", "p"),
                    in_place=("v_row", "v_col"),
                    outputs={
                        "sum_1": ("float32", 0, (1,)),
                        "sum_3": ("float32", 0, (0,)),
                        "sum_5": ("float32", 0, ()),
                        "sum_2": ("float32", 1, ()),
                        "sum_4": ("float32", 2, ()),
                        "update": ("float32", 3, "*"),
                    },
                    views=(((0,), (1,)), ((0,), (1,)), ((0,), (1,)), ((0,), (1,))),
                ),
                NativeGroup(
                    variant=3,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g", "p"),
                    in_place=("v_row", "v_col"),
                    outputs={
                        "sum_1": ("float32", 0, (0, 1)),
                        "sum_3": ("float32", 0, (0, 2)),
                        "sum_5": ("float32", 0, ()),
                        "sum_2": ("float32", 1, (0,)),
                        "sum_4": ("float32", 2, ()),
                        "update": ("float32", 3, "*"),
                    },
                    views=(
                        ((0,), (1,), (2,)),
                        ((0,), (1,), (2,)),
                        ((0,), (1,), (2,)),
                        ((0,), (1,), (2,)),
                    ),
                ),
                NativeGroup(
                    variant=4,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g", "p"),
                    in_place=("v_row", "v_col"),
                    outputs={
                        "sum_1": ("float32", 0, (0, 2)),
                        "sum_3": ("float32", 0, (0, 1)),
                        "sum_5": ("float32", 0, ()),
                        "sum_2": ("float32", 1, (0,)),
                        "sum_4": ("float32", 2, ()),
                        "update": ("float32", 3, "*"),
                    },
                    views=(
                        ((0,), (1,), (2,)),
                        ((0,), (1,), (2,)),
                        ((0,), (1,), (2,)),
                        ((0,), (1,), (2,)),
                    ),
                ),
                NativeGroup(
                    variant=5,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g", "p"),
                    in_place=("v_row", "v_col"),
                    outputs={
                        "sum_1": ("float32", 0, (0, 1)),
                        "sum_3": ("float32", 0, (0, 2)),
                        "sum_5": ("float32", 0, ()),
                        "sum_2": ("float32", 1, (0,)),
                        "sum_4": ("float32", 2, ()),
                        "update": ("float32", 3, "*"),
                    },
                    views=(
                        ((0, 1), (2,), (3,)),
                        ((0, 1), (2,), (3,)),
                        ((0, 1), (2,), (3,)),
                        ((0, 1), (2,), (3,)),
                    ),
                ),
                NativeGroup(
                    variant=6,
                    dtypes=("float32", "float32", "float32"),
                    inputs=("g", "p"),
                    in_place=("v_row", "v_col"),
                    outputs={
                        "sum_1": ("float32", 0, (0, 2)),
                        "sum_3": ("float32", 0, (0, 1)),
                        "sum_5": ("float32", 0, ()),
                        "sum_2": ("float32", 1, (0,)),
                        "sum_4": ("float32", 2, ()),
                        "update": ("float32", 3, "*"),
                    },
                    views=(
                        ((0, 1), (2,), (3,)),
                        ((0, 1), (2,), (3,)),
                        ((0, 1), (2,), (3,)),
                        ((0, 1), (2,), (3,)),
                    ),
                ),
            ),
        ),
    ),
)
