"""The rest of the modules of optax's tests in which our functions take part."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.optax_suite.harness import cases, run

pytestmark = [pytest.mark.slow, pytest.mark.optax_suite]

MODULES = (
    "_src.alias_test",
    "_src.factorized_test",
    "_src.lookahead_test",
    "_src.utils_test",
    "contrib._complex_valued_test",
    "contrib._galore_test",
    "contrib._muon_test",
    "contrib._privacy_test",
    "contrib._reduce_on_plateau_test",
    "contrib._sam_test",
    "contrib._schedule_free_test",
    "transforms._accumulation_test",
    "transforms._clipping_test",
)


@pytest.mark.parametrize("test", cases(MODULES))
def test_of_optax(test):
    run(test)


def test_of_shardings_on_eight_devices():
    """JAX makes its devices once, so these are run by another process."""
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "",
         str(Path(__file__).with_name("eight_devices.py"))],
        env={**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout[-6000:] + answer.stderr[-2000:]
