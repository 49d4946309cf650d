"""Rules by name: what is found, how values are read, and what a file that fails is told."""

import pytest

from optgen.errors import RuleError, UsageError
from optgen.runtime.vocabulary.hyper import Hyperparameter
from optgen.tools import rules as loader
from optgen.zoo import ATOMS, STOCK


@pytest.mark.parametrize("name", [*STOCK, *ATOMS])
def test_every_stock_rule_can_be_chosen_without_settings(name):
    choice = loader.choose(name)
    assert choice.name == name
    assert set(choice.assumed) <= set(loader.ASSUMED)
    choice.make()


@pytest.mark.parametrize("name", STOCK)
def test_stock_rules_have_a_reference(name):
    assert hasattr(loader.choose(name).reference(), "update")


def test_rules_of_a_file_are_found(rules):
    assert loader.find(f"{rules}:mine").name == "mine"
    assert loader.choose(f"{rules}:mine").reference() is None
    assert loader.choose(f"{rules}:chained", ["nesterov=true"]).make("xla").instance.target == "xla"
    finished = loader.choose(f"{rules}:finished")
    assert finished.name == "clip_by_global_norm_then_sgd"
    assert finished.make("xla").instance.target == "xla"
    assert finished.make() is finished.rule
    assert hasattr(finished.reference(), "update")  # both parts are optax's too


def test_a_rule_of_ones_own_with_a_stock_name_is_not_compared_with_optax(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "from optgen import dsl\n@dsl.rule\ndef sgd(g, p, *, learning_rate):\n"
        "    return -2 * learning_rate * g\n"
    )
    assert loader.choose(f"{file}:sgd").reference() is None


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("scalar", "1e-3", 1e-3),
        ("scalar", "3", 3.0),
        ("scalar", "none", None),
        ("int", "128", 128),
        ("bool", "true", True),
        ("bool", "No", False),
        ("bool", "1", True),
        ("mask", "false", False),
        ("mask", "None", None),
        ("dtype", "bf16", "bfloat16"),
        ("dtype", "none", None),
        ("str", "none", "none"),
    ],
)
def test_values_are_read_by_their_kind(kind, text, value):
    found = loader.parse_value(Hyperparameter("x", kind), text)
    assert (found, type(found)) == (value, type(value))


def test_settings_win_over_defaults_and_defaults_over_what_is_assumed():
    choice = loader.choose("adamw", ["b1=0.5"], {"b1": 0.8, "b2": 0.7, "unheard_of": 1})
    assert choice.settings == {"b1": 0.5, "b2": 0.7, "learning_rate": 1e-3}
    assert choice.assumed == {"b2": 0.7, "learning_rate": 1e-3}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import optgen\n\n1 / 0\n", (":3: ZeroDivisionError",)),
        ("x = (\n", (":1: SyntaxError",)),
        ("import no_such_module_anywhere\n", (":1: ModuleNotFoundError", "no_such_module")),
        ("def f():\n    return undefined\n\n\nf()\n", (":2: NameError", "undefined")),
    ],
)
def test_a_file_that_fails_is_reported_at_its_line(tmp_path, source, words):
    file = tmp_path / "failing.py"
    file.write_text(source)
    with pytest.raises(UsageError) as caught:
        loader.find(f"{file}:rule")
    assert not [word for word in (str(file), *words) if word not in str(caught.value)]


def test_a_rule_that_is_misdeclared_is_reported_at_its_own_line(tmp_path):
    file = tmp_path / "failing.py"
    file.write_text("from optgen import dsl\n\n\n@dsl.rule\ndef rule(x, y):\n    return x\n")
    with pytest.raises(RuleError) as caught:
        loader.find(f"{file}:rule")
    assert (caught.value.filename, caught.value.lineno) == (str(file), 4)


def test_a_file_may_import_its_neighbours(tmp_path):
    (tmp_path / "neighbour_of_a_rule.py").write_text("SCALE = 2.0\n")
    file = tmp_path / "importing.py"
    file.write_text(
        "from neighbour_of_a_rule import SCALE\nfrom optgen import dsl\n\n\n"
        "@dsl.rule\ndef rule(g, p, *, learning_rate):\n    return -SCALE * learning_rate * g\n"
    )
    assert loader.find(f"{file}:rule").name == "rule"
