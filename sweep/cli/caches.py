"""`sweep-store cache`: what is kept on this machine beside stores, and less of it."""

import argparse
import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.filesize import decimal
from rich.table import Table

from sweep.cache import cache_folder
from sweep.caches import RECENT, TEMPLATES, Entry, entries, prunable, remove, templates
from sweep.cli.status import span
from sweep.cli.tables import console, say
from sweep.errors import ConfigError
from sweep.jax_session import program_folder
from sweep.paths import is_address, located

_DAY = 86400.0
_GB = 1e9


def add_cache(commands: Any) -> None:
    """Give `sweep-store` this command; `commands` are its subparsers."""
    text = "what the caches of this machine hold, and, with --prune, less of it"
    command = commands.add_parser("cache", help=text, description=text)
    command.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        help="as of store.cache; $SKYSWEEP_CACHE, else ~/.cache/skysweep by default",
    )
    command.add_argument("--prune", action="store_true", help="remove what is beyond the bounds")
    command.add_argument(
        "--older", type=float, metavar="DAYS", help="prune what was not used for so long"
    )
    command.add_argument(
        "--larger", type=float, metavar="GB", help="prune what was unused longest, beyond this size"
    )
    command.add_argument("--json", action="store_true", help="an object for each folder and kind")
    command.set_defaults(command=_cache)


def _cache(options: argparse.Namespace) -> None:
    bounds = {"older": options.older, "larger": options.larger}
    given = {name: value for name, value in bounds.items() if value is not None}
    for name, value in given.items():
        if not (math.isfinite(value) and value >= 0):
            raise ConfigError(f"--{name} {value:g}: must be at least 0")
    if options.prune != bool(given):
        raise ConfigError(
            "--prune needs a bound: --older DAYS or --larger GB"
            if options.prune
            else f"--{next(iter(given))} is a bound of --prune: add that to remove"
        )
    kept = {folder: entries(folder) for folder in _folders(options.folder)}
    if options.prune:
        _prune([entry for each in kept.values() for entry in each], given)
        kept = {folder: entries(folder) for folder in kept}
    downloads = _downloads()
    if found := templates(downloads):
        kept[downloads] = found
    _show(kept, as_json=options.json)
    if found and options.prune:
        say(f"left, as other programs share them: {TEMPLATES}, {_counted(found)}", stderr=True)


def _folders(given: str | None) -> list[Path]:
    """The cache of arrays, and that of compiled programs where it is on this machine."""
    programs = program_folder()
    return [cache_folder(given), *([] if is_address(programs) else [located(programs)])]


def _downloads() -> Path:
    """Where astropy keeps what it downloads, for PySM too."""
    from astropy.config.paths import get_cache_dir

    return Path(get_cache_dir()) / "download"


def _prune(kept: list[Entry], given: dict[str, float]) -> None:
    older, larger = given.get("older"), given.get("larger")
    chosen = prunable(
        kept,
        None if older is None else older * _DAY,
        None if larger is None else larger * _GB,
    )
    gone = list(remove(chosen))
    say(f"removed: {_counted(gone)}", stderr=True)
    recent = [entry for entry in kept if time.time() - entry.used < RECENT]
    if recent:
        minutes = RECENT / 60
        say(f"left, as used in the last {minutes:.0f} minutes: {_counted(recent)}", stderr=True)


def _counted(found: Iterable[Entry]) -> str:
    sizes = [entry.bytes for entry in found]
    return f"{len(sizes)} entries, {decimal(sum(sizes))}" if sizes else "nothing"


def _show(kept: dict[Path, list[Entry]], *, as_json: bool) -> None:
    rows = []
    for folder, found in kept.items():
        kinds: dict[str, list[Entry]] = defaultdict(list)
        for entry in found:
            kinds[entry.kind].append(entry)
        for kind, each in sorted(kinds.items()):
            used = [entry.used for entry in each]
            rows.append(
                {
                    "folder": str(folder),
                    "kind": kind,
                    "entries": len(each),
                    "bytes": sum(entry.bytes for entry in each),
                    "used_first": min(used),
                    "used_last": max(used),
                }
            )
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    now = time.time()
    for folder, found in kept.items():
        say(f"{folder}: {_counted(found)}")
        if not found:
            continue
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("kind")
        for heading in ("entries", "size", "last used", "longest unused"):
            table.add_column(heading, justify="right")
        for row in rows:
            if row["folder"] == str(folder):
                ages = (f"{span(now - row[name])} ago" for name in ("used_last", "used_first"))
                table.add_row(row["kind"], str(row["entries"]), decimal(row["bytes"]), *ages)
        console().print(table)
