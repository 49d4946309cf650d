"""What the Pallas kernels of lamb in the file beside this one are given, and make.

Emitted by optgen: change the rule, not this file.
"""

from optgen.runtime.vocabulary.kernels import Chain, Kernels, Operand, Routine, beside

KERNELS = Kernels(
    name="lamb",
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
                        Operand("mu", "float32", "*", "in-out", "leaf"),
                        Operand("nu", "float32", "*", "in-out", "leaf"),
                        Operand("sum_1", "float32", (), "partial", "statistic", "sum"),
                        Operand("sum_2", "float32", (), "partial", "statistic", "sum"),
                    ),
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
                    ),
                ),
                Routine(
                    "leaf_step_2",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("p", "float32", "*", "in-out", "leaf"),
                        Operand("mu", "float32", "*", "in", "leaf"),
                        Operand("nu", "float32", "*", "in", "leaf"),
                        Operand("sum_1", "float32", (), "in", "statistic"),
                        Operand("sum_2", "float32", (), "in", "statistic"),
                    ),
                    scalars=(
                        "minus_learning_rate",
                        "bias_correction_b1",
                        "bias_correction_b2",
                        "eps_root",
                        "eps",
                        "weight_decay",
                    ),
                ),
            ),
        ),
        Chain(
            variant=1,
            dtypes=("float32", "float32", "float32"),
            routines=(
                Routine(
                    "left_out_step_1",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in", "leaf"),
                        Operand("mu", "float32", "*", "in-out", "leaf"),
                        Operand("nu", "float32", "*", "in-out", "leaf"),
                        Operand("sum_1", "float32", (), "partial", "statistic", "sum"),
                        Operand("sum_2", "float32", (), "partial", "statistic", "sum"),
                    ),
                    scalars=(
                        "one_minus_b1",
                        "b1",
                        "bias_correction_b1",
                        "one_minus_b2",
                        "b2",
                        "bias_correction_b2",
                        "eps_root",
                        "eps",
                    ),
                ),
                Routine(
                    "left_out_step_2",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("p", "float32", "*", "in-out", "leaf"),
                        Operand("mu", "float32", "*", "in", "leaf"),
                        Operand("nu", "float32", "*", "in", "leaf"),
                        Operand("sum_1", "float32", (), "in", "statistic"),
                        Operand("sum_2", "float32", (), "in", "statistic"),
                    ),
                    scalars=(
                        "minus_learning_rate",
                        "bias_correction_b1",
                        "bias_correction_b2",
                        "eps_root",
                        "eps",
                    ),
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
                    "leaf_update_1",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in", "leaf"),
                        Operand("mu", "float32", "*", "in-out", "leaf"),
                        Operand("nu", "float32", "*", "in-out", "leaf"),
                        Operand("add_decayed_weights", "float32", "*", "out", "temporary"),
                        Operand("sum_1", "float32", (), "partial", "statistic", "sum"),
                        Operand("sum_2", "float32", (), "partial", "statistic", "sum"),
                    ),
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
                    ),
                ),
                Routine(
                    "leaf_update_2",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("update", "float32", "*", "out", "leaf"),
                        Operand("add_decayed_weights", "float32", "*", "in", "temporary"),
                        Operand("sum_1", "float32", (), "in", "statistic"),
                        Operand("sum_2", "float32", (), "in", "statistic"),
                    ),
                    scalars=("minus_learning_rate",),
                ),
            ),
        ),
        Chain(
            variant=1,
            dtypes=("float32", "float32", "float32"),
            routines=(
                Routine(
                    "left_out_step_1",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("g", "float32", "*", "in", "leaf"),
                        Operand("p", "float32", "*", "in", "leaf"),
                        Operand("mu", "float32", "*", "in-out", "leaf"),
                        Operand("nu", "float32", "*", "in-out", "leaf"),
                        Operand("sum_1", "float32", (), "partial", "statistic", "sum"),
                        Operand("sum_2", "float32", (), "partial", "statistic", "sum"),
                    ),
                    scalars=(
                        "one_minus_b1",
                        "b1",
                        "bias_correction_b1",
                        "one_minus_b2",
                        "b2",
                        "bias_correction_b2",
                        "eps_root",
                        "eps",
                    ),
                ),
                Routine(
                    "left_out_update_2",
                    phase=0,
                    kind="sweep",
                    view=(),
                    operands=(
                        Operand("mu", "float32", "*", "in", "leaf"),
                        Operand("nu", "float32", "*", "in", "leaf"),
                        Operand("update", "float32", "*", "out", "leaf"),
                        Operand("sum_1", "float32", (), "in", "statistic"),
                        Operand("sum_2", "float32", (), "in", "statistic"),
                    ),
                    scalars=(
                        "minus_learning_rate",
                        "bias_correction_b1",
                        "bias_correction_b2",
                        "eps_root",
                        "eps",
                    ),
                ),
            ),
        ),
    ),
)
