"""The quick part: those of optax's modules that take seconds, and what tells most of the rest."""

import re

import pytest

from optgen.zoo import STOCK
from tests.optax_suite.harness import cases, run

MODULES = (
    "_src.base_test",
    "_src.combine_test",
    "_src.float64_test",
    "_src.transform_test",
    "_src.update_test",
    "contrib._mechanic_test",
    "transforms._adding_test",
    "transforms._combining_test",
    "transforms._conditionality_test",
    "transforms._constraining_test",
    "transforms._freezing_test",
    "transforms._layouts_test",
    "transforms._masking_test",
    "transforms._monitoring_test",
    "tree_utils._state_utils_test",
)

OURS = re.compile(
    rf"test_(preserve_dtype|optimizers_\w+|explicit_dtype)\d* .*'({'|'.join(STOCK)})'"
)


@pytest.mark.parametrize("test", cases(MODULES))
def test_of_optax(test):
    run(test)


@pytest.mark.parametrize("test", cases(["_src.alias_test"], OURS.search))
def test_of_its_aliases(test):
    run(test)
