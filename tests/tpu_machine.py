"""The machine of the tests of TPU kernels: Pallas' TPU interpreter, or a TPU with `-m tpu`."""

from contextlib import contextmanager

import pytest

from optgen.runtime.execution import driver
from optgen.runtime.execution.tpu import frame, launches, unavailable

MACHINES = ("interpreted", pytest.param("native", marks=pytest.mark.tpu))


@contextmanager
def machine(kind, tiny=False):
    """The place where `target="tpu"` runs; what races, fails.

    Where it is tiny, tiles are 32×128, so that leaves of some thousand elements have several in
    both directions and tails, and none is small enough to be packed.
    """
    if (reason := unavailable()) is not None:
        pytest.skip(reason)
    forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTGEN_INTERPRET", "1" if kind == "interpreted" else "0")
        if tiny:
            patch.setattr(frame, "TILE", 32 * 128)
            patch.setattr(launches, "SMALL", 0)
        yield
    forget()
    if kind == "interpreted":
        assert not races_found(), "Pallas' interpreter has seen a race, and printed where"


def forget():
    """Nothing that is cached knows how tiles were cut."""
    driver._step_function.cache_clear()
    frame.frame_of.cache_clear()


def races_found():
    from jax._src.pallas.mosaic.interpret import interpret_pallas_call

    races = interpret_pallas_call.races
    return races is not None and races.races_found
