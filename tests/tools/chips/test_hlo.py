"""The reader of HLO text, on text that XLA printed."""

import pytest

from optgen.errors import ParseError
from optgen.tools.chips.hlo import Alias, Array, parse

ADDS = """\
HloModule jit_step, is_scheduled=true, \
input_output_alias={ {0}: (0, {}, may-alias), {1}: (2, {3, 1}, must-alias) }, \
entry_computation_layout={(f32[8,128]{1,0:T(8,128)}, s32[])->(f32[8,128]{1,0:T(8,128)}, s32[])}

FileNames
1 "/a/step.py"

%fused_add (param_0: f32[8,128], param_1: f32[8,128]) -> f32[8,128] {
  %param_0 = f32[8,128]{1,0:T(8,128)} parameter(0)
  %param_1 = f32[8,128]{1,0:T(8,128)S(1)} parameter(1)
  ROOT %add.1 = f32[8,128]{1,0:T(8,128)} add(%param_0, %param_1), \
metadata={op_name="jit(step)/add, \\"(x" stack_frame_id=1}
}

ENTRY %main.2 (p.1: f32[8,128], count.1: s32[]) -> (f32[8,128], s32[]) {
  %p.1 = f32[8,128]{1,0:T(8,128)} parameter(0), sharding={replicated}
  %constant.3 = f32[2,2]{1,0} constant({ { 1, -inf }, { 3, nan } })
  %count.1 = s32[] parameter(1), sharding="#sdy.sharding<@empty_mesh, [{}, {}]>"
  %call.1 = ((f32[8,128]{1,0}, pred[]), token[], bf16[2]{0}) \
custom-call(%p.1, s32[] %count.1, /*index=2*/%p.1), custom_call_target="triton_kernel_call", \
output_to_operand_aliasing={{0, 0}: (0, {}), {2}: (1, {})}, backend_config="a } \\" {"
  ROOT %tuple.4 = (f32[8,128]{1,0:T(8,128)}, s32[]) tuple(%p.1, %count.1)
}
"""


@pytest.fixture
def entry():
    module = parse(ADDS)
    return module.computation(module.entry)


def test_a_module_has_its_header_and_its_computations():
    module = parse(ADDS)
    assert (module.name, module.entry) == ("jit_step", "main.2")
    assert module.aliases == (Alias((0,), 0), Alias((1,), 2, (3, 1)))
    assert [*module.computation("fused_add").instructions] == ["param_0", "param_1", "add.1"]


def test_an_instruction_has_its_parts(entry):
    call = entry.instructions["call.1"]
    assert call.opcode == "custom-call"
    assert call.operands == ("p.1", "count.1", "p.1")
    assert call.target == "triton_kernel_call"
    assert call.aliases == (Alias((0, 0), 0), Alias((2,), 1))
    assert [array.bytes for array in call.results] == [4096, 1, 0, 4]
    assert entry.instructions["constant.3"].operands == ("{ { 1, -inf }, { 3, nan } }",)


def test_what_strings_hold_is_no_structure():
    add = parse(ADDS).computation("fused_add").instructions["add.1"]
    assert add.attributes == {"metadata": '{op_name="jit(step)/add, \\"(x" stack_frame_id=1}'}


def test_the_results_of_a_computation_have_makers(entry):
    assert [maker.name for maker in entry.makers] == ["p.1", "count.1"]
    fused = parse(ADDS).computation("fused_add")
    assert [maker.name for maker in fused.makers] == ["add.1"]
    assert fused.parameter(1) == "param_1"


def test_an_array_says_which_memory_it_is_in():
    fused = parse(ADDS).computation("fused_add").instructions
    assert fused["param_0"].results == (Array("f32", (8, 128)),)
    assert fused["param_1"].results == (Array("f32", (8, 128), space=1),)


@pytest.mark.parametrize(
    ("dtype", "dims", "size"),
    [
        ("f32", (), 4),
        ("f32", (0, 5), 0),
        ("bf16", (3,), 6),
        ("pred", (3,), 3),
        ("s4", (3,), 2),
        ("u8", (3,), 3),
        ("f8e4m3fn", (3,), 3),
        ("f4e2m1fn", (2,), 1),
        ("c64", (2,), 16),
        ("token", (), 0),
    ],
)
def test_bytes(dtype, dims, size):
    assert Array(dtype, dims).bytes == size


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("module {}", "not the text of an HLO module: it begins 'module {}'"),
        ("HloModule m, is_scheduled=true\n", "HLO module m has no entry computation"),
    ],
)
def test_what_is_no_module_is_refused(text, reason):
    with pytest.raises(ParseError) as error:
        parse(text)
    assert str(error.value) == reason


@pytest.mark.parametrize("line", ["nonsense", "%a = f32[2] add(%b", "%a = add(%b)", "%a = f32[2]"])
def test_what_is_no_instruction_is_refused(line):
    module = parse(f"HloModule m\n\nENTRY %e () -> f32[] {{\n  {line}\n}}\n")
    with pytest.raises(ParseError):
        module.computation("e")


def test_what_is_not_there_is_refused():
    with pytest.raises(ParseError, match="has no computation 'x'"):
        parse(ADDS).computation("x")
    with pytest.raises(ParseError, match="fused_add has no parameter 2"):
        parse(ADDS).computation("fused_add").parameter(2)
    with pytest.raises(ParseError, match="unknown HLO element type 'q7'"):
        _ = Array("q7", (2,)).bytes
