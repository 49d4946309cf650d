"""The optimizer that a rule makes: an optax transformation that can explain itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from optgen import config
from optgen.compile import (
    compile_only,
    compile_tree,
    distinct_dtypes,
    emit,
    lower,
    plan_tree,
    trace_tree,
)
from optgen.dsl.rule import Instance
from optgen.errors import TargetError
from optgen.ir.program import Program
from optgen.runtime.execution import driver, trees
from optgen.runtime.execution.targets import check_target, serving_target
from optgen.runtime.execution.transformation import Face, Transformation
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.runtime.vocabulary.unit import Unit
from optgen.schedule import Machine, Mode, Plan
from optgen.schedule import machine as machine_named
from optgen.schedule.explanation import Explanation, explain


class Optimizer(Transformation):
    """An optimizer: what a rule returns when it is given its hyperparameters.

    An ``optax.GradientTransformationExtraArgs`` with ``init(params)`` and
    ``update(grads, state, params)``; besides, ``step(grads, state, params)`` updates the
    parameters in one pass.

    Attributes:
      instance: the rules and their hyperparameters.
    """

    instance: Instance

    def __new__(cls, instance: Instance) -> Optimizer:
        """Makes an optimizer; nothing is traced or compiled before it meets a tree."""
        check_target(instance.target)

        def resolve(specs: tuple[LeafSpec, ...]) -> tuple[Unit, tuple[int, ...]]:
            compiled = compile_tree(instance.composition, specs, instance.target)
            return compiled.unit, tuple(compiled.variants[spec] for spec in specs)

        names = [name for part in instance.composition.parts for name in part.masks]
        masks = list(zip(names, instance.masks, strict=True))
        self = super().__new__(cls, Face(instance.name, instance.scalars, masks, resolve))
        self.instance = instance
        return self

    def programs(self, params: Any) -> list[Program]:
        """The math program of each leaf, in the order of ``jax.tree.leaves``, before any pass."""
        specs = self.face.specs(params)
        traced = trace_tree(self.instance.composition, specs)
        return [traced[spec].update for spec in specs]

    def hyperparameters(self, count: Any = 0) -> Mapping[str, Any]:
        """The run-time hyperparameters after ``count`` updates, as programs call them."""
        values = driver.evaluate_hyperparameters(self.instance.scalars, jnp.int32(count))
        return {name: v if isinstance(v, float) else float(v) for name, v in values.items()}

    def source(self, target: str, params: Any) -> str:
        """The emitted source for a tree of parameters, as text.

        Args:
          target: ``xla``, ``cpu``, ``triton`` or ``tpu``.
          params: arrays, or ``jax.ShapeDtypeStruct``.

        Raises:
          TargetError: for a target that this version cannot emit.
        """
        if target == "auto":
            raise TargetError("source takes the target to print: 'xla', 'cpu', 'triton' or 'tpu'")
        specs = self.face.specs(params)
        lowered, _ = lower(self.instance.composition, specs)
        files = emit(lowered, target, distinct_dtypes(specs, lowered))
        return next(iter(files.values()))

    def compiled(self, form: str, params: Any, compute_capability: float | None = None) -> str:
        """What a compiler makes of the launches of a step, as text. It needs no accelerator.

        Args:
          form: ``ttir`` for Triton's own IR, beside the source of each launch; ``ptx``; or
            ``mosaic`` for what Pallas gives to the compiler of a TPU.
          params: arrays, or ``jax.ShapeDtypeStruct``.
          compute_capability: of the GPU, as in 9.0; by default what the environment names, or 9.0.

        Raises:
          TargetError: for another form, or where Triton is not installed.
        """
        from optgen.runtime.execution.triton import listing, recording
        from optgen.runtime.execution.triton.status import capability

        forms = (*listing.FORMS, "mosaic")
        if form not in forms:
            raise TargetError(f"compiled takes one of {', '.join(forms)}, and not {form!r}")
        if form == "mosaic":
            return self._mosaic(params)
        listing.check_triton()
        leaves, _, _ = trees.flatten(params, "params")
        specs = self.face.specs(params)
        made = compile_only(self.instance.composition, specs, "triton")
        variants = tuple(made.variants[spec] for spec in specs)
        hyperparameters = driver.evaluate_hyperparameters(self.instance.scalars, jnp.int32(0))
        launches = recording.launches(made.unit, variants, leaves, hyperparameters)
        wanted = config.COMPUTE_CAPABILITY.get() if compute_capability is None else None
        return listing.listing(launches, form, capability(wanted or str(compute_capability)))

    def _mosaic(self, params: Any) -> str:
        from optgen.runtime.execution.tpu.listing import listing

        optimizer = Optimizer(replace(self.instance, target="tpu"))
        state = jax.eval_shape(optimizer.init, params)
        return listing(optimizer.step, params, state, params)

    def plan(self, params: Any, machine: Machine | str | None = None, mode: Mode = "step") -> Plan:
        """The launches that a kernel target runs for a step, and what each moves.

        Args:
          params: arrays, or ``jax.ShapeDtypeStruct``.
          machine: what to plan for: a known machine or its name; by default this one, measured.
          mode: ``step`` for the fused step, ``update`` for the optax protocol.

        Raises:
          UsageError: for a machine that is not known, listing those that are.
        """
        _, _, names = trees.flatten(params, "params")
        chosen = machine if isinstance(machine, Machine) else machine_named(machine or "here")
        return plan_tree(self.instance.composition, self.face.specs(params), names, chosen, mode)

    def explain(self, params: Any, machine: Machine | str | None = None) -> Explanation:
        """Stages, launches, the bytes moved for each parameter, and the floor on a machine.

        Args:
          params: arrays, or ``jax.ShapeDtypeStruct``.
          machine: a known machine or its name; by default this one, measured.

        Raises:
          UsageError: for a machine that is not known, listing those that are.
        """
        return explain(self.plan(params, machine), target=serving_target(self.instance.target))

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{part.rule.name}({', '.join(f'{k}={v!r}' for k, v in part.values.items())})"
            for part in self.instance.parts
        )
        return f"<optimizer {parts}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Optimizer, (Instance(self.instance.parts, self.instance.target),)
