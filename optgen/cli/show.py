"""``optgen show``: a rule at any stage of its compilation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from optgen.cli import options, output
from optgen.emit.emitters import EMITTERS
from optgen.errors import UsageError
from optgen.ir.program import Program
from optgen.optimizer import Optimizer
from optgen.runtime.execution.targets import PORTABLE, TARGETS


@dataclass(frozen=True)
class Request:
    """An optimizer, and the options of showing it.

    Attributes:
      optimizer: the rule, given its hyperparameters.
      tree: the leaves, as ``jax.ShapeDtypeStruct``.
      raw: whether the passes are left out.
      print_after: the passes after which the program is shown instead.
      machine: what is planned for.
      compute_capability: what Triton compiles for; None for what the environment names.
    """

    optimizer: Optimizer
    tree: Any
    raw: bool
    print_after: Sequence[str]
    machine: str
    compute_capability: float | None


def _programs(request: Request) -> list[Program]:
    return list(dict.fromkeys(request.optimizer.programs(request.tree)))


def _math(request: Request) -> str:
    from optgen.emit.lowering import optimize
    from optgen.ir.text import text

    programs = _programs(request)
    return "\n\n".join(text(p if request.raw else optimize(p)) for p in programs)


def _plan(request: Request) -> str:
    from optgen.schedule.text import text_all

    return text_all(request.optimizer.schedules(request.tree, request.machine))


def _latex(request: Request) -> str:
    from optgen.emit.latex import latex

    return "\n\n".join(map(latex, _programs(request)))


def _source(target: str) -> Callable[[Request], str]:
    return lambda request: request.optimizer.source(target, request.tree)


def _compiled(form: str) -> Callable[[Request], str]:
    return lambda request: request.optimizer.compiled(
        form, request.tree, request.compute_capability
    )


def _stablehlo(request: Request) -> str:
    import jax

    state = jax.eval_shape(request.optimizer.init, request.tree)

    def step(params: Any, state: Any, grads: Any) -> Any:  # in the order of what is donated
        return request.optimizer.step(params, state, grads=grads)

    jitted = jax.jit(step, donate_argnums=(0, 1))
    return str(jitted.lower(request.tree, state, request.tree).as_text())


FORMS: dict[str, tuple[Callable[[Request], str], str]] = {
    "math": (_math, "text"),
    "plan": (_plan, "text"),
    "latex": (_latex, "latex"),
    "stablehlo": (_stablehlo, "text"),
    "jnp": (_source(PORTABLE), "python"),
    **{e.form: (_source(e.target), e.language) for e in EMITTERS.values()},
    **{form: (_compiled(form), "text") for t in TARGETS.values() for form in t.forms},
}
"""The maker of each form, and the language that the form is in."""


@click.command("show")
@options.rule
@click.option(
    "form",
    "--ir",
    type=click.Choice([*FORMS]),
    default="math",
    show_default=True,
    help="The stage to show.",
)
@click.option("--raw", is_flag=True, help="With --ir math: the program before any pass.")
@click.option(
    "--print-after",
    multiple=True,
    metavar="PASS",
    help="With --ir math: the program after this pass, or after 'all'; may be given again.",
)
@click.option("--machine", default="here", show_default=True, help="With --ir plan.")
@click.option(
    "--compute-capability",
    type=click.FloatRange(min=8.0),
    help="With --ir ttir or ptx: the GPU's, such as 9.0.",
)
@options.settings
@options.work
@options.as_json
def command(
    rule: str,
    form: str,
    raw: bool,
    print_after: tuple[str, ...],
    machine: str,
    compute_capability: float | None,
    settings: tuple[str, ...],
    shapes: tuple[str, ...],
    tree: str | None,
    dtype: str,
    as_json: bool,
) -> None:
    """Show RULE at any stage of its compilation.

    Its mathematics as a program or in LaTeX, the plan of its step, what is emitted, or what Triton
    makes of that.
    """
    if form != "math" and (raw or print_after):
        raise UsageError(f"--raw and --print-after show programs: leave out --ir {form}")
    work = options.make_work(shapes, tree, dtype)
    choice = options.chosen(rule, settings)
    request = Request(choice.make(), work, raw, print_after, machine, compute_capability)
    if print_after:
        _print_passes(request)
        return
    make, language = FORMS[form]
    text = make(request)
    if as_json:
        output.print_json(
            {"rule": choice.name, "ir": form, "settings": choice.settings, "text": text}
        )
    else:
        output.print_source(text, language)


def _print_passes(request: Request) -> None:
    """Prints the programs after each of the passes that were named."""
    from optgen.passes import driver

    for program in _programs(request):
        driver.run(program, print_after=request.print_after, out=sys.stdout)
    if {"all", "hoist"} & set(request.print_after):
        for cut in _hoisted(request):
            driver.print_program("hoist", cut, sys.stdout)


def _hoisted(request: Request) -> Iterator[Program]:
    from optgen.compile import lower

    optimizer = request.optimizer
    lowered, _ = lower(optimizer.instance.composition, optimizer.trees.specs(request.tree))
    yield lowered.update.constants
    yield from lowered.update.scalars
    for partials in lowered.update.partials:
        yield from partials
    yield from lowered.update.leaves
