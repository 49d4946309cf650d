"""Counts of a module: kernels, transfers, bytes, copies."""

import pytest

from optgen.tools.chips.hlo import Alias, parse
from optgen.tools.chips.module import Memory, Module, read_kernels


def module(body: str, *computations: str) -> Module:
    """The module of an entry computation with this body, in which `p` and `q` are 100 floats."""
    entry = f"  %p = f32[100]{{0}} parameter(0)\n  %q = f32[100]{{0}} parameter(1)\n{body}"
    text = "\n\n".join(["HloModule m", *computations, f"ENTRY %e () -> () {{\n{entry}\n}}"])
    hlo = parse(text)
    return Module("h200", read_kernels(hlo), hlo.aliases, Memory(0, 0, 0, 0), 0.0, text)


def computation(name: str, *lines: str) -> str:
    return "\n".join([f"%{name} (a: f32[100]) -> f32[100] {{", *(f"  {x}" for x in lines), "}"])


ADD = computation(
    "add",
    "%a = f32[100]{0} parameter(0)",
    "%b = f32[100]{0} parameter(1)",
    "ROOT %c = f32[100]{0} add(%a, %b)",
)
COPY = computation("copied", "%a = f32[100]{0} parameter(0)", "ROOT %c = f32[100]{0} copy(%a)")


def test_a_fusion_reads_its_operands_once_and_writes_its_results():
    found = module("  ROOT %f = f32[100]{0} fusion(%p, %q, %p), kind=kLoop, calls=%add", ADD)
    (kernel,) = found.kernels
    assert (kernel.name, kernel.kind, kernel.target) == ("f", "fusion", "")
    assert (kernel.reads, kernel.writes, kernel.on_chip) == (800, 400, 0)
    assert (found.launches, found.transfers, found.bytes) == (1, 0, 1200)


def test_names_of_memory_run_nothing():
    assert not module(
        """\
  %c = f32[] constant(1)
  %t = (f32[100]{0}, f32[]) tuple(%p, %c)
  %g = f32[100]{0} get-tuple-element(%t), index=0
  %b = f32[10,10]{1,0} bitcast(%g)
  ROOT %v = f32[10,10]{1,0} custom-call(%b), custom_call_target="ConcatBitcast\""""
    ).kernels


def test_arithmetic_on_scalars_outside_fusions_is_no_kernel():
    body = """\
  %s = s32[] parameter(2)
  %one = s32[] constant(1)
  %next = s32[] add(%s, %one)
  %near = s32[]{:T(128)S(6)} copy(%next)
  ROOT %r = f32[] reduce(%p, %near), dimensions={0}, to_apply=%add"""
    assert [kernel.name for kernel in module(body, ADD).kernels] == ["near", "r"]


def test_a_custom_call_has_a_target_and_aliases():
    found = module(
        "  ROOT %k = (f32[100]{0}, f32[1]{0}) custom-call(%p, %q), "
        'custom_call_target="triton_kernel_call", output_to_operand_aliasing={{0}: (1, {})}'
    )
    (kernel,) = found.custom_calls["triton_kernel_call"]
    assert kernel.kind == "custom-call"
    assert kernel.aliases == (Alias((0,), 1),)
    assert kernel.bytes == 400 + 400 + 400 + 4


def test_what_starts_and_ends_apart_is_one_transfer():
    found = module(
        """\
  %s = (f32[100]{0:S(1)}, f32[100]{0}, u32[]) copy-start(%p)
  %f = f32[100]{0} fusion(%p, %q), kind=kLoop, calls=%add
  %d = f32[100]{0:S(1)} copy-done(%s)
  ROOT %r = f32[100]{0} fusion(%f, %d), kind=kLoop, calls=%add""",
        ADD,
    )
    assert (found.launches, found.transfers) == (2, 1)
    assert found.kinds == {"copy": 1, "fusion": 2}
    assert (found.bytes, found.on_chip_bytes) == (400 + 1200 + 800, 400 + 400)
    assert [copy.name for copy in found.copies] == ["s"]


