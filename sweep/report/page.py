"""The report as one HTML file: style, program, plotly and data all in it, nothing loaded."""

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from sweep.errors import ConfigError
from sweep.progress import Progress
from sweep.report.collect import collect
from sweep.report.packing import zipped
from sweep.store import open_dataset
from sweep.store.files import fsync, write_atomic

SCRIPTS = (
    "format",
    "dom",
    "data",
    "healpix",
    "paper",
    "palette",
    "filter",
    "table",
    "charts",
    "counts",
    "heatmap",
    "front",
    "curves",
    "compare",
    "sky",
    "status",
    "best",
    "race",
    "zones",
    "details",
    "provenance",
    "main",
)
"""Files of the page's program, in the order in which they are read."""

_PLACE = re.compile(r"\{\{(\w+)\}\}")


def write_report(store: str | Path, output: str | Path | None, progress: Progress) -> Path:
    """Write what the store at `store` holds as one HTML file, which needs no network.

    Args:
        store: the store; it may still be filled.
        output: the file; `<store>-report.html` beside the store by default.
        progress: shows what is looked at.

    Returns:
        The file; it appears at once, when it is whole.

    Raises:
        ConfigError: the file cannot be written.
        StoreError: the store cannot be read.
    """
    path = Path(store)
    target = path.with_name(f"{path.stem}-report.html") if output is None else Path(output)
    _check_target(target)
    content = page(collect(open_dataset(path), progress))
    try:
        write_atomic(target, content.encode())
        fsync(target.parent)
    except OSError as error:
        raise ConfigError(f"the report {target} cannot be written: {error.strerror}") from error
    return target


def _check_target(target: Path) -> None:
    """Say now what would be found out after all experiments were looked at."""
    if target.is_dir():
        raise ConfigError(f"the report {target} is a folder: give a file, e.g. {target}/grid.html")
    if not target.parent.is_dir():
        raise ConfigError(f"the report {target} cannot be written: no such folder {target.parent}")


def page(collected: dict[str, Any]) -> str:
    """The page of what was collected."""
    from plotly.offline import get_plotlyjs

    plotly = get_plotlyjs()
    # the newlines are those of the template: hashes are of all that stands in an element
    program = "\n".join(
        ['(() => {\n"use strict";', *(_template(f"{name}.js") for name in SCRIPTS), "})();"]
    )
    parts = {
        "title": html.escape(f"{collected['name']}: report of a sweep"),
        "hashes": f"{_hash(program)} {_hash(plotly)}",
        "style": _template("style.css"),
        "payload": zipped(json.dumps(collected, allow_nan=False, separators=(",", ":"))),
        "plotly": zipped(plotly),
        "program": program,
    }
    return _PLACE.sub(lambda place: parts[place.group(1)], _template("index.html"))


def _template(name: str) -> str:
    return (files("sweep.report") / "page" / name).read_text("utf-8")


def _hash(script: str) -> str:
    """What the page's policy allows to run, and nothing else."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
