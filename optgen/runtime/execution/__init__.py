"""Executes emitted modules: a folder for each target, and the cache of compiled files.

``transformation`` is the optax face of a tree of parameters, ``trees`` checks the trees that users
pass to it, and ``driver`` runs the phases of a step under ``jax.jit``. ``leaves`` runs the portable
``jnp`` functions; ``platforms``, ``launching`` and ``target`` run kernels by the launch list, on
the platform that a computation is lowered for. ``targets`` is the registry, ``load`` and
``package`` load emitted source, and ``arrays`` and ``scalar`` are functions that it calls.
"""
