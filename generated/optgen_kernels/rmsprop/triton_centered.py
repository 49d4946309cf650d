"""What the Triton kernels of rmsprop in the file beside this one are given, and make.

Emitted by optgen: change the rule, not this file.
"""

from optgen.runtime.vocabulary.kernels import Chain, Kernels, Operand, Routine, beside

KERNELS = Kernels(
    name="rmsprop",
    target="triton",
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
                        Operand("p", "float32", "*", "in-out", "leaf"),
                        Operand("nu", "float32", "*", "in-out", "leaf"),
                        Operand("mu", "float32", "*", "in-out", "leaf"),
                    ),
                    scalars=("minus_learning_rate", "one_minus_decay", "decay", "eps"),
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
                        Operand("nu", "float32", "*", "in-out", "leaf"),
                        Operand("mu", "float32", "*", "in-out", "leaf"),
                        Operand("update", "float32", "*", "out", "leaf"),
                    ),
                    scalars=("minus_learning_rate", "one_minus_decay", "decay", "eps"),
                ),
            ),
        ),
    ),
)
