import pytest

from optgen import dsl
from optgen.emit.latex import latex, symbol
from tests.emit.rules import adafactor, adamw, clip, dog, kahan, lamb, lion, program


def lines(optimizer, **kinds):
    text = latex(program(optimizer, **kinds))
    assert text.startswith("\\begin{aligned}\n")
    assert text.endswith("\n\\end{aligned}")
    return [line.strip().removesuffix(" \\\\") for line in text.splitlines()[1:-1]]


def test_adamw_reads_as_in_its_paper():
    assert lines(adamw(1e-3)) == [
        r"\mu_t &= \beta_1 \, \mu_{t-1} + \left(1 - \beta_1\right) \, g_t",
        r"\hat{\mu}_t &= \frac{\mu_t}{1 - \beta_1^{t}}",
        r"\nu_t &= \beta_2 \, \nu_{t-1} + \left(1 - \beta_2\right) \, g_t^{2}",
        r"\hat{\nu}_t &= \frac{\nu_t}{1 - \beta_2^{t}}",
        r"u_t &= \frac{\hat{\mu}_t}{\sqrt{\hat{\nu}_t} + \epsilon} + \lambda \, \theta_{t-1}",
        r"\theta_t &= \theta_{t-1} - \eta \, u_t",
    ]


def test_a_compensation_is_shown_as_it_is_computed():
    assert lines(kahan(1e-3)) == [
        r"y_t &= - \eta \, \left(g_t + \lambda \, \theta_{t-1}\right)"
        r" - \mathrm{compensation}_{t-1}",
        r"s_t &= \operatorname{round}_{\theta}\left(\theta_{t-1} + y_t\right)",
        r"\mathrm{compensation}_t &= \left(s_t - \theta_{t-1}\right) - y_t",
        r"\theta_t &= \theta_{t-1} + \left(s_t - \theta_{t-1}\right)",
    ]


def test_reductions_name_their_axes():
    read = lines(adafactor(1e-3))
    assert r"v^{\mathrm{row}}_{t-1}" in read[2]
    assert r"\operatorname{mean}_{1}\left(\mathrm{sqr}_t\right)" in read[2]
    assert (
        r"\frac{v^{\mathrm{row}}_t}{\operatorname{mean}\left(v^{\mathrm{row}}_t\right)}" in read[4]
    )


def test_norms_of_the_leaf_and_of_the_tree_are_told_apart():
    assert r"\left\lVert \theta_{t-1} \right\rVert" in latex(program(lamb(1e-3)))
    norm = lines(dsl.chain(clip(1.0), lion(1e-3)))[0]
    assert norm == r"\mathrm{norm}_t &= \left\lVert g_t \right\rVert_{\mathrm{tree}}"


def test_a_choice_is_shown_by_cases():
    assert r"\begin{cases} 1 & \text{if } \mathrm{norm}_t < " in latex(
        program(dsl.chain(clip(1.0), lion(1e-3)))
    )


def test_what_never_changes_has_no_time():
    text = latex(program(dog()))
    assert r"\mathrm{start}" in text
    assert r"\mathrm{start}_" not in text
    assert r"\mathrm{total}_t &= \mathrm{total}_{t-1} +" in text


def test_two_values_never_share_a_symbol():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        trace, m = dsl.state("trace"), dsl.state("m")
        trace.next, m.next = g, p
        return -learning_rate * (trace.next + m.next + trace)

    assert [line.split(" &=")[0] for line in lines(rule(1.0))] == [
        "m_t",
        r"\mathrm{m}_t",
        r"\theta_t",
    ]


@pytest.mark.parametrize(
    ("name", "subscript", "text"),
    [
        ("mu", "t-1", r"\mu_{t-1}"),
        ("nu_hat", "t", r"\hat{\nu}_t"),
        ("m", "t", "m_t"),
        ("b1", "", r"\beta_1"),
        ("learning_rate", "", r"\eta"),
        ("weight_decay", "", r"\lambda"),
        ("eps_root", "", r"\bar{\epsilon}"),
        ("v_row", "t", r"v^{\mathrm{row}}_t"),
        ("grad_2", "t", r"\mathrm{grad}_{2,t}"),
        ("x3", "t", "x_{3,t}"),
        ("mu_hat_2", "t", r"\hat{\mu}_{2,t}"),
        ("max_norm", "", r"\mathrm{max\_norm}"),
        ("decay_rate", "", r"\mathrm{decay\_rate}"),
    ],
)
def test_names_become_the_fields_symbols(name, subscript, text):
    assert symbol(name, subscript) == text
