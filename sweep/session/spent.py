"""What a race has spent, and whether it has enough left for another round."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sweep.session.rules import Rules

if TYPE_CHECKING:
    import xarray as xr

_HOUR = 3600.0


class Spent:
    """Fits, and hours of a device, of the rounds of a race.

    Both are counted by what a round asked for, whether it was recorded before or not, so that a
    race that goes on after a kill ends where it would have ended.
    """

    def __init__(self, rules: Rules, noise_free: int) -> None:
        self.fits, self.hours = noise_free, 0.0
        self._rules = rules
        self._realisations = 0

    def add(self, ds: "xr.Dataset", identities: Sequence[str]) -> None:
        """A round of these experiments, up to the realisations of `ds`."""
        numbers = ds["realisation"].values
        new = (numbers < 0) if not self._realisations else np.zeros(numbers.shape, bool)
        new |= numbers >= self._realisations
        rows = np.isin(ds["identity"].values, identities)
        self.hours += float(np.nansum(ds["seconds"].values[rows][:, new])) / _HOUR
        count = int(np.count_nonzero(numbers >= 0))
        self.fits += len(identities) * (count - self._realisations)
        self._realisations = count

    def over(self, ds: "xr.Dataset", identities: Sequence[str], realisations: int) -> str:
        """Why there is no round of these up to so many realisations; empty where there can be."""
        more = realisations - self._realisations
        fits = self.fits + len(identities) * more
        if self._rules.fits is not None and fits > self._rules.fits:
            return f"another round would make it {fits} fits, above {self._rules.fits}"
        rows = np.isin(ds["identity"].values, identities)
        noisy = ds["realisation"].values >= 0
        a_fit = np.nanmean(ds["seconds"].values[rows][:, noisy], axis=1)
        hours = self.hours + float(np.sum(a_fit)) * more / _HOUR
        bound = self._rules.device_hours
        if bound is not None and hours > bound:
            return f"another round would make it {hours:.3g} device hours, above {bound:g}"
        return ""
