"""`sweep-store report`: what a store holds as one HTML file."""

import argparse
from collections.abc import Callable

from sweep.cli.tables import console, say
from sweep.progress import Progress


def add_report(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Make the command known, by the function that makes a command."""
    text = "everything in one HTML file for a browser: table, charts, spectra, maps; no network"
    command = add("report", _report, text)
    command.add_argument(
        "--output", metavar="FILE", help="file to write; <store>-report.html by default"
    )


def _report(options: argparse.Namespace) -> None:
    from sweep.report import write_report  # imports healpy

    path = write_report(options.store, options.output, Progress(console(stderr=True)))
    say(f"written: {path}, {path.stat().st_size / 1e6:.1f} MB")
