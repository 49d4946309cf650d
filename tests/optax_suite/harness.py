"""optax's own tests, from the installed wheel, with our functions in the place of optax's."""

import contextlib
import importlib
import re
import sys
import unittest
from unittest import mock

import jax
import optax
import pytest

import optgen
from tests.optax_suite.expected import reason_for

REPLACED = [
    name
    for name in (*optgen.zoo.STOCK, *optgen.zoo.ATOMS)
    if hasattr(optax, name) and name != "identity"
]


@contextlib.contextmanager
def replaced():
    """Puts our functions where any module of optax has those of the same name.

    optax's other transformations are then chains of ours.
    """
    with contextlib.ExitStack() as stack:
        for name in REPLACED:
            original = getattr(optax, name)
            for module in [m for n, m in sys.modules.items() if n.split(".")[0] == "optax"]:
                if vars(module).get(name) is original:
                    stack.enter_context(mock.patch.object(module, name, getattr(optgen, name)))
        yield


def cases(modules, only=None):
    """The tests of some of optax's modules, as parameters; those that must fail are marked.

    Args:
      modules: the modules, below ``optax``.
      only: a predicate on the title of a test; by default every test is taken.
    """
    parameters = []
    for module in modules:
        with replaced():
            loaded = importlib.import_module(f"optax.{module}")
        suites = unittest.defaultTestLoader.loadTestsFromModule(loaded)
        for test in (test for suite in suites for test in suite):
            title = _title(test)
            if only is None or only(title):
                reason = reason_for(module, title)
                marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
                parameters.append(pytest.param(test, id=f"{module} {title}", marks=marks))
    return parameters


def _title(test):
    """The name of a test and its parameters."""
    method = test._testMethodName
    parameters = getattr(type(test), "_test_params_reprs", {}).get(method, "")
    title = f"{type(test).__name__}.{method} {parameters}".strip()
    return re.sub(r" at 0x[0-9a-f]+", "", title)  # the same in all processes of pytest-xdist


def run(test):
    """Runs a test; it fails where it does so with our functions and not with optax's own."""
    with replaced():
        faults = _faults(test)
    if faults and (with_optax := _faults(test)):
        pytest.skip(f"it fails with optax's own functions too: {with_optax[0].splitlines()[-1]}")
    assert not faults, "\n".join(faults)


def _faults(test):
    result = unittest.TestResult()
    # Some tests are skipped before 0.7.2, which they compare as text: 0.10 is "older".
    with mock.patch.object(jax, "__version__", "1"):
        unittest.TestSuite([test]).run(result)
    if result.skipped and not (result.errors or result.failures):
        pytest.skip(result.skipped[0][1])
    return [text for _, text in (*result.errors, *result.failures)]
