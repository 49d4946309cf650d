"""Reasons for which Triton kernels cannot be lowered here."""

import importlib.util
import re

import pytest

from optgen.runtime.execution.triton import status

HERE = ("triton", "jax_triton", "jax_cuda13_plugin")


@pytest.fixture
def install(monkeypatch):
    """Makes it look as if these modules were installed; gives the answer."""

    def installed(modules, interpret=False):
        monkeypatch.setenv("OPTGEN_INTERPRET", "1" if interpret else "0")
        monkeypatch.setattr(importlib.util, "find_spec", lambda n: n in modules or None)
        monkeypatch.setattr(status, "version_of", lambda name: None)  # see tests/test_doctor.py
        status.unavailable.cache_clear()
        return status.unavailable()

    yield installed
    status.unavailable.cache_clear()


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        (("jax_triton",), r"jax-triton cannot be found: install jax-triton==0\.3\.1"),
        (("triton", "jax_triton"), "triton and jax-triton cannot be found: install "),
        (("jax_cuda13_plugin",), r"JAX's CUDA plugin cannot be found: install jax\[cuda13\]"),
    ],
)
def test_what_is_missing_is_named_with_what_to_install(install, missing, says):
    found = install([m for m in HERE if m not in missing])
    assert re.match(says, found)


def test_the_interpreter_needs_triton_alone(install):
    assert install(["triton"], interpret=True) is None
    assert install([], interpret=True).startswith("triton cannot be found")


def test_another_cuda_plugin_will_do(install):
    here = ["triton", "jax_triton", "jax_cuda12_plugin"]
    assert install(here) is None
