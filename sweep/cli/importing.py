"""Commands of `sweep-store` that bring results of other programs into a store."""

import argparse
from typing import Any

from sweep.cli.tables import console, say
from sweep.progress import Progress


def add_importing(commands: Any) -> None:
    """Give `sweep-store` these commands; `commands` are its subparsers."""
    text = "result folders of furax-cs as experiments of a store"
    imported = commands.add_parser("import-furax-cs", help=text, description=text)
    imported.add_argument("folder", metavar="DIR", help="a result folder, or a folder of them")
    imported.add_argument("store", metavar="STORE", help="a store, made if it is not there")
    kept = ("float64", "float32", "none")
    imported.add_argument("--maps", choices=kept, default="float64", help="of the recovered CMB")
    imported.set_defaults(command=_import_furax_cs)


def _import_furax_cs(options: argparse.Namespace) -> None:
    from sweep.importing.importer import import_folders, result_folders

    folders = result_folders(options.folder)
    done = import_folders(folders, options.store, options.maps, Progress(console(stderr=True)))
    say(f"{done.folders} result folders, {done.experiments} experiments: {done.fits} fits added")
