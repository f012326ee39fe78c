"""`sweep-store r`: the tensor-to-scalar ratio of recovered maps, as of real data."""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from sweep.cli.tables import console, say, with_error
from sweep.errors import ConfigError
from sweep.progress import Progress

_FREE = "free"


def add_observed(add: Any) -> None:
    """Give `sweep-store` this command."""
    command = add("r", _observed, "r of recovered CMB maps, as one gets it from real data")
    command.add_argument(
        "experiments",
        metavar="EXPERIMENT",
        nargs="+",
        help="its label, or how that begins; several with disjoint masks are one sky",
    )
    seen = command.add_mutually_exclusive_group()
    seen.add_argument(
        "--observed",
        metavar="N",
        type=int,
        nargs="+",
        default=[0],
        help="realisation that is observed, 0 by default; several are splits, by cross spectra",
    )
    seen.add_argument(
        "--each", action="store_true", help="every realisation by itself: mean, scatter, coverage"
    )
    command.add_argument(
        "--simulations",
        metavar="STORE",
        help="whose fits say what noise and residuals add; the other realisations by default",
    )
    command.add_argument(
        "--lensing",
        metavar="WIDTH",
        type=float,
        default=0.0,
        help="standard deviation of A_lens about 1; 0, the default, fixes it",
    )
    command.add_argument(
        "--residual",
        metavar="AMPLITUDE",
        default="0",
        help="of the simulated residual foregrounds in the model: 0, the default, is without, 1 as "
        f"simulated, `{_FREE}` fits it",
    )
    command.add_argument(
        "--apodisation", metavar="DEGREES", type=float, help="of the window's edge, 10 by default"
    )
    command.add_argument(
        "--skies", metavar="N", type=int, help="simulated skies behind the window, 1000 by default"
    )
    command.add_argument("--json", action="store_true", help="one object")


def _observed(options: argparse.Namespace) -> None:
    from sweep.statistics.amplitudes import Priors
    from sweep.statistics.experiment import ExperimentView
    from sweep.statistics.observed import APODISATION, SKIES, observations, observed_r, r_of_each
    from sweep.store import open_dataset

    priors = Priors(options.lensing, _residual(options.residual))
    apodisation = APODISATION if options.apodisation is None else options.apodisation
    ds = open_dataset(options.store)
    views = [ExperimentView.labelled(ds, label) for label in options.experiments]
    progress = Progress(console(stderr=True))
    sky = observations(views, apodisation)
    simulated = None
    if options.simulations is not None:
        simulated = observations(_same(views, options.simulations), apodisation)
    count = SKIES if options.skies is None else options.skies
    with progress.simulating(count) as made:
        skies = sky.skies(count, done=made)
    if options.each:
        if simulated is not None:
            raise ConfigError("--each has its simulations in the store itself; leave one out")
        each = r_of_each(sky, skies, priors)
        _say_each([found.ratio for _, found in each], sky.true_r, options.json)
        return
    found, model = observed_r(sky, options.observed, skies, priors, simulated)
    _say_one(found, model, options)


def _residual(text: str) -> float | None:
    if text == _FREE:
        return None
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"--residual {text}: give a number, or `{_FREE}`") from None


def _same(views: Sequence[Any], path: str) -> list[Any]:
    """The experiments of another store with the same clusters, solver and mask."""
    from sweep.statistics.elsewhere import cleaned
    from sweep.statistics.experiment import ExperimentView
    from sweep.store import open_dataset

    there = open_dataset(path)
    ours, theirs = cleaned(views[0].ds), list(cleaned(there).values())
    found = []
    for view in views:
        if ours[view.label] not in theirs:
            raise ConfigError(
                f"--simulations {path}: no experiment with the clusters, solver and mask of "
                f"{view.label}"
            )
        found.append(ExperimentView(there, theirs.index(ours[view.label])))
    return found


def _say_one(found: Any, model: Any, options: argparse.Namespace) -> None:
    ratio = found.ratio
    taken = model.r_of_residual
    numbers = {
        "r": ratio.r,
        "r_minus": ratio.minus,
        "r_plus": ratio.plus,
        "r_limit_95": ratio.limit_95,
        "A_lens": found.lensing[0],
        "A_lens_error": found.lensing[1],
        "A_residual": found.residual[0],
        "A_residual_error": found.residual[1],
        "r_of_residual": taken,
    }
    if options.json:
        _write(numbers)
        return
    splits = len(options.observed)
    seen = f"cross spectra of {splits} splits" if splits > 1 else "one map"
    say(f"r = {ratio.r:.2e} (-{ratio.minus:.1e}, +{ratio.plus:.1e}) by {seen}, 68 %")
    say(f"r < {ratio.limit_95:.2e} at 95 %, r at least 0")
    if options.lensing > 0:
        say(f"A_lens = {with_error(*found.lensing)}")
    if options.residual == _FREE:
        say(f"A_residual = {with_error(*found.residual)}")
    left = "is in r above: see --residual" if options.residual == "0" else "is in the model"
    say(f"simulated residual foregrounds would be taken for r = {taken:.1e}, which {left}")
    leak = float(np.max(model.e_modes / model.lensing))
    say(
        f"{len(model.edges) - 1} bands from l = {model.edges[0]} to {model.edges[-1] - 1}, "
        f"{100 * model.seen:.0f} % of the sphere's power seen; what is left of E modes is at most "
        f"{100 * leak:.2g} % of lensing in a band, and in the model"
    )


def _say_each(ratios: Sequence[Any], true_r: float | None, as_json: bool) -> None:
    values = np.array([ratio.r for ratio in ratios])
    scatter = float(values.std(ddof=1))
    numbers = {
        "observed": len(values),
        "r_mean": float(values.mean()),
        "r_mean_error": scatter / len(values) ** 0.5,
        "r_scatter": scatter,
        "r_error_mean": float(np.mean([(ratio.minus + ratio.plus) / 2 for ratio in ratios])),
        "r_limit_95_mean": float(np.mean([ratio.limit_95 for ratio in ratios])),
        "true_r": true_r,
    }
    if true_r is not None:
        inside = [ratio.r - ratio.minus <= true_r <= ratio.r + ratio.plus for ratio in ratios]
        numbers["coverage_68"] = float(np.mean(inside))
    if as_json:
        _write(numbers)
        return
    mean = with_error(numbers["r_mean"], numbers["r_mean_error"])
    of = "" if true_r is None else f", of skies with r = {true_r:g}"
    say(f"{len(values)} maps, each with the noise and residuals of the other half{of}")
    say(f"mean r {mean}; they scatter by {scatter:.1e}, errors are {numbers['r_error_mean']:.1e}")
    say(f"mean limit at 95 %: r < {numbers['r_limit_95_mean']:.2e}")
    if true_r is not None:
        say(f"68 % intervals hold r in {100 * numbers['coverage_68']:.0f} % of them")


def _write(numbers: dict[str, Any]) -> None:
    import json

    say(json.dumps(numbers, indent=2))
