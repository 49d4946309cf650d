"""What the Pallas kernels of lars in the file beside this one are given, and make.

Emitted by optgen: change the rule, not this file.
"""

from optgen.runtime.vocabulary.kernels import Chain, Kernels, Operand, Routine, beside

KERNELS = Kernels(
    name="lars",
    target="tpu",
    source=beside(__file__),
    step=(
        Chain(
            variant=0,
            dtypes=("float32", "float32", "float32"),
            routines=(
                Routine(
                    "leaf_step_1",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in", "leaf"),
                        Operand("sum_1", "float32", (), "partial", "statistic", "sum"),
                        Operand("sum_2", "float32", (), "partial", "statistic", "sum"),
                    ),
                    scalars=("weight_decay",),
                ),
                Routine(
                    "leaf_step_2",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in-out", "leaf"),
                        Operand("trace", "float32", "*", "in-out", "leaf"),
                        Operand("sum_1", "float32", (), "in", "statistic"),
                        Operand("sum_2", "float32", (), "in", "statistic"),
                    ),
                    scalars=(
                        "minus_learning_rate",
                        "weight_decay",
                        "trust_coefficient",
                        "eps",
                        "momentum",
                    ),
                ),
            ),
        ),
        Chain(
            variant=1,
            dtypes=("float32", "float32", "float32"),
            routines=(
                Routine(
                    "chosen_left_out_step_1",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in-out", "leaf"),
                        Operand("trace", "float32", "*", "in-out", "leaf"),
                    ),
                    scalars=("minus_learning_rate", "weight_decay", "momentum"),
                ),
            ),
        ),
        Chain(
            variant=2,
            dtypes=("float32", "float32", "float32"),
            routines=(
                Routine(
                    "left_out_chosen_step_1",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in", "leaf"),
                        Operand("sum_1", "float32", (), "partial", "statistic", "sum"),
                        Operand("sum_2", "float32", (), "partial", "statistic", "sum"),
                    ),
                    scalars=(),
                ),
                Routine(
                    "left_out_chosen_step_2",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in-out", "leaf"),
                        Operand("trace", "float32", "*", "in-out", "leaf"),
                        Operand("sum_1", "float32", (), "in", "statistic"),
                        Operand("sum_2", "float32", (), "in", "statistic"),
                    ),
                    scalars=("minus_learning_rate", "trust_coefficient", "eps", "momentum"),
                ),
            ),
        ),
        Chain(
            variant=3,
            dtypes=("float32", "float32", "float32"),
            routines=(
                Routine(
                    "left_out_left_out_step_1",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in-out", "leaf"),
                        Operand("trace", "float32", "*", "in-out", "leaf"),
                    ),
                    scalars=("minus_learning_rate", "momentum"),
                ),
            ),
        ),
    ),
    update=(
        Chain(
            variant=0,
            dtypes=("float32", "float32", "float32"),
            routines=(
                Routine(
                    "leaf_step_1",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in", "leaf"),
                        Operand("sum_1", "float32", (), "partial", "statistic", "sum"),
                        Operand("sum_2", "float32", (), "partial", "statistic", "sum"),
                    ),
                    scalars=("weight_decay",),
                ),
                Routine(
                    "leaf_update_2",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in", "leaf"),
                        Operand("trace", "float32", "*", "in-out", "leaf"),
                        Operand("update", "float32", "*", "out", "leaf"),
                        Operand("sum_1", "float32", (), "in", "statistic"),
                        Operand("sum_2", "float32", (), "in", "statistic"),
                    ),
                    scalars=(
                        "minus_learning_rate",
                        "weight_decay",
                        "trust_coefficient",
                        "eps",
                        "momentum",
                    ),
                ),
            ),
        ),
        Chain(
            variant=1,
            dtypes=("float32", "float32", "float32"),
            routines=(
                Routine(
                    "chosen_left_out_update_1",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in", "leaf"),
                        Operand("trace", "float32", "*", "in-out", "leaf"),
                        Operand("update", "float32", "*", "out", "leaf"),
                    ),
                    scalars=("minus_learning_rate", "weight_decay", "momentum"),
                ),
            ),
        ),
        Chain(
            variant=2,
            dtypes=("float32", "float32", "float32"),
            routines=(
                Routine(
                    "left_out_chosen_step_1",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in", "leaf"),
                        Operand("sum_1", "float32", (), "partial", "statistic", "sum"),
                        Operand("sum_2", "float32", (), "partial", "statistic", "sum"),
                    ),
                    scalars=(),
                ),
                Routine(
                    "left_out_chosen_update_2",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("trace", "float32", "*", "in-out", "leaf"),
                        Operand("update", "float32", "*", "out", "leaf"),
                        Operand("sum_1", "float32", (), "in", "statistic"),
                        Operand("sum_2", "float32", (), "in", "statistic"),
                    ),
                    scalars=("minus_learning_rate", "trust_coefficient", "eps", "momentum"),
                ),
            ),
        ),
        Chain(
            variant=3,
            dtypes=("float32", "float32", "float32"),
            routines=(
                Routine(
                    "left_out_left_out_update_1",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("trace", "float32", "*", "in-out", "leaf"),
                        Operand("update", "float32", "*", "out", "leaf"),
                    ),
                    scalars=("minus_learning_rate", "momentum"),
                ),
            ),
        ),
    ),
)
