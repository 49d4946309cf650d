"""optgen: an optimizer compiler for JAX.

Write an update rule once with ``optgen.dsl``; get an optax optimizer with fused kernels.
"""

from optgen import dsl, errors
from optgen.dsl.rule import chain
from optgen.optimizer import Optimizer

__version__ = "0.1.0"
__all__ = ["Optimizer", "chain", "dsl", "errors"]
