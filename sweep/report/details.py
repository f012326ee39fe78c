"""What is known of one experiment beyond its row of the table, and why the rest is not."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from sweep.errors import ConfigError
from sweep.report import packing
from sweep.statistics.maps import parameter_maps, residual_maps, sphere, true_parameter_maps
from sweep.statistics.residuals import Spectra, read_residuals, reason
from sweep.statistics.selection import templates_of
from sweep.statistics.tensor_ratio import Templates, TensorRatio, tensor_ratio
from sweep.store import NOISELESS
from sweep.types import PARAMETERS, Status

KINDS: dict[str, dict[str, str]] = {
    "beta_dust": {"title": "beta_dust", "unit": "1", "scale": "viridis"},
    "temp_dust": {"title": "temp_dust", "unit": "K", "scale": "viridis"},
    "beta_pl": {"title": "beta_pl", "unit": "1", "scale": "viridis"},
    "systematic": {"title": "systematic residual, Q", "unit": "uK_CMB", "scale": "diverging"},
    "statistical": {
        "title": "statistical residual, rms",
        "unit": "uK_CMB",
        "scale": "cividis",
    },
}
"""Maps of an experiment, in the order of the page."""

_REMEDIES = {
    "spectra": "They need two usable realisations, or noise.noiseless=true and one; and "
    "store.spectra=alm, or parameters or maps in the store.",
    "maps": "They need a usable realisation, the files that the experiment was made from, and "
    "parameters (store.parameters=true) in the store.",
    "others": "`sweep-store plot` and `sweep-store maps` show any of them.",
    "front": "The same command with noise.noiseless=true computes only those fits.",
}


@dataclass
class Lacks:
    """What experiments do not have, and the reasons that were given."""

    reasons: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def note(self, part: str, what: str, error: ConfigError, experiments: int = 1) -> None:
        """Count experiments without `what`, which belongs to a `part` of `_REMEDIES`."""
        counts = self.reasons.setdefault((part, what), Counter())
        counts[reason(error)] += experiments

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
class Look:
    """Spectra of the residuals of an experiment, and the r they would be taken for.

    Attributes:
        nside: resolution of the spectra.
        templates: what they are compared with.
        spectra, ratio: None where they are not known; `templates` is None without spectra.
    """

    nside: int
    templates: Templates | None
    spectra: Spectra | None
    ratio: TensorRatio | None


def look(ds: xr.Dataset, experiment: int, lacks: Lacks) -> Look:
    """Spectra and r of one experiment, as far as they are known."""
    try:
        residuals = read_residuals(ds, experiment)
        found = residuals.spectra()
    except ConfigError as error:
        lacks.note("spectra", "Spectra of residuals, and r", error)
        return Look(0, None, None, None)
    templates = templates_of(residuals)
    try:
        ratio = tensor_ratio(residuals, templates)
    except ConfigError as error:
        lacks.note("spectra", "r", error)
        ratio = None
    return Look(residuals.nside, templates, found, ratio)


def maps_of(ds: xr.Dataset, experiment: int, lacks: Lacks) -> tuple[dict[str, np.ndarray], str]:
    """Maps of one experiment by `KINDS`, each of shape (npix,), and what they are maps of."""
    status = ds["status"].isel(experiment=experiment).values
    usable = ds["realisation"].values[np.isin(status, [s for s in Status if s.usable])]
    layers: dict[str, np.ndarray] = {}
    notes: list[str] = []
    if not usable.size:
        lacks.note("maps", "Maps", ConfigError("no usable fit"))
        return layers, ""

    def parameters() -> None:
        shown = NOISELESS if NOISELESS in usable else int(usable[0])
        found = parameter_maps(ds, experiment, shown)
        layers.update((str(p), values) for p, values in found.items())
        fit = "the fit without noise" if shown == NOISELESS else f"realisation {shown}"
        notes.append(f"Parameters of {fit}")

    def residuals() -> None:
        found = residual_maps(ds, experiment)
        parts = {"systematic": found.systematic[0]}
        if np.isfinite(found.statistical).any():
            parts["statistical"] = np.sqrt(np.mean(found.statistical**2, axis=0))
        layers.update({k: sphere(v, found.pixels, found.nside) for k, v in parts.items()})
        of = f"{found.realisations} realisations"
        where = f"the mean of {of}" if found.noiseless is None else "of the fit without noise"
        notes.append(f"systematic residual {where}, statistical residual of {of}")

    _tried("Maps of parameters", parameters, lacks)
    _tried("Maps of residuals", residuals, lacks)
    return layers, "; ".join(notes)


def _tried(what: str, make: Callable[[], None], lacks: Lacks) -> None:
    try:
        make()
    except ConfigError as error:
        lacks.note("maps", what, error)


def truth_of(ds: xr.Dataset, experiment: int) -> dict[str, np.ndarray]:
    """Spectral parameters of the input sky, as `maps_of`; empty where they are not known."""
    try:
        found = true_parameter_maps(ds, experiment)
    except ConfigError:
        return {}
    return {p: found[p] for p in PARAMETERS if p in found}


def packed(looks: list[Look]) -> dict[str, Any]:
    """Spectra and likelihoods of all experiments for the page."""
    return {
        "spectra": [
            None if one.spectra is None else packing.spectra(one.spectra, one.nside)
            for one in looks
        ],
        "likelihoods": [None if o.ratio is None else packing.likelihood(o.ratio) for o in looks],
    }
