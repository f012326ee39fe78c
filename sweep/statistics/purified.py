"""BB spectra free of the E modes that the edge of a mask turns into B, by NaMaster.

Needs `pymaster` (conda-forge: namaster), which is not among the dependencies, since it does not
build everywhere. The other spectra of this package divide by the sky fraction, as published
analyses do.
"""

from typing import Any

import numpy as np

from sweep.errors import ConfigError
from sweep.estimators import NAMES, NEEDED, Estimator
from sweep.install import install
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.pairs import antithetic
from sweep.statistics.recovered import kept_pixels, residual_of
from sweep.statistics.residuals import Spectra
from sweep.store import NOISELESS

_BB = 3
"""Of NaMaster's EE, EB, BE, BB."""


def purified_spectra(
    experiment: ExperimentView,
    estimator: Estimator,
    *,
    width: int = 4,
    apodisation: float = 5.0,
) -> tuple[np.ndarray, Spectra]:
    """Purified and decoupled BB power of the residuals of an experiment.

    Args:
        experiment: the experiment.
        estimator: of the systematic part.
        width: multipoles in a band.
        apodisation: degrees over which the mask falls to zero inside its edge.

    Returns:
        The middle of every band, and its power in uK_CMB^2, each of shape (band,).

    Raises:
        ConfigError: as `purified_power` and `recovered_cmb`, or there are too few realisations.
    """
    noisy = experiment.noisy.tolist()
    noiseless = estimator == "noise_free"
    if noiseless and not experiment.has_noiseless:
        raise ConfigError("no usable noise-free fit: run with noise.noiseless=true")
    if not noiseless and antithetic(experiment.ds)[experiment.position]:
        raise experiment.missing(
            "the cross estimate of purified spectra takes realisations for independent, which "
            "those of noise.antithetic are not; take the noise-free estimate"
        )
    if len(noisy) < NEEDED[estimator]:
        raise ConfigError(
            f"{len(noisy)} usable realisations; purified spectra by the {NAMES[estimator]} "
            f"estimate need {NEEDED[estimator]}"
        )
    residual = residual_of(experiment, noisy)
    centre = residual_of(experiment, [NOISELESS])[0] if noiseless else residual.mean(axis=0)
    nside, pixels = experiment.configuration.sky.nside, kept_pixels(experiment)
    maps = np.concatenate([residual, residual - centre, centre[None]])
    ell, power = purified_power(maps, nside, pixels, width, apodisation)
    count = len(noisy)
    statistical = power[count:-1].sum(axis=0) / (count if noiseless else count - 1)
    systematic = power[-1] - (0.0 if noiseless else statistical / count)
    return ell, Spectra(power[:count].mean(axis=0), systematic, statistical)


def purified_power(
    maps: np.ndarray, nside: int, pixels: np.ndarray, width: int, apodisation: float
) -> tuple[np.ndarray, np.ndarray]:
    """Purified and decoupled BB power of polarisation maps; arXiv:1809.09603, section 2.

    Args:
        maps: Q and U of the kept pixels, uK_CMB, shape (map, 2, pixel).
        nside: HEALPix resolution.
        pixels: RING indices of the kept pixels, shape (pixel,).
        width: multipoles in a band.
        apodisation: degrees over which the mask falls to zero inside its edge ("C2").

    Returns:
        The middle of every band, shape (band,), and the power, uK_CMB^2, shape (map, band).

    Raises:
        ConfigError: `pymaster` is not installed, or nothing of the mask is left.
    """
    nmt = _namaster()
    mask = np.zeros(12 * nside**2)
    mask[pixels] = 1.0
    if pixels.size < mask.size:
        mask = nmt.mask_apodization(mask, apodisation, apotype="C2")
    if not np.any(mask):
        raise ConfigError(f"nothing of the mask is left {apodisation:g} degrees inside its edge")
    lmax = 2 * nside + 1
    bands = nmt.NmtBin.from_lmax_linear(lmax, width)
    coupling, found = None, []
    for q, u in maps:
        sphere = np.zeros((2, mask.size))
        sphere[:, pixels] = q, u
        field = nmt.NmtField(mask, list(sphere), purify_b=True, lmax=lmax)
        if coupling is None:  # it depends on the mask alone
            coupling = nmt.NmtWorkspace.from_fields(field, field, bands)
        found.append(coupling.decouple_cell(nmt.compute_coupled_cell(field, field))[_BB])
    return np.asarray(bands.get_effective_ells()), np.stack(found)


def _namaster() -> Any:
    try:
        import pymaster  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ConfigError(
            "purified spectra need NaMaster: conda install -c conda-forge namaster, or "
            f"{install('namaster')}"
        ) from error
    return pymaster