def test_copies_and_transposes_are_told_also_inside_fusions():
    found = module(
        """\
  %c = f32[100]{0} copy(%p)
  %t = f32[100]{0} transpose(%c), dimensions={0}
  ROOT %f = f32[100]{0} fusion(%t), kind=kLoop, calls=%copied""",
        COPY,
    )
    assert [(copy.name, copy.bytes) for copy in found.copies] == [
        ("c", 800),
        ("t", 800),
        ("f", 800),
    ]
    assert found.kinds == {"copy": 2, "transpose": 1}


def test_calls_and_asynchronous_computations_are_looked_into():
    inside = computation(
        "inside",
        "%a = f32[100]{0} parameter(0)",
        "ROOT %f = f32[100]{0} fusion(%a, %a), kind=kLoop, calls=%add",
    )
    found = module(
        """\
  %one = f32[100]{0} call(%p), to_apply=%inside
  %s = ((f32[100]{0}), f32[100]{0}, u32[]) async-start(%one), calls=%inside
  ROOT %d = f32[100]{0} async-done(%s)""",
        ADD,
        inside,
    )
    assert (found.launches, found.transfers, found.bytes) == (2, 0, 2 * 800)


@pytest.mark.parametrize(
    ("known", "times"), [(', backend_config={"known_trip_count":{"n":"7"}}', 7), ("", 1)]
)
def test_a_loop_runs_as_often_as_it_is_known_to(known, times):
    found = module(
        f"  ROOT %w = f32[100]{{0}} while(%p), condition=%less, body=%copied{known}",
        COPY,
        computation("less", "%a = f32[100]{0} parameter(0)", "ROOT %r = pred[] constant(true)"),
    )
    assert (found.launches, found.bytes) == (times, times * 800)


@pytest.mark.parametrize(
    "branches", ["branch_computations={%a, %b}", "true_computation=%a, false_computation=%b"]
)
def test_of_a_conditional_the_branch_that_moves_most_counts(branches):
    found = module(
        f"  ROOT %r = f32[100]{{0}} conditional(%p, %q, %q), {branches}",
        computation("a", "ROOT %x = f32[100]{0} parameter(0)"),
        computation("b", "%x = f32[100]{0} parameter(0)", "ROOT %c = f32[100]{0} copy(%x)"),
    )
    assert [kernel.name for kernel in found.kernels] == ["c"]


def test_of_what_is_only_sliced_the_slices_are_read():
    taken = computation(
        "taken",
        "%a = f32[100]{0} parameter(0)",
        "%b = f32[100]{0} parameter(1)",
        "%x = f32[10]{0} slice(%a), slice={[0:10]}",
        "%y = f32[20]{0} dynamic-slice(%a, %b), dynamic_slice_sizes={20}",
        "ROOT %r = f32[30]{0} concatenate(%x, %y), dimensions={0}",
    )
    found = module("  ROOT %f = f32[30]{0} fusion(%p, %q), kind=kLoop, calls=%taken", taken)
    assert (found.kernels[0].reads, found.kernels[0].writes) == (40 + 80 + 400, 120)
    found = module("  ROOT %s = f32[10]{0} slice(%p), slice={[0:10]}")
    assert found.bytes == 80


def test_of_what_is_updated_in_place_the_update_is_moved():
    update = computation(
        "update",
        "%a = f32[100]{0} parameter(0)",
        "%b = f32[10]{0} parameter(1)",
        "%i = s32[] constant(0)",
        "%n = f32[10]{0} negate(%b)",
        "%u = f32[100]{0} dynamic-update-slice(%a, %n, %i)",
        "ROOT %t = (f32[100]{0}, f32[10]{0}) tuple(%u, %n)",
    )
    found = module(
        "  %s = f32[10]{0} parameter(2)\n"
        "  ROOT %f = (f32[100]{0}, f32[10]{0}) fusion(%p, %s), kind=kLoop, calls=%update",
        update,
    )
    assert (found.kernels[0].reads, found.kernels[0].writes) == (40, 80)
