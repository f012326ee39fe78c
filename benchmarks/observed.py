"""r of observed maps: is it unbiased, does it cover, and what does a template of residuals do.

    python -m benchmarks.observed [spectra|fits|limits ...]

Three tables: 2000 simulated spectra a case, from simulated skies and the residuals of real fits;
300 whole fits a case, each of a CMB of its own; and limits on d1s1 without and with the template,
which is simulated on d1s1 itself, as one cannot, and on a sky that is rough at degree scale.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import sweep
from benchmarks.choice import swept
from benchmarks.priors import CHOICES, CLUSTERS
from benchmarks.real import check_data
from benchmarks.record import keep
from sweep.engines import LocalEngine
from sweep.progress import Progress
from sweep.session import Request, launch
from sweep.statistics.amplitudes import Amplitudes, Priors
from sweep.statistics.bandpowers import noise_like
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.observed import Observations, answers, observations, r_of_each

STORES = Path("runs/observed")
RATIOS = (0.0, 0.003, 0.01)
SPECTRA, FITS, BATCH = 2000, 300, 100
"""Simulated spectra and fits a case; so many spectra see the same simulated noise."""

TEMPLATES = {
    "without": Priors(),
    "as simulated": Priors(residual=1.0),
    "free": Priors(residual=None),
}

SKY = (
    "sky=synthetic",
    "sky.nside=64",
    "sky.cmb_realisations=true",
    "mask.expression=GAL060",
    "clusters.beta_dust=200",
    "clusters.temp_dust=20",
    "clusters.beta_pl=20",
    f"noise.realisations={FITS}",
)

LIMITS = {"multires": "default", "kmeans": "default", "multires, priors": "0.2, 3 K, 0.2"}
"""Clusters and priors whose limits are compared, three zones each."""


def main(*parts: str) -> None:
    """Those that were asked for, all three by default."""
    for part in parts or PARTS:
        keep(f"observed_{part}", PARTS[part]())


def of_spectra() -> list[dict[str, Any]]:
    """Simulated spectra, with the residuals of fits."""
    real = fitted(0.0)
    return [row for r in RATIOS for row in simulated(real, r)]


def of_fits() -> list[dict[str, Any]]:
    """Whole fits."""
    return [row for r in RATIOS for row in whole(fitted(r), r)]


def of_limits() -> list[dict[str, Any]]:
    """Limits without and with a template of residuals."""
    check_data()
    return [row for name in LIMITS for row in limited(name)]


PARTS = {"spectra": of_spectra, "fits": of_fits, "limits": of_limits}


def fitted(r: float) -> Observations:
    """The recovered maps of fits on skies with this r."""
    path = STORES / f"r{r:g}.zarr"
    conf = sweep.compose([*SKY, f"sky.r={r}", f"store.path='{path}'"])
    launch(Request([conf], LocalEngine(0)), Progress(None))
    return observations([ExperimentView(sweep.open(path), 0)])


def simulated(real: Observations, r: float) -> list[dict[str, Any]]:
    """Spectra of simulated skies with residuals like those of real fits."""
    assert real.residuals is not None
    seen, skies, truth = real.seen, real.skies(seed=0), real.skies(SPECTRA, seed=1)
    common = real.residuals.mean(axis=0)
    half = FITS // 2
    known, seeing = (h - h.mean(axis=0) for h in np.split(real.residuals, 2))
    known *= np.sqrt(half / (half - 1))  # as large as before their mean was taken off
    rng = np.random.default_rng(1)
    rows = []
    for name, priors in TEMPLATES.items():
        residual = 0.0 if name == "without" else common
        found: list[Amplitudes] = []
        for first in range(0, SPECTRA, BATCH):
            noise = noise_like(seeing, BATCH, rng)[0] + residual
            # other noise for every batch, whose mean is as far from 0 as that of so many draws
            signs = rng.choice([-1, 1], (len(known), 1))
            simulations = signs * known + residual
            observed = truth.of(r)[first : first + BATCH] + noise
            found += answers(observed[None], simulations, skies, seen, priors)[0]
        rows.append({"r": r, "template": name, **described(found, r)})
        print(rows[-1], flush=True)
    return rows


def whole(sky: Observations, r: float) -> list[dict[str, Any]]:
    """Whole fits, each with the noise and residuals of the other half."""
    rows = []
    for name, priors in TEMPLATES.items():
        found = [each for _, each in r_of_each(sky, sky.skies(), priors)]
        rows.append({"r": r, "template": name, **described(found, r)})
        print(rows[-1], flush=True)
    return rows


def described(found: Sequence[Amplitudes], r: float) -> dict[str, Any]:
    """Bias in errors of the mean, and how often intervals hold r, in binomial errors of 68 %."""
    ratios = [each.ratio for each in found]
    values, count = np.array([ratio.r for ratio in ratios]), len(found)
    inside = np.mean([x.r - x.minus <= r <= x.r + x.plus for x in ratios])
    return {
        "observed": count,
        "mean r": float(values.mean()),
        "scatter": float(values.std(ddof=1)),
        "bias / error": float((values.mean() - r) / values.std(ddof=1) * np.sqrt(count)),
        "coverage": float(inside),
        "(it - 0.68) / error": float((inside - 0.68) / np.sqrt(0.68 * 0.32 / count)),
        "limit 95 %": float(np.mean([ratio.limit_95 for ratio in ratios])),
    }


def limited(name: str) -> list[dict[str, Any]]:
    """Limits of three zones of d1s1, with templates of either sky."""
    skies = {sky: zones(sky, name) for sky in ("d1s1", "rough")}
    observed = skies["d1s1"]
    cmb = observed.skies()
    rows = []
    truth = observed.skies(len(observed.realisations), seed=1).of(0.0)
    parts = slice(len(truth) // 2), slice(len(truth) // 2, None)
    for template, priors in TEMPLATES.items():
        for simulated_on in skies if template != "without" else ("d1s1",):
            found = list[Amplitudes]()
            for which, others in (parts, parts[::-1]):
                seen, simulated = observed.residuals, skies[simulated_on].residuals
                assert seen is not None
                assert simulated is not None
                # skies of r = 0 of their own: the CMB of d1s1 is one
                maps = truth[which] + seen[which]
                found += answers(maps[None], simulated[others], cmb, observed.seen, priors)[0]
            rows.append(
                {
                    "clusters": name,
                    "template": template,
                    "simulated on": simulated_on,
                    "observed": len(found),
                    "mean r": float(np.mean([each.ratio.r for each in found])),
                    "error": float(np.mean([each.ratio.plus for each in found])),
                    "limit 95 %": float(np.mean([each.ratio.limit_95 for each in found])),
                    "A_residual": float(np.mean([each.residual[0] for each in found])),
                }
            )
            print(rows[-1], flush=True)
    return rows


def zones(sky: str, name: str) -> Observations:
    """Three zones of a sky together, 40 realisations."""
    path = STORES / f"{sky}-{''.join(c for c in name if c.isalnum())}.zarr"
    words = (*CLUSTERS[name.split(",")[0]], *CHOICES[LIMITS[name]])
    swept(path, sky, *words, "noise.realisations=40", "store.spectra=none", quiet=True)
    ds = sweep.open(path)
    return observations([ExperimentView(ds, i) for i in range(ds.sizes["experiment"])])


if __name__ == "__main__":
    main(*sys.argv[1:])
