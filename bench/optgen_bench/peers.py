"""Who takes part in a case: optgen for each target, and the peers that were asked for."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from optgen.errors import UsageError
from optgen_bench.cases import Case
from optgen_bench.contestants import Contestant
from optgen_bench.jax_peer import JaxStep
from optgen_bench.torch_peer import TorchStep, why_no_torch

# What a name in `against` stands for; "update" compares the optax protocol alone.
GROUPS: dict[str, tuple[str, ...]] = {
    "optax": ("optax",),
    "torch": ("torch-fused", "torch-foreach"),
    "update": ("optgen-update", "optax-update"),
    "optax-update": ("optgen-update", "optax-update"),
    "torch-fused": ("torch-fused",),
    "torch-foreach": ("torch-foreach",),
}


def expand(against: Sequence[str]) -> list[str]:
    """Returns the contestants that names and groups stand for, each once, in order."""
    unknown = [name for name in against if name not in GROUPS]
    if unknown:
        raise UsageError(f"unknown peer {unknown[0]!r}. Give some of {', '.join(GROUPS)}.")
    return list(dict.fromkeys(name for group in against for name in GROUPS[group]))


def contestants(
    case: Case, against: Sequence[str], targets: Sequence[str] = ("auto",)
) -> tuple[list[Contestant], dict[str, str]]:
    """Returns the contestants of a case, optgen's first, and why any other is absent.

    Args:
      case: what to build.
      against: peers or groups of peers; see `GROUPS`.
      targets: of optgen; one contestant is named for each.
    """
    found: list[Contestant] = [_optgen(case, target, "step") for target in targets]
    absent: dict[str, str] = {}
    for name in expand(against):
        if name == "optgen-update":
            found += [_optgen(case, target, "update") for target in targets]
        elif (reason := _why_absent(case, name)) is not None:
            absent[name] = reason
        else:
            found.append(_peer(case, name))
    return found, absent


def _optgen(case: Case, target: str, protocol: str) -> Contestant:
    suffix = "" if protocol == "step" else "-update"
    name = f"optgen{suffix}" if target == "auto" else f"optgen-{target}{suffix}"
    return JaxStep(name, functools.partial(case.make_optgen, target), protocol, ours=True)


def _peer(case: Case, name: str) -> Contestant:
    if name.startswith("torch-"):
        assert case.make_torch is not None
        return TorchStep(name, case.make_torch, name.removeprefix("torch-"))
    assert case.make_optax is not None
    return JaxStep(name, case.make_optax, "update" if name.endswith("-update") else "step")


def _why_absent(case: Case, name: str) -> str | None:
    if name.startswith("optax"):
        return None if case.make_optax else "the case has no optax peer"
    kind = name.removeprefix("torch-")
    if case.make_torch is None or kind not in case.torch_kinds:
        return f"the case has no torch-{kind}"
    return why_no_torch()
