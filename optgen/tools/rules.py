"""Rules by name, as the command line gives them: a stock one's, or ``path/to/file.py:name``."""

from __future__ import annotations

import difflib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optgen.dsl.rule import ChainRule, Instance, Part, Rule
from optgen.errors import OptgenError, UsageError
from optgen.optimizer import Optimizer
from optgen.runtime.vocabulary.hyper import REQUIRED, Hyperparameter
from optgen.tools.workloads import parse_dtype
from optgen.zoo import ATOMS, STOCK

ASSUMED: Mapping[str, float] = {
    "learning_rate": 1e-3,
    "max_norm": 1.0,
    "max_delta": 1.0,
    "threshold": 1.0,
    "clipping": 0.01,
    "decay": 0.9,
    "step_size": 1.0,
}
"""Values of hyperparameters that have no default, where none is chosen; always stated."""


@dataclass(frozen=True)
class Choice:
    """A rule, and the hyperparameters that were chosen for it.

    Attributes:
      rule: a rule, a chain that still wants hyperparameters, or a finished optimizer.
      settings: the hyperparameters to call it with, by name.
      assumed: those of them that nobody gave.
    """

    rule: Rule | ChainRule | Optimizer
    settings: Mapping[str, Any]
    assumed: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the rule."""
        return self.rule.instance.name if isinstance(self.rule, Optimizer) else self.rule.name

    def make(self, target: str = "auto") -> Optimizer:
        """The optimizer.

        Raises:
          HyperparameterError: for a value that the rule cannot use.
          TargetError: for a target that cannot serve.
        """
        if isinstance(self.rule, Optimizer):
            own = self.rule.instance
            return self.rule if target == "auto" else Optimizer(Instance(own.parts, target))
        optimizer: Optimizer = self.rule(**self.settings, target=target)
        return optimizer

    def reference(self) -> Any:
        """The same rules and hyperparameters in optax; None where it lacks a rule.

        A chain of rules that optax has is a chain there too.
        """
        import optax

        aliases = [_reference(part) for part in self.make("xla").instance.parts]
        if not aliases or any(alias is None for alias in aliases):
            return None
        return aliases[0] if len(aliases) == 1 else optax.chain(*aliases)


def _reference(part: Part) -> Any:
    import optax

    rule = part.rule
    alias = getattr(optax, rule.name, None)
    if alias is None or rule is not STOCK.get(rule.name, ATOMS.get(rule.name)):
        return None
    defaults = {h.name: h.default for h in rule.hyperparameters}
    return alias(**{name: v for name, v in part.values.items() if v is not defaults[name]})


def choose(
    rule: str, assignments: Sequence[str] = (), defaults: Mapping[str, Any] | None = None
) -> Choice:
    """Finds a rule, and reads the hyperparameters that were chosen for it.

    Args:
      rule: see ``find``.
      assignments: hyperparameters, each as ``name=value``.
      defaults: hyperparameters that are used where they are not assigned, and stated.

    Raises:
      UsageError: for a rule that cannot be found or imported, or a value that cannot be read.
      RuleError: for a rule that is wrong as it is declared.
    """
    value = find(rule)
    if not isinstance(value, (Rule, ChainRule)):
        if assignments:
            raise UsageError(
                f"{rule} is an optimizer, which has its hyperparameters already: "
                "--set chooses those of a rule"
            )
        return Choice(value, {}, {})
    wanted = _hyperparameters(value)
    assigned = dict(_assignment(value.name, wanted, text) for text in assignments)
    assumed = {name: default for name, default in (defaults or {}).items() if name in wanted}
    for name, h in wanted.items():
        if h.default is REQUIRED and name not in assigned and name not in assumed:
            assumed[name] = _assume(value.name, h)
    assumed = {name: v for name, v in assumed.items() if name not in assigned}
    return Choice(value, {**assumed, **assigned}, assumed)


def _assume(rule: str, h: Hyperparameter) -> Any:
    if h.name in ASSUMED:
        return ASSUMED[h.name]
    raise UsageError(f"{rule} needs {h.name!r}: give it with --set {h.name}=…")


def _hyperparameters(rule: Rule | ChainRule) -> dict[str, Hyperparameter]:
    return {h.name: h for h in rule.hyperparameters}


def _assignment(rule: str, wanted: Mapping[str, Hyperparameter], text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--set {text!r}: write it as name=value, such as b1=0.95")
    if name not in wanted:
        raise UsageError(
            f"{rule} has no hyperparameter {name!r}; it has {', '.join(wanted) or 'none'}"
        )
    return name, parse_value(wanted[name], value)


def _bool(text: str) -> bool:
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
        text.lower()
    ]


def _dtype(text: str) -> str:
    return str(parse_dtype(text).name)


_READERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "scalar": (float, "a number or none"),
    "int": (int, "a whole number"),
    "bool": (_bool, "true or false"),
    "mask": (_bool, "true, false or none: trees are for Python"),
    "dtype": (_dtype, "none or a dtype such as bfloat16"),
    "str": (str, "a text"),
}


def parse_value(h: Hyperparameter, text: str) -> Any:
    """A hyperparameter's value, read from text by its kind; ``none`` is None.

    Raises:
      UsageError: for what it cannot be.
    """
    read, wanted = _READERS[h.kind]
    if text.lower() == "none" and (h.kind != "str" or h.default is None):
        return None
    try:
        return read(text)
    except (ValueError, KeyError):
        raise UsageError(f"--set {h.name}={text}: {h.name} takes {wanted}") from None


def find(rule: str) -> Rule | ChainRule | Optimizer:
    """The rule of a stock name, or of ``path/to/file.py:name``.

    Raises:
      UsageError: saying what is missing, or what is there instead.
      RuleError: for a rule that is wrong as it is declared.
    """
    path, colon, name = rule.rpartition(":")
    if colon and path.endswith(".py"):
        return as_rule(load(path, name), rule)
    if rule.endswith(".py"):
        raise UsageError(f"{rule} is a file: name the rule in it, as in {rule}:NAME")
    known = {**STOCK, **ATOMS}
    if rule in known:
        return known[rule]
    close = difflib.get_close_matches(rule, known)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    raise UsageError(
        f"no rule is called {rule!r}: {meant}'optgen list' lists the stock rules, and a rule of "
        "your own is given as path/to/file.py:name"
    )


def as_rule(value: Any, where: str) -> Rule | ChainRule | Optimizer:
    """The value, if it is a rule, a chain of rules or an optimizer.

    Raises:
      UsageError: saying what it is instead, and the remedy.
    """
    if isinstance(value, (Rule, ChainRule, Optimizer)):
        return value
    if callable(value):
        raise UsageError(f"{where} is a function and not a rule: put @dsl.rule above it")
    raise UsageError(f"{where} is of type {type(value).__name__}, and not a rule or an optimizer")


def load(path: str, name: str) -> Any:
    """The value that a file defines under a name; the file is run as a module.

    Raises:
      UsageError: for a file that is missing or fails, with its line, or that lacks the name.
      RuleError: for a rule in it that is wrong as it is declared.
    """
    namespace = _run(path)
    if name in namespace:
        return namespace[name]
    rules = [n for n, v in namespace.items() if isinstance(v, (Rule, ChainRule, Optimizer))]
    there = f"its rules are {', '.join(rules)}" if rules else "it has no rules"
    raise UsageError(f"{path} defines no {name!r}: {there}")


def _run(path: str) -> Mapping[str, Any]:
    if not Path(path).is_file():
        raise UsageError(f"there is no file {path}: a rule is given as path/to/file.py:name")
    name = f"optgen_rules_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # the name ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a module up by its name
    try:
        with _beside(path):
            spec.loader.exec_module(module)
    except OptgenError:
        raise
    except Exception as error:
        raise UsageError(f"{_place(path, error)}: {type(error).__name__}: {error}") from error
    return vars(module)


@contextmanager
def _beside(path: str) -> Iterator[None]:
    """Lets a file import its neighbours, as when Python runs it."""
    directory = str(Path(path).resolve().parent)
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        sys.path.remove(directory)


def _place(path: str, error: Exception) -> str:
    """The file and the line in it that an error is of."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return f"{path}:{lines[-1]}" if lines else path
