"""The command `sweep`; what it is asked about itself is answered before Hydra is imported."""

import sys
from pathlib import Path

import sweep


def main() -> None:
    """Entry point; exit status as in `sweep.errors`."""
    arguments = sys.argv[1:]
    if "--version" in arguments:  # Hydra would give its own
        print(f"skysweep {sweep.__version__}")
    elif not {"-h", "--help"}.isdisjoint(arguments):
        print(help_text(), end="")
    else:
        from sweep.cli.composing import compose_and_run

        compose_and_run(arguments)


def help_text() -> str:
    """What `sweep --help` prints."""
    return Path(__file__).with_name("help.txt").read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
