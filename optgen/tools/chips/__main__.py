"""``python -m optgen.tools.chips``: the child process of ``optgen.tools.chips.compiler``."""

from optgen.tools.chips.child import serve

serve()
