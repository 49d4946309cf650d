"""Arguments that several commands share, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from optgen.errors import UsageError
from optgen.tools.rules import Choice, choose

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_SHAPE = "4096x4096"

rule = click.argument("rule")

settings = click.option(
    "settings",
    "--set",
    multiple=True,
    metavar="NAME=VALUE",
    help="A hyperparameter of the rule; may be given again.",
)

as_json = click.option("as_json", "--json", is_flag=True, help="Print JSON, for programs.")


def work(function: F) -> F:
    """Adds ``--shape``, ``--tree`` and ``--dtype``."""
    shape = click.option(
        "shapes",
        "--shape",
        multiple=True,
        metavar="NxM",
        help="The shape of a leaf, such as 4096x4096; may be given again.",
    )
    tree = click.option("--tree", metavar="NAME", help="A model's leaves, such as gpt2-small.")
    dtype = click.option(
        "--dtype", default="float32", show_default=True, help="Of parameters and gradients."
    )
    return shape(tree(dtype(function)))


def make_work(shapes: Sequence[str], tree: str | None, dtype: str) -> Any:
    """The tree that was asked for, of ``jax.ShapeDtypeStruct``; one large matrix by default.

    Raises:
      UsageError: for an unknown tree, a malformed shape or an unknown dtype.
    """
    from optgen.tools import workloads

    allow_float64(dtype)
    if shapes and tree is not None:
        raise UsageError("--shape and --tree exclude each other: give one of them")
    if tree is not None:
        return workloads.tree(tree, dtype)
    return {text: _leaf(text, dtype) for text in shapes or [DEFAULT_SHAPE]}


def _leaf(shape: str, dtype: str) -> Any:
    import jax

    from optgen.tools import workloads

    extents = () if shape == "scalar" else workloads.parse_shape(shape)
    return jax.ShapeDtypeStruct(extents, workloads.parse_dtype(dtype))


def allow_float64(dtype: str) -> None:
    """Turns on JAX's 64-bit mode where the work asks for it, as nothing else in here runs."""
    if dtype in ("float64", "f64"):
        import jax

        jax.config.update("jax_enable_x64", True)


def chosen(rule: str, settings: Sequence[str], defaults: Mapping[str, Any] | None = None) -> Choice:
    """The rule with its hyperparameters; says on standard error which of them were assumed."""
    choice = choose(rule, settings, defaults)
    if choice.assumed:
        values = ", ".join(f"{name}={value}" for name, value in choice.assumed.items())
        click.echo(f"{choice.name} with {values}: choose others with --set", err=True)
    return choice


def dtype_name(dtype: str) -> str:
    """The full name of a dtype.

    Raises:
      UsageError: for an unknown one.
    """
    from optgen.tools import workloads

    allow_float64(dtype)
    return str(workloads.parse_dtype(dtype).name)
