"""Runs the command line as ``python -m chatcli``."""

from chatcli.cli.main import main

if __name__ == "__main__":
    main()
