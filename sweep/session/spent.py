"""What a race has spent, and whether it has enough left for another round."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sweep.session.rules import Rules
from sweep.statistics.dataset import noisy_part, of_identities
from sweep.store import NOISELESS

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
        self._next = NOISELESS  # the first number that no round has asked for yet

    def add(self, ds: "xr.Dataset", identities: Sequence[str]) -> None:
        """A round of these experiments, up to the realisations of `ds`."""
        new = ds["realisation"].values
        new = new[new >= self._next]
        seconds = of_identities(ds, identities)["seconds"].sel(realisation=new)
        self.hours += float(np.nansum(seconds.values)) / _HOUR
        self.fits += len(identities) * int(np.count_nonzero(new >= 0))
        self._next = int(new.max()) + 1

    def over(self, ds: "xr.Dataset", identities: Sequence[str], realisations: int) -> str:
        """Why there is no round of these up to so many realisations; empty where there can be."""
        more = realisations - self._next
        fits = self.fits + len(identities) * more
        if self._rules.fits is not None and fits > self._rules.fits:
            return f"another round would make it {fits} fits, above {self._rules.fits}"
        a_fit = np.nanmean(noisy_part(of_identities(ds, identities))["seconds"].values, axis=1)
        hours = self.hours + float(np.sum(a_fit)) * more / _HOUR
        bound = self._rules.device_hours
        if bound is not None and hours > bound:
            return f"another round would make it {hours:.3g} device hours, above {bound:g}"
        return ""
