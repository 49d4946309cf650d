"""The optimizer that a rule makes: an optax transformation that can explain itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from optgen.compile import (
    compile_tree,
    distinct_dtypes,
    emit,
    emit_tree,
    lower,
    plan_tree,
    schedules,
    trace_tree,
)
from optgen.dsl.rule import Instance
from optgen.emit.emitters import EMITTERS
from optgen.errors import TargetError
from optgen.ir.program import Program
from optgen.runtime.execution import driver
from optgen.runtime.execution.listing import unrun_step
from optgen.runtime.execution.targets import (
    HERE,
    PORTABLE,
    TARGETS,
    check_target,
    serving_target,
)
from optgen.runtime.execution.targets import (
    machine as machine_named,
)
from optgen.runtime.execution.transformation import Transformation, TreeOptimizer
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.runtime.vocabulary.machine import Machine
from optgen.runtime.vocabulary.module import Module, Placement
from optgen.runtime.vocabulary.sequence import Mode
from optgen.schedule.explanation import Explanation, explain
from optgen.schedule.plan import Plan
from optgen.schedule.sequence import Schedule


class Optimizer(Transformation):
    """An optimizer: what a rule returns when it is given its hyperparameters.

    An ``optax.GradientTransformationExtraArgs`` with ``init(params)`` and
    ``update(grads, state, params)``; besides, ``step(params, state, grads=grads)`` updates the
    parameters in one pass.

    Inside ``jax.shard_map`` it sees the shard of a leaf as if it were the leaf: its means, norms
    and factored moments are those of the shard, as optax's are there. Under ``jax.jit`` with
    sharded parameters they are those of the leaf.

    Attributes:
      instance: the rules and their hyperparameters.
    """

    instance: Instance

    def __new__(cls, instance: Instance) -> Optimizer:
        """Makes an optimizer; nothing is traced or compiled before it meets a tree."""
        check_target(instance.target)

        def resolve(specs: tuple[LeafSpec, ...]) -> tuple[Module, tuple[Placement, ...]]:
            compiled = compile_tree(instance.composition, specs, instance.target)
            return compiled.module, tuple(compiled.placements[spec] for spec in specs)

        names = [name for part in instance.composition.parts for name in part.masks]
        masks = list(zip(names, instance.masks, strict=True))
        self = super().__new__(cls, TreeOptimizer(instance.name, instance.scalars, masks, resolve))
        self.instance = instance
        return self

    def programs(self, params: Any) -> list[Program]:
        """The math program of each leaf, in the order of ``jax.tree.leaves``, before any pass."""
        specs = self.trees.specs(params)
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
        specs = self.trees.specs(params)
        lowered, _ = lower(self.instance.composition, specs)
        return emit(lowered, target, distinct_dtypes(specs, lowered))

    def compiled(self, form: str, params: Any, compute_capability: float | None = None) -> str:
        """Compiled text of the launches of a step, in an IR or assembly. It needs no accelerator.

        Args:
          form: ``ttir`` for Triton's own IR, beside the source of each launch; ``ptx``; or
            ``mosaic`` for what Pallas gives to the compiler of a TPU.
          params: arrays, or ``jax.ShapeDtypeStruct``.
          compute_capability: of the GPU, as in 9.0; by default what the environment names, or 9.0.

        Raises:
          TargetError: for another form, or where Triton is not installed.
        """
        forms = {form: target for target in TARGETS.values() for form in target.forms}
        if form not in forms:
            raise TargetError(f"compiled takes one of {', '.join(forms)}, and not {form!r}")
        target = forms[form]
        leaves, _ = self.trees.trained(params)
        specs = self.trees.specs(params)
        compiled = emit_tree(self.instance.composition, specs, target.name)
        step = unrun_step(
            target,
            compiled.module,
            tuple(compiled.placements[spec] for spec in specs),
            leaves,
            driver.evaluate_hyperparameters(self.instance.scalars, jnp.int32(0)),
            compute_capability,
        )
        assert target.listing is not None
        return target.listing(form, step)

    def schedules(self, params: Any, machine: Machine | str | None = None) -> tuple[Schedule, ...]:
        """The kernel sequences of the distinct leaves on a machine, with their bodies.

        Args:
          params: arrays, or ``jax.ShapeDtypeStruct``.
          machine: a known machine or its name; by default this one.

        Raises:
          UsageError: for a machine that is not known, listing those that are.
        """
        chosen = machine if isinstance(machine, Machine) else machine_named(machine or HERE)
        specs = self.trees.specs(params)
        return schedules(self.instance.composition, specs).served(EMITTERS[chosen.target])

    def plan(self, params: Any, machine: Machine | str | None = None, mode: Mode = "step") -> Plan:
        """The launches of a step, and what each moves, as the runtime makes them.

        Args:
          params: arrays, or ``jax.ShapeDtypeStruct``.
          machine: what to plan for: a known machine or its name; by default this one, measured.
          mode: ``step`` for the fused step, ``update`` for the optax protocol.

        Raises:
          UsageError: for a machine that is not known, listing those that are.
        """
        _, names = self.trees.trained(params)
        chosen = machine if isinstance(machine, Machine) else machine_named(machine or HERE)
        specs = self.trees.specs(params)
        target = self._target_on(chosen)
        return plan_tree(self.instance.composition, specs, names, chosen, mode, target)

    def _target_on(self, machine: Machine) -> str:
        """The target that would serve on a machine."""
        wanted = self.instance.target
        if machine.name == HERE:
            return serving_target(wanted) if wanted == "auto" else wanted
        return machine.target if wanted in ("auto", machine.target) else PORTABLE

    def explain(
        self, params: Any, machine: Machine | str | None = None, mode: Mode = "step"
    ) -> Explanation:
        """Launches, the bytes moved for each parameter, and the least time on a machine.

        Args:
          params: arrays, or ``jax.ShapeDtypeStruct``.
          machine: a known machine or its name; by default this one, measured.
          mode: ``step`` for the fused step, ``update`` for the optax protocol.

        Raises:
          UsageError: for a machine that is not known, listing those that are.
        """
        return explain(self.plan(params, machine, mode), self._properties(params))

    def _properties(self, params: Any) -> tuple[str, ...]:
        """Properties that are proven of the rule for every leaf."""
        from optgen.emit.proofs import properties

        traced = trace_tree(self.instance.composition, self.trees.specs(params))
        proven = [properties(t.update, t.init) for t in dict.fromkeys(traced.values())]
        return tuple(p for p in (proven[0] if proven else ()) if all(p in own for own in proven))

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{part.rule.name}({', '.join(f'{k}={v!r}' for k, v in part.values.items())})"
            for part in self.instance.parts
        )
        return f"<optimizer {parts}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Optimizer, (Instance(self.instance.parts, self.instance.target),)
