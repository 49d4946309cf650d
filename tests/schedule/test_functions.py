"""Names of emitted functions: like kernels share one, whatever sequences they are in."""

from optgen.ir.build import cast
from optgen.ir.evaluate import Dtypes
from optgen.ir.types import REAL
from optgen.schedule import schedule
from optgen.schedule.sequence import name_functions
from tests.schedule import rules
from tests.schedule.planning import viewed


def scheduled(program, mode="step", dtypes=None):
    return schedule(viewed(program)[0], 0, mode, dtypes or Dtypes())


def functions(*pairs):
    return [[k.function for k in s.sequence.kernels] for s in name_functions(pairs)]


def test_modes_share_the_functions_that_store_no_result():
    step, update = (
        scheduled(rules.adafactor(2, 0, 1, mode=mode), mode=mode) for mode in ("step", "update")
    )
    shared = ["leaf_statistics", "leaf_finalize", "leaf_statistics_2"]
    assert functions(("leaf", step), ("leaf", update)) == [
        [*shared, "leaf_step"],
        [*shared, "leaf_finalize_2", "leaf_update"],
    ]


def test_variants_share_the_functions_of_the_first_that_has_them():
    clipped = [scheduled(p) for p in (rules.adamw(clip=True), rules.adafactor(2, 0, 1, clip=True))]
    first, second = functions(("whole", clipped[0]), ("factored", clipped[1]))
    assert first == ["whole_statistics", "whole_step"]
    assert second[0] == "whole_statistics"
    assert all(name.startswith("factored_") for name in second[1:])


def test_like_functions_of_one_sequence_are_numbered():
    assert functions(("leaf", scheduled(rules.adafactor(2, 0, 1)))) == [
        ["leaf_statistics", "leaf_finalize", "leaf_statistics_2", "leaf_step"]
    ]


def test_functions_whose_arithmetic_differs_have_names_of_their_own():
    """Every array is float32 in both; one leaf computes in float64 beside a float64 slot."""
    narrow, wide = (
        scheduled(rules.lion(), dtypes=Dtypes(real=real)) for real in ("float32", "float64")
    )
    assert narrow.sequence.buffers == wide.sequence.buffers
    assert functions(("leaf", narrow), ("leaf", wide)) == [
        ["leaf_float32_float32_step"],
        ["leaf_float32_float32_step_2"],
    ]


def test_functions_that_round_to_other_dtypes_have_names_of_their_own():
    names = {}
    for mode in ("step", "update"):
        rule = rules.Rule(mode=mode)
        g = rule.gradient()
        rule.result(cast(cast(g, "param"), REAL))
        program = rule.program("rounded")
        both = [scheduled(program, mode, Dtypes(param)) for param in ("float16", "bfloat16")]
        names[mode] = functions(*(("leaf", x) for x in both))
    assert names == {
        "step": [["leaf_float16_float32_step"], ["leaf_bfloat16_float32_step"]],
        "update": [["leaf_update"], ["leaf_update"]],  # jnp, of any dtypes
    }


def test_functions_are_shared_whatever_the_dtypes_that_they_do_not_see():
    program = rules.adamw(clip=True)
    both = [scheduled(program, dtypes=Dtypes(param)) for param in ("float32", "bfloat16")]
    first, second = functions(*(("leaf", x) for x in both))
    assert first[0] == second[0] == "leaf_float32_float32_statistics"
    assert first[1] != second[1]


def test_other_scalars_make_another_function():
    def sgd(name):
        rule = rules.Rule()
        rule.result(rule("mul", rules.scalar(name), rule.gradient()))
        return scheduled(rule.program("sgd"))

    assert functions(("a", sgd("lr")), ("b", sgd("rate"))) == [["a_step"], ["b_step"]]


def test_renaming_leaves_the_rest_alone():
    made = scheduled(rules.lamb())
    renamed = made.renamed(["one", "two"])
    assert [k.function for k in renamed.sequence.kernels] == ["one", "two"]
    assert renamed.renamed(["sweep", "step"]) == made
    assert [body for _, body in renamed] == list(made.bodies)
