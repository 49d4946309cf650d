"""``python -m optgen_bench``: the command that an installed optgen has as ``optgen bench``."""

from optgen_bench.command import command

if __name__ == "__main__":
    command.main(prog_name="python -m optgen_bench")
