"""The math program: an immutable graph of typed nodes, its legality, its text, its meaning.

Read ``types`` (a dtype, and the axes along which a value varies), ``node`` (the one node),
``ops`` (a row for each operation), ``program`` (effects over nodes) and ``legality`` (the grammar
of math programs and of kernel bodies) in this order. ``text`` prints and parses programs, and
``evaluate`` runs them in NumPy, which defines their meaning. ``build`` makes typed nodes, and
``pattern`` rewrites them, and ``describe`` has words for values without names.

Every stage may rely on these canonical forms:

- Equal nodes are one object: nodes are compared with ``is``, and a program is its effects and the
  nodes that they reach, so that no value in it is unused.
- Nothing is implicit. The arguments of an elementwise operation vary along the axes of its
  result, and their dtypes are those that its kind takes; only ``broadcast`` adds axes, and
  between dtypes of storage and arithmetic only ``cast`` leads. Neither is of a type to itself.
- Storage and arithmetic are apart: a ``load`` gives the dtype of storage, arithmetic takes
  ``real``, a ``store`` takes the dtype of storage again.
- Axes are sorted, and all the axes of a leaf are ``LEAF``, at any rank.
"""
