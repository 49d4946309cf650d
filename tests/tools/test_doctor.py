"""The report of a machine; and which releases of jax-triton fit which JAX."""

import sys

import pytest

from optgen.runtime.execution.triton import status
from optgen.tools import chips, doctor


@pytest.mark.parametrize(
    ("bridge", "jax", "triton"),
    [
        ("0.3.1", "0.8.2", "3.6.0"),
        ("0.3.1", "0.10.2", "3.9.0"),
        ("0.3.1", "0.11.2", "3.6.0"),
        ("0.3.1", "0.12.0.1", "3.9.0"),
        ("0.4.1", "0.11.2", "3.7.0"),
        ("0.4.0", "0.11.0", "3.9.0"),
        ("0.5.0", "0.13.0", "4.0.0"),  # newer than what is known
        (None, "0.11.2", "3.6.0"),  # built from source
        ("0.3.1", None, "3.6.0"),
        ("0.3.1", "0.11.2", None),
    ],
)
def test_what_fits_or_is_not_known_serves(bridge, jax, triton):
    assert status.misfit(bridge, jax, triton) is None


@pytest.mark.parametrize(
    ("bridge", "jax", "triton"),
    [
        ("0.2.0", "0.11.2", "3.6.0"),
        ("0.3.1", "0.8.1", "3.6.0"),
        ("0.3.1", "0.11.2", "3.5.1"),
        ("0.4.1", "0.10.2", "3.9.0"),
        ("0.4.1", "0.12.0.1", "3.9.0"),
        ("0.4.1", "0.11.2", "3.6.0"),
    ],
)
def test_what_does_not_fit_is_told_with_what_would(bridge, jax, triton):
    said = status.misfit(bridge, jax, triton)
    assert said.startswith(
        f"jax-triton {bridge} does not work with JAX {jax} and Triton {triton}: install jax-triton"
    )


def test_the_release_that_fits_what_is_installed_is_named():
    assert "install jax-triton==0.3.1 (with --no-deps" in status.misfit("0.4.1", "0.12.0", "3.9.0")
    assert "install jax-triton==0.3.1 (with --no-deps" in status.misfit("0.4.1", "0.11.2", "3.6.0")


def test_where_nothing_fits_the_versions_that_would_are_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 11, 7))
    assert status.advice("0.8.1", "3.6.0") == (
        "jax-triton==0.3.1 with jax >= 0.8.2 and triton >= 3.6"
    )
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    assert status.advice() == (
        "jax-triton==0.3.1 with jax >= 0.8.2 and triton >= 3.6 or "
        "jax-triton==0.4.1 with 0.11 <= jax < 0.12 and triton >= 3.7"
    )


def test_every_chip_has_a_line(monkeypatch):
    why = {"h200": "nothing compiles: install a compiler==1.0. It costs nothing."}
    monkeypatch.setattr(chips, "unavailable", why.get)
    monkeypatch.setattr(doctor, "_try", lambda name: doctor.TargetReport(name, True, "right"))
    found = doctor.diagnose()
    assert set(found.chips) == set(chips.CHIPS)
    rows = dict(dict(found.sections())["chips"])
    assert rows["h200"] == "nothing compiles: install a compiler==1.0"
    assert rows["v5e"] == doctor.COMPILED_FOR
