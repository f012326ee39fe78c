"""`sweep-store plot`: pictures of a store, one as a file or several in a folder."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sweep.cli.tables import say
from sweep.errors import ConfigError

Add = Callable[[str, Callable[[argparse.Namespace], None], str], argparse.ArgumentParser]

FORMATS = ("png", "pdf", "svg")


class _Picture(NamedTuple):
    """A picture to draw: its kind, what its file is called, and what `draw` is called with."""

    kind: str
    name: str
    arguments: tuple[Any, ...]


def add_plot(add: Add) -> None:
    """Give `sweep-store` this command."""
    plot = add("plot", _plot, "pictures of variance, residuals, r, maps, solvers and more")
    plot.add_argument(
        "--kind",
        nargs="+",
        default=["variance"],
        metavar="KIND",
        help="variance by default; several, or all; an unknown one is answered with the list",
    )
    plot.add_argument(
        "--experiment",
        nargs="+",
        default=[],
        metavar="LABEL",
        help="of pictures of single experiments; the best by cmb_variance of those that converged "
        "by default",
    )
    plot.add_argument(
        "--output",
        help="file to write, its ending is the format; of several pictures the folder; "
        "<store>-<kind>.png or <store>-plots by default",
    )
    plot.add_argument(
        "--format", metavar="FORMATS", help=f"of {', '.join(FORMATS)}, e.g. png,pdf; png by default"
    )

    plot.add_argument(
        "--style",
        default="screen",
        metavar="STYLE",
        help="screen, or paper: one column of a journal, 3.4 inches wide; screen by default",
    )


def _plot(options: argparse.Namespace) -> None:
    from sweep.plots import STYLES, style

    if options.style not in STYLES:
        raise ConfigError(f"--style {options.style}: choose from {', '.join(STYLES)}")
    with style(options.style):
        _draw(options)


def _draw(options: argparse.Namespace) -> None:
    from sweep.plots import KINDS
    from sweep.store import open_dataset

    kinds = _kinds(options.kind, tuple(KINDS))
    formats = _formats(options.format)
    path, ds = Path(options.store), open_dataset(options.store)
    pictures = _pictures(ds, kinds, options.experiment)
    if len(pictures) == 1:
        (picture,) = pictures
        files = _files(path, options.output, picture.name, formats)
        KINDS[picture.kind].draw(ds, *picture.arguments, *files)
        for file in files:
            say(f"written: {file}")
        return
    folder = _folder(options.output or path.with_name(f"{path.stem}-plots"))
    drawn = 0
    for picture in pictures:
        kind = KINDS[picture.kind]
        files = [folder / f"{picture.name}.{ending}" for ending in formats or ("png",)]
        try:
            kind.draw(ds, *picture.arguments, *files)
        except ConfigError as error:
            say(f"no {picture.name}, it needs {kind.needs}: {error}")
            continue
        drawn += 1
        for file in files:
            say(f"written: {file}")
    if not drawn:
        raise ConfigError(f"{path} has nothing to plot of {', '.join(kinds)}")


def _kinds(asked: Sequence[str], known: Sequence[str]) -> list[str]:
    for kind in asked:
        if kind not in (*known, "all"):
            raise ConfigError(f"--kind {kind}: choose from {', '.join(known)}, or all")
    return list(known if "all" in asked else dict.fromkeys(asked))


def _formats(text: str | None) -> list[str]:
    formats = list(dict.fromkeys(text.split(","))) if text is not None else []
    for ending in formats:
        if ending not in FORMATS:
            raise ConfigError(
                f"--format {text}: choose from {', '.join(FORMATS)}, joined by commas"
            )
    return formats


def _pictures(ds: Any, kinds: Sequence[str], labels: Sequence[str]) -> list[_Picture]:
    from sweep.plots import KINDS
    from sweep.statistics.experiment import ExperimentView

    experiments = [ExperimentView.labelled(ds, label) for label in dict.fromkeys(labels)]
    if not experiments and any(KINDS[kind].of != "store" for kind in kinds):
        try:
            experiments = [ExperimentView.labelled(ds, _usual(ds))]
        except ConfigError as error:
            kinds, left = [k for k in kinds if KINDS[k].of == "store"], kinds
            if not kinds:
                raise
            say(f"no {', '.join(k for k in left if k not in kinds)}: {error}")
    pictures = []
    for kind in kinds:
        if KINDS[kind].of == "store":
            pictures.append(_Picture(kind, kind, ()))
        elif KINDS[kind].of == "experiments":
            pictures.append(_Picture(kind, kind, ([one.position for one in experiments],)))
        else:
            for one in experiments:
                pictures.append(_Picture(kind, f"{kind}-{one.label}", (one.position,)))
    return pictures


def _usual(ds: Any) -> str:
    from sweep.statistics.selection import best

    try:
        return str(best(ds, "cmb_variance", 1).index[0])
    except ConfigError as error:
        raise ConfigError(
            f"no experiment to plot by default, give --experiment: {error}"
        ) from error


def _files(path: Path, output: str | None, name: str, formats: Sequence[str]) -> list[Path]:
    """Files of a single picture."""
    base = Path(output) if output is not None else path.with_name(f"{path.stem}-{name}")
    if not formats:
        return [base if output is not None else base.with_name(f"{base.name}.png")]
    if base.suffix[1:] in FORMATS:
        raise ConfigError(
            f"--output {output} has a format already: leave out its ending, or --format"
        )
    return [base.with_name(f"{base.name}.{ending}") for ending in formats]


def _folder(path: str | Path) -> Path:
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"the folder {path} cannot be made: {error.strerror}") from error
    return Path(path)
