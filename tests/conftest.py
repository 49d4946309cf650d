"""Settings that every test shares: the platform it runs on, and how hypothesis searches."""

import os
import re
import sys
from pathlib import Path

import hypothesis
import pytest

ACCELERATORS = ("gpu", "tpu")
ASKED_FOR = (*ACCELERATORS, "optax_suite")  # run where `-m` names them only
CHIPS = Path(__file__).parents[1] / ".venv" / "chips"  # where make puts the chips' compilers

# The first example of a property compiles, so times say nothing; and a gate that fails must
# fail again when it is run again.
hypothesis.settings.register_profile("optgen", deadline=None, derandomize=True)
hypothesis.settings.load_profile("optgen")


def asked_for(marker: str, expression: str) -> bool:
    """True where `-m expression` names this marker, but not in `not gpu` or `not (gpu or tpu)`."""
    wanted = re.sub(r"\bnot\s*(\w+|\([^()]*\))", "", expression)
    return bool(re.search(rf"\b{marker}\b", wanted))


def add_compilers_of_chips():
    """Let these processes and their children import the compilers of chips that are not here.

    JAX looks for them when it is imported, which a conftest further down may do. On the CPU it
    finds them without complaint; what is installed beside JAX comes first.
    """
    directory = os.environ.setdefault("OPTGEN_CHIPS", str(CHIPS))
    if directory not in sys.path:
        sys.path.append(directory)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if directory not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (*paths, directory)))


if CHIPS.is_dir() and Path(sys.prefix) == CHIPS.parent:  # they are of that environment's JAX
    add_compilers_of_chips()


def pytest_configure(config):
    """Keep JAX on the CPU unless an accelerator was asked for.

    No conftest or plugin imports JAX before this, and the workers of pytest-xdist inherit it.
    """
    if not any(asked_for(marker, config.option.markexpr) for marker in ACCELERATORS):
        os.environ["JAX_PLATFORMS"] = "cpu"
    # Compiling C++ for every rule that a test makes up would take minutes. What is about the
    # kernels asks for them by name, or runs for each target.
    os.environ.setdefault("OPTGEN_TARGET", "xla")


@pytest.fixture(scope="session", autouse=True)
def triton_cache(tmp_path_factory):
    """A cache of what Triton compiles: not with that of the person who runs the tests."""
    os.environ["TRITON_CACHE_DIR"] = str(tmp_path_factory.mktemp("triton"))


def pytest_collection_modifyitems(config, items):
    """Skip what needs an accelerator or many minutes, unless it was asked for."""
    for marker in ASKED_FOR:
        if asked_for(marker, config.option.markexpr):
            continue
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=f"run with `pytest -m {marker}`"))
