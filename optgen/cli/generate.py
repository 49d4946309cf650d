"""``optgen generate``: emitted packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from optgen.cli import options
from optgen.errors import UsageError, VerificationError

STOCK_PACKAGES = Path("generated/optgen_kernels")


@click.command("generate")
@click.argument("rule", required=False)
@click.option("out", "-o", "--out", type=click.Path(path_type=Path), help="Where packages go.")
@click.option("targets", "--target", multiple=True, help="What to emit for; by default all.")
@options.settings
@options.work
@click.option("every", "--all", is_flag=True, help="The packages of all stock rules.")
@click.option("--check", is_flag=True, help="With --all: compare instead of writing.")
@click.option("compile_now", "--compile", is_flag=True, help="Compile the C++ kernels as well.")
def command(
    rule: str | None,
    out: Path | None,
    targets: tuple[str, ...],
    settings: tuple[str, ...],
    shapes: tuple[str, ...],
    tree: str | None,
    dtype: str,
    every: bool,
    check: bool,
    compile_now: bool,
) -> None:
    """Emit RULE as a package of kernels.

    The package needs JAX and optgen.runtime alone. One that is there already is added to. By
    default it serves vectors, matrices and higher ranks, factored or not, in float32.
    """
    if every == (rule is not None):
        raise UsageError("give a RULE, or --all for every stock rule")
    if check and not every:
        raise UsageError("--check compares the stock packages: give --all with it")
    if check:
        _check(out or STOCK_PACKAGES)
        return
    if rule is None:
        from optgen.tools.generate import generate_all

        paths = generate_all(out or STOCK_PACKAGES, compile_now)
    else:
        work = options.make_work(shapes, tree, dtype)
        asked = bool(shapes) or tree is not None
        paths = _generate(rule, out or Path(), targets, settings, work, asked, compile_now)
    for path in paths:
        click.echo(path)


def _generate(
    rule: str,
    out: Path,
    targets: tuple[str, ...],
    settings: tuple[str, ...],
    work: Any,
    asked: bool,
    compile_now: bool,
) -> list[Path]:
    import jax

    from optgen.runtime.execution.targets import TARGETS
    from optgen.tools.generate import DEFAULT_SHAPES, generate
    from optgen.tools.rules import choose

    choice = choose(rule, settings)
    leaves = jax.tree.leaves(work)
    return generate(
        choice.rule,
        out,
        settings=choice.settings,
        shapes=dict.fromkeys(leaf.shape for leaf in leaves) if asked else DEFAULT_SHAPES,
        dtypes=[leaves[0].dtype.name],
        targets=targets or TARGETS,
        compile_now=compile_now,
    )


def _check(out: Path) -> None:
    from optgen.tools.generate import check

    if differences := check(out):
        listed = "\n  ".join(differences)
        raise VerificationError(
            f"{out} is not what optgen emits now:\n  {listed}\nRun: optgen generate --all -o {out}"
        )
    click.echo(f"{out} is what optgen emits now")
