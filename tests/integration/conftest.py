"""The targets that this machine can run."""

import pytest

from optgen.runtime.execution import cpu


@pytest.fixture(params=["xla", "cpu"])
def each_target(request, monkeypatch):
    """Makes `target="auto"` stand for one target after the other."""
    if request.param == "cpu" and (reason := cpu.unavailable()):
        pytest.skip(reason)
    monkeypatch.setenv("OPTGEN_TARGET", request.param)
    return request.param
