"""The command line as a whole: help, statuses, and what bad usage gets."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from optgen.cli import app as application
from optgen.cli import main
from optgen.cli.app import COMMANDS, REGISTERED


def test_help_lists_every_command(optgen):
    result = optgen("--help")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(optgen, command):
    result = optgen(command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: optgen {command} ")


@pytest.fixture
def registered(monkeypatch):
    """Registers commands as another package's entry points do, in place of all that are there."""

    def register(**values):
        points = {name: EntryPoint(name, value, REGISTERED) for name, value in values.items()}
        monkeypatch.setattr(application, "registered", lambda: points)

    return register


def test_a_package_registers_a_command(optgen, registered, tmp_path, monkeypatch):
    (tmp_path / "polishing.py").write_text(
        "import click\nfrom optgen.errors import UsageError\n\n"
        "@click.command('polish')\n@click.argument('rule')\ndef command(rule):\n"
        '    """Polish a RULE."""\n    raise UsageError(f\'{rule} shines already\')\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    registered(polish="polishing:command")
    assert "polish    From polishing: see optgen polish --help." in optgen("--help").stdout
    assert "polishing" not in sys.modules
    result = optgen("polish", "adamw")
    assert (result.exit_code, result.stderr) == (2, "error: adamw shines already\n")
    assert optgen("polish", "--help").stdout.startswith("Usage: optgen polish ")


def test_a_command_that_cannot_be_imported_spoils_no_help(optgen, registered):
    registered(broken="no_such_module:command")
    assert optgen("--help").exit_code == 0
    assert optgen("list").exit_code == 0


@pytest.mark.slow
def test_the_module_is_the_command_line():
    result = subprocess.run(
        [sys.executable, "-m", "optgen", "list"], capture_output=True, text=True, check=True
    )
    assert "adamw" in result.stdout


def test_main_exits_with_the_status(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["explain", "adamw", "--machine", "abacus"])
    assert caught.value.code == 2
    with pytest.raises(SystemExit) as caught:
        main(["list"])
    assert caught.value.code == 0
    assert "adamw" in capsys.readouterr().out


def test_the_version_is_told(optgen):
    assert optgen("--version").stdout.startswith("optgen, version ")


@pytest.mark.slow
def test_the_command_line_imports_no_more_than_it_needs():
    program = """
import sys
from optgen.cli import main
try:
    main(["list", "--json"])
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    heavy = {"sympy", "mpmath", "matplotlib", "sklearn", "torch", "rich"}
    assert result.returncode == 0
    assert not heavy & set(result.stderr.split())


SHOW = ("show", "adamw")
BAD_USAGE = [
    (("frobnicate",), ("No such command", "frobnicate")),
    (("show",), ("Missing argument", "RULE")),
    (("show", "adamww"), ("no rule is called 'adamww'", "adamw", "path/to/file.py:name")),
    (("show", "mine.py"), ("mine.py:NAME",)),
    (("show", "no/such/file.py:mine"), ("there is no file no/such/file.py",)),
    (("show", "{rules}:ours"), ("defines no 'ours'", "mine", "broken")),
    (("show", "{rules}:plain_function"), ("not a rule", "@dsl.rule")),
    (("show", "{rules}:number"), ("of type int",)),
    (("show", "{rules}:wanting"), ("wanting needs 'rate'", "--set rate=")),
    (("show", "{rules}:broken"), ("mine.py:24", "dsl.mean(x)")),
    (("show", "{rules}:finished", "--set", "learning_rate=1"), ("is an optimizer", "--set")),
    ((*SHOW, "--ir", "assembler"), ("'assembler' is not one of",)),
    ((*SHOW, "--ir", "latex", "--raw"), ("--raw", "--ir latex")),
    ((*SHOW, "--print-after", "inlining"), ("no pass is called 'inlining'", "fold")),
    ((*SHOW, "--shape", "4096by4096"), ("'4096by4096' is neither", "4096x4096")),
    ((*SHOW, "--tree", "gpt5"), ("'gpt5' is neither", "gpt2-small")),
    ((*SHOW, "--tree", "small", "--shape", "3"), ("exclude each other",)),
    ((*SHOW, "--dtype", "float31"), ("unknown dtype 'float31'", "bfloat16")),
    ((*SHOW, "--dtype", "int32"), ("unknown dtype 'int32'", "float32")),
    ((*SHOW, "--set", "b1"), ("'b1'", "name=value")),
    ((*SHOW, "--set", "beta1=0.9"), ("adamw has no hyperparameter 'beta1'", "b1")),
    ((*SHOW, "--set", "b1=fast"), ("b1 takes a number or none",)),
    ((*SHOW, "--set", "nesterov=maybe"), ("nesterov takes true or false",)),
    ((*SHOW, "--set", "mask=w"), ("mask takes true, false or none",)),
    ((*SHOW, "--set", "mu_dtype=int8"), ("mu_dtype takes none or a dtype", "bfloat16")),
    (("show", "{rules}:mine", "--set", "order=2.5"), ("order takes a whole number",)),
    ((*SHOW, "--ir", "plan", "--machine", "h900"), ("unknown machine 'h900'", "h200")),
    (("explain", "adamw", "--machine", "h900"), ("unknown machine 'h900'", "h200", "here")),
    (("explain", "adamw", "--shape", "-3"), ("'-3' is neither",)),
    (("verify", "adamw", "--target", "gpu"), ("'gpu'", "xla")),
    (("verify", "adamw", "--steps", "0"), ("--steps", "x>=1")),
    (("verify", "adamw", "--dtype", "float31"), ("unknown dtype 'float31'",)),
    (("generate",), ("give a RULE", "--all")),
    (("generate", "adamw", "--all"), ("give a RULE", "--all")),
    (("generate", "adamw", "--check"), ("--all",)),
    (("generate", "adamw", "--target", "cuda", "-o", "{out}"), ("'cuda'", "xla")),
    (("generate", "adamw", "-o", "{rules}"), ("mine.py",)),
    (("demo", "--steps", "0"), ("--steps", "x>=1")),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_USAGE, ids=lambda value: " ".join(value))
def test_bad_usage_is_told_with_the_remedy(optgen, rules, tmp_path, arguments, words):
    result = optgen(*(a.format(rules=rules, out=tmp_path / "out") for a in arguments))
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert not [word for word in words if word not in result.stderr], result.stderr
    assert "Traceback" not in result.stderr
