"""The demonstration, and the examples: each runs, and shows what it says it shows."""

import importlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from optgen.cli.app import app
from optgen.errors import UsageError
from optgen.tools import demo
from optgen.zoo import adamw

EXAMPLES = Path(__file__).parents[2] / "examples"
RULES_ONLY = {"cautious_adamw"}


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted({p.stem for p in EXAMPLES.glob("*.py")} - RULES_ONLY))
def test_every_example_runs(name, capsys):
    load(name).main()  # asserts what it claims
    assert capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [
        "cautious_adamw.py:cautious_adamw",
        "kahan_lion.py:kahan_lion",
        "steady_momentum.py:steady_momentum",
        "factored.py:factored_rms",
    ],
)
def test_the_rules_of_the_examples_hold(rule):
    result = CliRunner().invoke(app, ["verify", f"{EXAMPLES}/{rule}", "--steps", "2"])
    assert result.exit_code == 0, result.output


def test_the_rule_of_the_demonstration_has_ten_lines_and_is_no_stock_one():
    import inspect

    from optgen.zoo import ATOMS, STOCK

    rule = getattr(load(demo.RULE), demo.RULE)
    body = inspect.getsource(rule.function).partition("):\n")[2].splitlines()
    assert len(body) <= 10
    assert rule.name not in {*STOCK, *ATOMS}


def test_a_cautious_step_takes_only_what_agrees_with_the_gradient():
    import jax.numpy as jnp

    tx = load(demo.RULE).cautious_adamw(0.1, weight_decay=0.0)
    params = jnp.zeros(4)
    state = tx.init(params)
    _, state = tx.update(jnp.array([1.0, 1.0, -1.0, 1.0]), state, params)
    turned = jnp.array([1.0, -0.1, -1.0, 1.0])  # the momentum of the second element is behind
    updates, _ = tx.update(turned, state, params)
    assert updates[1] == 0.0
    assert (np.asarray(updates * turned)[[0, 2, 3]] < 0).all()
    np.testing.assert_allclose(updates[0], -0.1 * 4 / 3, rtol=1e-4)  # three of four are left


@pytest.mark.slow
def test_the_demonstration_goes_from_a_rule_to_a_picture(tmp_path):
    picture = tmp_path / "curves.png"
    result = CliRunner().invoke(app, ["demo", "--steps", "120", "--plot", str(picture)])
    assert result.exit_code == 0, result.output
    wanted = ("def cautious_adamw(g, p", "mu' = b1*mu", "def leaf(", "holds", "optax.adamw")
    assert not [words for words in wanted if words not in result.stdout]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert max(len(line) for line in result.stdout.splitlines()) <= 120


def test_training_learns_and_equals_optax():
    import optax

    data = demo.digits()
    assert (len(data.train_labels), len(data.test_labels)) == (1348, 449)
    settings = demo.HYPERPARAMETERS
    optimizers = {"ours": adamw(**settings), "theirs": optax.adamw(**settings)}
    ours, theirs = demo.train(optimizers, data, steps=80)
    assert ours.test_accuracy > 0.9
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-3)


def test_a_picture_needs_a_known_ending(tmp_path):
    run = demo.Run("x", np.array([1.0, 0.5]), 1.0, 1.0, 0.1, 0.001)
    demo.plot([run], tmp_path / "short.svg")
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        demo.plot([run], tmp_path / "curves.docx")


def test_what_is_not_installed_is_told(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UsageError, match=r"pip install 'optgen\[demo\]'"):
        demo.require_libraries()
    monkeypatch.setattr(demo, "RULE", "no_such_rule")
    with pytest.raises(UsageError, match="examples are not installed"):
        demo.examples()
