"""What is known of one experiment beyond its row of the table, and why the rest is not."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sweep.errors import ConfigError
from sweep.estimators import ESTIMATORS, NAMES, Estimator
from sweep.report import packing
from sweep.statistics.comparison_groups import ComparisonGroup
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.maps import parameter_maps, residual_maps, sphere, true_parameter_maps
from sweep.statistics.rankings import templates_name, templates_of
from sweep.statistics.residuals import Spectra, read_residuals
from sweep.statistics.tensor_ratio import Templates, TensorRatio, tensor_ratio
from sweep.store import NOISELESS

_REMEDIES = {
    "spectra": "They need two usable realisations, or one and noise.noiseless=true; and "
    "store.spectra=alm, or parameters or maps in the store.",
    "maps": "They need a usable realisation, the files that the experiment was made from, and "
    "parameters (store.parameters=true) in the store.",
    "others": "`sweep-store plot` and `sweep-store maps` show any of them.",
    "front": "It needs two converged realisations and parameters (store.parameters=true) or maps "
    "in the store, or one and noise.noiseless=true.",
    "ranking": "`sweep-store best --unconverged` ranks them too.",
}


@dataclass
class MissingProducts:
    """What experiments do not have, and the reasons that were given."""

    reasons: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def note(self, part: str, what: str, reason: str, experiments: int = 1) -> None:
        """Count experiments without `what`, which belongs to a `part` of `_REMEDIES`."""
        counts = self.reasons.setdefault((part, what), Counter())
        counts[reason] += experiments

    def listed(self) -> list[dict[str, Any]]:
        """One entry each: what, of how many, the most frequent reason, what to do."""
        return [
            {
                "part": part,
                "what": what,
                "experiments": counts.total(),
                "why": counts.most_common(1)[0][0],
                "remedy": _REMEDIES[part],
            }
            for (part, what), counts in self.reasons.items()
        ]


@dataclass(frozen=True)
class SpectralProducts:
    """Spectra of the residuals of an experiment, and the r they would be taken for.

    Attributes:
        named: the name of the templates.
        templates: what they are compared with; None without spectra.
        spectra: by each estimator that is known.
        ratios: by each estimator that is known.
    """

    named: str
    templates: Templates | None
    spectra: dict[Estimator, Spectra]
    ratios: dict[Estimator, TensorRatio]


NOTHING = SpectralProducts("", None, {}, {})
"""Of an experiment that was not looked at, or has no spectra."""


def spectral_products(experiment: ExperimentView, missing: MissingProducts) -> SpectralProducts:
    """Spectra and r of one experiment, as far as they are known."""
    try:
        residuals = read_residuals(experiment)
    except ConfigError as error:
        missing.note("spectra", "Spectra of residuals, and r", error.reason)
        return NOTHING
    spectra: dict[Estimator, Spectra] = {}
    ratios: dict[Estimator, TensorRatio] = {}
    known: list[Estimator] = [e for e in ESTIMATORS if not residuals.missing(e)]
    for estimator in known:
        spectra[estimator] = residuals.spectra(estimator)
        try:
            ratios[estimator] = tensor_ratio(residuals, templates_of(residuals), estimator)
        except ConfigError as error:
            missing.note("spectra", f"r by the {NAMES[estimator]} estimate", error.reason)
    if not spectra:
        missing.note("spectra", "Spectra of residuals, and r", residuals.missing(ESTIMATORS[0]))
        return NOTHING
    return SpectralProducts(templates_name(residuals), templates_of(residuals), spectra, ratios)


def estimators_of(
    products: Sequence[SpectralProducts], groups: Sequence[ComparisonGroup]
) -> list[Estimator]:
    """By which estimator the experiments of each group are shown and ranked.

    The usual one, but another where that has all experiments with spectra and the usual one not.
    """
    found: list[Estimator] = []
    for group in groups:
        seen = [products[i] for i in group.members if products[i].spectra]
        whole: list[Estimator] = [e for e in ESTIMATORS if all(e in o.ratios for o in seen)]
        found.append(whole[0] if whole else ESTIMATORS[0])
    return found


def maps_of(
    experiment: ExperimentView, missing: MissingProducts
) -> tuple[dict[str, np.ndarray], str]:
    """Maps of one experiment by `KINDS`, each of shape (npix,), and what they are maps of."""
    usable = experiment.realisations
    layers: dict[str, np.ndarray] = {}
    notes: list[str] = []
    if not usable.size:
        missing.note("maps", "Maps", "no usable fit")
        return layers, ""

    def parameters() -> None:
        shown = NOISELESS if experiment.has_noiseless else int(usable[0])
        found = parameter_maps(experiment, shown)
        layers.update((str(p), values) for p, values in found.items())
        fit = "the fit without noise" if shown == NOISELESS else f"realisation {shown}"
        notes.append(f"Parameters of {fit}")

    def residuals() -> None:
        found = residual_maps(experiment)
        kind = "mean" if found.noiseless is None else "systematic"
        parts = {kind: found.systematic[0]}
        if np.isfinite(found.statistical).any():
            parts["statistical"] = np.sqrt(np.mean(found.statistical**2, axis=0))
        layers.update({k: sphere(v, found.pixels, found.nside) for k, v in parts.items()})
        of = f"{found.realisations} realisations"
        what = {
            "mean": f"mean residual of {of}, with 1/{found.realisations} of the noise in it",
            "systematic": "systematic residual of the fit without noise",
        }
        notes.append(f"{what[kind]}; statistical residual of {of}")

    _tried("Maps of parameters", parameters, missing)
    _tried("Maps of residuals", residuals, missing)
    return layers, "; ".join(notes)


def _tried(what: str, make: Callable[[], None], missing: MissingProducts) -> None:
    try:
        make()
    except ConfigError as error:
        missing.note("maps", what, error.reason)


def truth_of(experiment: ExperimentView) -> dict[str, np.ndarray]:
    """Spectral parameters of the input sky, as `maps_of`; empty where they are not known."""
    try:
        found = true_parameter_maps(experiment)
    except ConfigError:
        return {}
    return dict(found)


def packed(products: Sequence[SpectralProducts], estimators: Sequence[Estimator]) -> dict[str, Any]:
    """Spectra and likelihoods of all experiments for the page, each by its estimator."""
    each = list(zip(products, estimators, strict=True))
    return {
        "spectra": [
            packing.spectra(one.spectra[e], one.named) if e in one.spectra else None
            for one, e in each
        ],
        "likelihoods": [
            packing.likelihood(one.ratios[e]) if e in one.ratios else None for one, e in each
        ],
    }
