"""``python -m optgen.chips``: the child process of ``optgen.chips.compiler``."""

from optgen.chips.child import serve

serve()
