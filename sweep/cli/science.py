"""Commands of `sweep-store` that answer questions: which is best, by how much, how sure."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweep.cli.rankings import (
    elsewhere_table,
    front_table,
    halves_table,
    notes_of,
    ranking_table,
    zones_table,
)
from sweep.cli.tables import add_table_options, console, say, show
from sweep.errors import ConfigError
from sweep.estimators import ESTIMATORS, NAMES, Estimator
from sweep.progress import Progress
from sweep.quantities.table import METRICS, OF_SPECTRA
from sweep.statistics.candidates import CONVERGED, with_realisations

Add = Callable[[str, Callable[[argparse.Namespace], None], str], argparse.ArgumentParser]


def add_commands(add: Add) -> None:
    """Give `sweep-store` these commands."""
    ranked = add("best", _best, "experiments ranked by a metric, the best first")
    ranked.add_argument(
        "--metric",
        help=f"one of {', '.join(METRICS)}; cmb_variance by default, with --zones r_upper_68",
    )
    ranked.add_argument("--top", type=int, default=10, help="how many to show")
    ranked.add_argument(
        "--zones",
        metavar="MASK",
        nargs="*",
        help="the best of every zone (all masks of the store by default), and r of all together",
    )
    ranked.add_argument(
        "--split",
        action="store_true",
        help="half of the realisations choose and the other half measure the choice, both ways",
    )
    ranked.add_argument(
        "--validate",
        metavar="STORE",
        help="the best of each group, or of all zones, as the same clusters and solver do in this "
        "store, which has another sky, say",
    )
    _add_rules(ranked)
    add_table_options(ranked)
    parts = add("front", _front, "Pareto front of systematic and statistical residual")
    parts.add_argument("--all", action="store_true", help="the others too")
    _add_rules(parts)
    add_table_options(parts)
    maps = add("maps", _maps, "clusters, parameters, CMB and residuals as FITS maps for healpy")
    maps.add_argument("experiment", metavar="EXPERIMENT", help="its label, or how that begins")
    maps.add_argument("--realisation", type=int, default=0, help="of parameters and CMB")
    maps.add_argument("--output", help="folder to write to; <store>-<label> by default")
    optimum = add("optimum", _optimum, "is a fit at its minimum: checks, errors and a picture")
    optimum.add_argument("experiment", metavar="EXPERIMENT", help="its label, or how that begins")
    optimum.add_argument("--realisation", type=int, default=0, help="-1 is the noise-free fit")
    optimum.add_argument(
        "--output",
        help="file to write; <store>-optimum-<label>.png by default, its realisation behind",
    )
    exported = add("export", _export, "everything recorded as one plain Zarr group")
    exported.add_argument("output", metavar="OUTPUT", help="the group to make, e.g. grid-all.zarr")
    exported.add_argument("--nside", type=int, help="only this resolution")


def _add_rules(command: argparse.ArgumentParser) -> None:
    """Options that say which experiments are compared, and how."""
    command.add_argument(
        "--estimator",
        metavar="NAME",
        help=f"of the systematic part, {' or '.join(NAMES.values())}; cross by default, noise-free "
        "where only that has all experiments",
    )
    command.add_argument(
        "--at-least",
        type=int,
        metavar="N",
        help="usable realisations that an experiment must have, as those have that a race left",
    )
    share = command.add_mutually_exclusive_group()
    share.add_argument(
        "--converged",
        type=float,
        default=CONVERGED,
        metavar="SHARE",
        help=f"of its fits that must have converged; {CONVERGED:g} by default",
    )
    share.add_argument(
        "--unconverged",
        dest="converged",
        action="store_const",
        const=0.0,
        help="rank experiments whose fits did not converge too",
    )


def _rules(options: argparse.Namespace) -> dict[str, Any]:
    return {"estimator": _estimator(options.estimator), "converged": options.converged}


def _estimator(name: str | None) -> Estimator | None:
    if name is None:
        return None
    for estimator in ESTIMATORS:
        if name in (estimator, NAMES[estimator]):
            return estimator
    raise ConfigError(f"--estimator {name}: choose from {', '.join(NAMES.values())}")


def _best(options: argparse.Namespace) -> None:
    if options.top < 1:
        raise ConfigError(f"--top {options.top}: must be at least 1")
    rules = _rules(options)
    if options.validate is not None:
        _best_elsewhere(options, rules)
        return
    if options.zones is not None:
        _best_of_zones(options, rules)
        return
    from sweep.statistics.halves import best_by_halves
    from sweep.statistics.selection import best
    from sweep.store import open_dataset

    ds, left_out = with_realisations(open_dataset(options.store), options.at_least)
    metric = options.metric or "cmb_variance"
    progress = Progress(console(stderr=True) if metric in OF_SPECTRA else None)
    with progress.looking(ds.sizes["experiment"]) as looked:
        if options.split:
            table: Any = best_by_halves(ds, metric, looked, **rules)
        else:
            table = best(ds, metric, options.top, looked, **rules)
    drawn = halves_table if options.split else ranking_table
    notes = [*notes_of(table), *left_out]
    show(table, options, lambda page: drawn(table, notes, page), notes)


def _best_elsewhere(options: argparse.Namespace, rules: dict[str, Any]) -> None:
    from sweep.statistics.elsewhere import best_elsewhere, zones_elsewhere
    from sweep.store import open_dataset

    if options.split:
        raise ConfigError("--validate goes without --split: the other store measures")
    ds, left_out = with_realisations(open_dataset(options.store), options.at_least)
    other = open_dataset(options.validate)
    zones = options.zones
    metric = options.metric or ("cmb_variance" if zones is None else "r_upper_68")
    progress = Progress(console(stderr=True) if metric in (*OF_SPECTRA, "r") else None)
    with progress.looking(ds.sizes["experiment"] + other.sizes["experiment"]) as looked:
        if zones is None:
            table: Any = best_elsewhere(ds, other, metric, looked, **rules)
        else:
            table = zones_elsewhere(ds, other, zones, metric, looked, **rules)
    notes = [*notes_of(table), *left_out]
    show(table, options, lambda page: elsewhere_table(table, notes, page), notes)


def _best_of_zones(options: argparse.Namespace, rules: dict[str, Any]) -> None:
    from sweep.statistics.combination import best_of_zones, zones_by_halves
    from sweep.store import open_dataset

    ds, left_out = with_realisations(open_dataset(options.store), options.at_least)
    metric = options.metric or "r_upper_68"
    with Progress(console(stderr=True)).looking(ds.sizes["experiment"]) as looked:
        if options.split:
            table: Any = zones_by_halves(ds, options.zones, metric, looked, **rules)
            notes = [*notes_of(table), *left_out]
            show(table, options, lambda page: halves_table(table, notes, page), notes)
            return
        found = best_of_zones(ds, options.zones, metric, looked, **rules)
    table = found.table(ds)
    notes = [*notes_of(table), *left_out]
    show(table, options, lambda page: zones_table(table, found, notes, page), notes)


def _front(options: argparse.Namespace) -> None:
    from sweep.statistics.front import front
    from sweep.store import open_dataset

    rules = _rules(options)
    ds, left_out = with_realisations(open_dataset(options.store), options.at_least)
    maps = rules["estimator"] != "noise_free"
    with Progress(console(stderr=True) if maps else None).looking(ds.sizes["experiment"]) as looked:
        table: Any = front(ds, looked, **rules)
    notes = [*notes_of(table), *left_out]
    if not options.all:
        table = table[table["on_front"]]
    show(table, options, lambda page: front_table(table, notes, page), notes)


def _maps(options: argparse.Namespace) -> None:
    from sweep.statistics.experiment import ExperimentView
    from sweep.statistics.fits import write_fits
    from sweep.store import open_dataset

    path = Path(options.store)
    experiment = ExperimentView.labelled(open_dataset(path), options.experiment)
    folder = options.output or path.with_name(f"{path.stem}-{experiment.label}")
    written = write_fits(experiment, options.realisation, folder)
    for file in written.files:
        say(f"written: {file}")
    for part, why in written.left_out.items():
        say(f"no {part}: {why}")


def _optimum(options: argparse.Namespace) -> None:
    from sweep.plots import plot_optimum
    from sweep.statistics.curvature import described, parameter_errors
    from sweep.statistics.experiment import ExperimentView
    from sweep.statistics.optimum import perturbations, verdict
    from sweep.store import open_dataset

    path = Path(options.store)
    experiment = ExperimentView.labelled(open_dataset(path), options.experiment)
    found = perturbations(experiment, options.realisation)
    say(f"experiment {experiment.label}, realisation {options.realisation}")
    checks = verdict(found)
    for check in checks:
        say(str(check))
    try:
        for line in described(parameter_errors(experiment, options.realisation)):
            say(line)
    except ConfigError as error:  # too many clusters for a matrix: the checks stand without
        say(f"no errors: {error}")
    failed = sum(check.holds is False for check in checks)
    say(f"{failed} of {len(checks)} checks fail" if failed else "no check fails")
    which = "" if options.realisation == 0 else f"-{options.realisation:+d}"
    output = options.output or path.with_name(f"{path.stem}-optimum-{experiment.label}{which}.png")
    say(f"written: {plot_optimum(found, output)}")


def _export(options: argparse.Namespace) -> None:
    from sweep.store.export import export

    say(f"written: {export(options.store, options.output, nside=options.nside)}")
