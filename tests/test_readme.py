"""The README: its Python runs, its commands work, its output is what they print, its links lead."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from optgen.cli.app import app
from optgen.runtime.execution.targets import TARGETS
from optgen.tools import chips

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

LONG = {"bench", "demo", "tune", "verify"}  # parsed here, run by tests of their own


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def sessions(language: str) -> list[tuple[str, list[str]]]:
    """The commands of the blocks in a language, each with the lines that it is said to print."""
    found = []
    for block in blocks(language):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *output = part.splitlines()
            found.append((command, [line for line in output if line not in ("", "…")]))
    return found


def run(command: str, directory: Path, monkeypatch):
    """Runs a command as in a clone, but where it may write."""
    for name in ("examples", "generated"):
        (directory / name).symlink_to(ROOT / name)
    monkeypatch.chdir(directory)
    program, *arguments = shlex.split(command)
    assert program == "optgen"
    return CliRunner().invoke(app, arguments)


def test_the_python_runs_as_it_stands():
    namespace = {"__name__": "readme"}
    for number, block in enumerate(blocks("python"), 1):
        exec(compile(block, f"README.md, Python block {number}", "exec"), namespace)
    assert "state" in namespace


@pytest.mark.parametrize(("command", "printed"), sessions("console"), ids=str)
def test_commands_print_what_is_shown(command, printed, tmp_path, monkeypatch):
    result = run(command, tmp_path, monkeypatch)
    assert result.exit_code == 0, result.output
    assert printed
    lines = result.stdout.splitlines()
    assert not [line for line in printed if line not in lines], result.stdout


@pytest.mark.parametrize("command", [c for c, _ in sessions("shell-session")])
def test_commands_work(command, tmp_path, monkeypatch):
    name, *arguments = shlex.split(command)[1:]
    if name in LONG:
        with click.Context(app) as context:
            app.get_command(context, name).make_context(name, arguments)
        return
    if "--against-xla" in arguments:
        chip = arguments[arguments.index("--machine") + 1]
        if reason := chips.unavailable(chip):
            pytest.skip(reason)
    result = run(command, tmp_path, monkeypatch)
    assert result.exit_code == 0, result.output


def test_the_rule_of_the_readme_is_the_one_of_the_example():
    def code(text: str) -> list[str]:
        rule = re.search(r"^@dsl\.rule\n.*?^    return[^\n]*", text, re.DOTALL | re.MULTILINE)[0]
        return [re.sub(r"\s*#.*", "", line) for line in rule.splitlines()]

    example = (ROOT / "examples" / "cautious_adamw.py").read_text(encoding="utf-8")
    assert code(README) == code(example)


def test_links_into_the_repository_lead_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_make_has_the_targets_that_are_named():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"\bmake ([a-z]+(?:-[a-z]+)?)", "\n".join(blocks("sh")) + README)
    assert {"demo", "test", "test-gpu", "bench-gpu"} <= set(named)
    assert not [name for name in named if f"\n{name}:" not in makefile and name != "and"]


def test_the_stock_rules_are_named():
    from optgen.zoo import STOCK

    assert f"`{' '.join(STOCK)}`" in README


def test_the_targets_of_this_version_are_told_from_those_to_come():
    rows = re.findall(r"^\| Target `(\w+)`.*\| (.*) \|$", README, re.MULTILINE)
    told = {name for name, status in rows if status != "not in this version"}
    assert told == set(TARGETS)
    assert {name for name, _ in rows} == {"xla", "cpu", "triton", "tpu"}


def test_there_is_a_place_for_the_benchmark():
    assert README.index("<!-- benchmark: begin") < README.index("<!-- benchmark: end -->")
