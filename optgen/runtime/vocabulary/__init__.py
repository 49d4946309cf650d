"""The words of the runtime, as data that emitted packages, planner and executors share.

- ``variant``, ``module`` and ``portable``: an emitted optimizer, its functions, and the leaves
  that they serve.
- ``sequence`` and ``view``: kernel sequences, all that a step does to one kind of leaf.
- ``launches`` and ``machine``: launch lists, all that a step does to one tree on one machine.
- ``leaf``, ``hyper`` and ``state``: leaf signatures, hyperparameters, the optimizer's state.
"""
