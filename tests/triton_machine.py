"""The machine of the tests of Triton kernels: Triton's interpreter, or a GPU with `-m gpu`."""

from contextlib import contextmanager

import pytest

from optgen.runtime.execution import driver
from optgen.runtime.execution.triton import geometry, launcher, unavailable
from optgen.runtime.execution.triton.options import Options

TINY = Options(block=64, outer=4, inner=16, small=16, programs=3)
"""With these, leaves of a few hundred elements have whole tiles, tails, and parts to combine."""

MACHINES = ("interpreted", pytest.param("native", marks=pytest.mark.gpu))


@contextmanager
def machine(kind, options=TINY):
    """A place where `target="triton"` runs; without options, launches are cut as ever."""
    caches = driver._step_function, unavailable  # these do not know of options and environments
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTGEN_INTERPRET", "1" if kind == "interpreted" else "0")
        for cache in caches:
            cache.cache_clear()
        if (reason := unavailable()) is not None:
            pytest.skip(reason)
        if options is not None:
            patch.setattr(launcher, "options_for", lambda *_: options)
            for name in ("FEWEST_LINES", "MOST_LINES"):
                patch.setattr(geometry, name, 2 * options.outer)
        yield
    for cache in caches:
        cache.cache_clear()
