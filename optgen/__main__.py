"""``python -m optgen``: the command line, where no script of it is installed."""

from optgen.cli import main

if __name__ == "__main__":
    main()
