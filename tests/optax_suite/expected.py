"""The tests of optax that must fail with our functions, each with its reason.

One that passes is an error: it is then taken off the list.
"""

import re
from typing import NamedTuple


class Expected(NamedTuple):
    """Tests that must fail.

    Attributes:
      module: the module, below ``optax``.
      pattern: a regular expression that is found in their titles, and in no others.
      reason: the reason.
    """

    module: str
    pattern: str
    reason: str


CLASSES = "it names the classes of optax's states, or how they are nested; ours is one State"
COMPLEX = "complex leaves are two real ones: optax.contrib.split_real_and_imaginary"
INTEGERS = "integers are not trained"

EXPECTED = [
    Expected(
        "tree_utils._state_utils_test",
        r"test_(adam|inject_hparams|map_\w+_to_none|tree_get|tree_get_all_with_path|tree_set)$",
        CLASSES,
    ),
    Expected("_src.alias_test", r"complex(64|128)", COMPLEX),
    Expected("contrib._muon_test", "complex64", COMPLEX),
    Expected(
        "contrib._schedule_free_test", r"params_dtype='complex64', state_dtype='complex64'", COMPLEX
    ),
    Expected("transforms._masking_test", "test_masked_state_structure", CLASSES),
    Expected("_src.combine_test", r"ExtraArgsTest.test_extra_args$", INTEGERS),
    Expected("transforms._combining_test", r"ExtraArgsTest.test_extra_args$", INTEGERS),
    Expected(
        "_src.transform_test",
        "test_lion_invalid_mode_raises",
        "what is wrong with a hyperparameter is said by init, which traces the rule",
    ),
    Expected(
        "transforms._adding_test",
        "test_none_argument",
        "None for all gradients is an error, and a number is no state",
    ),
    Expected(
        "transforms._clipping_test",
        "test_adaptive_grad_clip_with_axis",
        "the norm is taken along one axis or as optax chooses it, not along several by name",
    ),
]


def reason_for(module, title):
    """The reason why a test must fail; None where it must pass."""
    for expected in EXPECTED:
        if expected.module == module and re.search(expected.pattern, title):
            return expected.reason
    return None
