"""Emission: from traced rules to formatted source, a file or folder for each target.

``lowering`` runs the passes, chooses views and hoists; its result, ``lowered``, is the input of
every emitter. ``printer`` decides names, order and parentheses for all languages; ``python`` and
``jnp`` spell ``jax.numpy`` for the ``xla`` target, and ``levels`` is the base of the printers of
kernels. ``kernels`` schedules the variants for a target with kernels, calls its emitter (a record
in ``emitters``), and has ``tables`` print the kernel sequences beside the source. Skeletons of
files come from ``templates``.

The equations at the top of emitted code are chosen in ``outline`` and printed by ``plain``;
``symbolic`` reads programs out to SymPy for ``latex`` and ``proofs``, never into code that runs.

An emitter may rely on these canonical forms:

- Programs are legal, went through the default passes, and are hoisted: leaf programs read arrays
  of the leaf and scalars by name, and axes in them are dimensions of the variant's view.
- A value has at most one name of the author's, and no two values of a program have the same.
- Loads and stores are in the dtype of storage; every conversion is a ``cast`` in the program.
"""
