"""Contestants of a case: optgen for each target, and the peers that were asked for."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from optgen.errors import UsageError
from optgen.tools.timing import Contestant
from optgen_bench.cases import Case
from optgen_bench.flash_peer import why_no_flash
from optgen_bench.jax_peer import JaxStep
from optgen_bench.torch_peer import TorchStep, why_no_torch

# What a name in `against` stands for; "update" compares what changing only the import does.
GROUPS: dict[str, tuple[str, ...]] = {
    "optax": ("optax",),
    "torch": ("torch-fused", "torch-foreach"),
    "update": ("optgen-update", "optax"),
    "torch-fused": ("torch-fused",),
    "torch-foreach": ("torch-foreach",),
    "flashoptim": ("flashoptim-full", "flashoptim-compressed"),
    "flashoptim-full": ("flashoptim-full",),
    "flashoptim-compressed": ("flashoptim-compressed",),
}


def expand(against: Sequence[str]) -> list[str]:
    """Returns the contestants that names and groups stand for, each once, in order."""
    unknown = [name for name in against if name not in GROUPS]
    if unknown:
        raise UsageError(f"unknown peer {unknown[0]!r}. Give some of {', '.join(GROUPS)}.")
    return list(dict.fromkeys(name for group in against for name in GROUPS[group]))


def contestants(
    case: Case,
    against: Sequence[str],
    targets: Sequence[str] = ("auto",),
    on_device: bool = False,
) -> tuple[list[Contestant], dict[str, str]]:
    """Returns the contestants of a case, optgen's first, and why any other is absent.

    Args:
      case: what to build.
      against: peers or groups of peers; see `GROUPS`.
      targets: of optgen; one contestant is named for each.
      on_device: whether steps are repeated there; see `optgen.tools.timing`.
    """
    present: list[Contestant] = [_optgen(case, target, True, on_device) for target in targets]
    absent: dict[str, str] = {}
    for name in expand(against):
        if name == "optgen-update":
            present += [_optgen(case, target, False, on_device) for target in targets]
        elif (reason := _why_absent(case, name)) is not None:
            absent[name] = reason
        else:
            present.append(_peer(case, name, on_device))
    return present, absent


def optgen_name(target: str, fused: bool) -> str:
    """Returns the name of optgen's contestant for a target."""
    suffix = "" if fused else "-update"
    return f"optgen{suffix}" if target == "auto" else f"optgen-{target}{suffix}"


def _optgen(case: Case, target: str, fused: bool, on_device: bool) -> Contestant:
    name, make = optgen_name(target, fused), functools.partial(case.make_optgen, target)
    return JaxStep(name, make, ours=True, fused=fused, on_device=on_device)


def _peer(case: Case, name: str, on_device: bool) -> Contestant:
    library, _, kind = name.partition("-")
    if library == "torch":
        assert case.make_torch is not None
        return TorchStep(name, case.make_torch, kind, on_device)
    if library == "flashoptim":
        assert case.make_flash is not None
        make = functools.partial(case.make_flash, kind)
        return JaxStep(name, make, fused=True, on_device=on_device)
    assert case.make_optax is not None
    return JaxStep(name, case.make_optax, on_device=on_device)


def _why_absent(case: Case, name: str) -> str | None:
    if name.startswith("optax"):
        return None if case.make_optax else "the case has no optax peer"
    if name.startswith("flashoptim"):
        return why_no_flash() if case.make_flash else f"the case has no {name}"
    kind = name.removeprefix("torch-")
    if case.make_torch is None or kind not in case.torch_kinds:
        return f"the case has no {name}"
    return why_no_torch()
