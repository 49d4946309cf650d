"""A cache that the tests of one process share, and one of its own for each test that asks."""

import shutil
import stat

import pytest

from optgen.runtime.execution.cache import private
from optgen.runtime.execution.cpu import status


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache") / "optgen"


@pytest.fixture(autouse=True)
def _shared(shared_cache, monkeypatch):
    monkeypatch.setenv("OPTGEN_CACHE_DIR", str(shared_cache))
    for name in ("CXX", "OPTGEN_CXXFLAGS"):
        monkeypatch.delenv(name, raising=False)
    status.unavailable.cache_clear()
    yield
    status.unavailable.cache_clear()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The directory of an empty cache, not made yet; nothing is kept elsewhere."""
    monkeypatch.setenv("OPTGEN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(private, "_opened", [])
    return tmp_path / "cache" / "cpu"


@pytest.fixture
def wrapper(tmp_path, monkeypatch):
    """Makes the compiler a shell script, which may call the real one as `$REAL "$@"`."""

    def install(body: str):
        script = tmp_path / "compiler"
        real = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
        script.write_text(f"#!/bin/sh\nREAL={real}\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("CXX", str(script))
        return script

    return install
