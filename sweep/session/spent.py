"""What a race has spent, and whether it has enough left for more."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sweep.session.rules import Rules
from sweep.statistics.dataset import noisy_part
from sweep.store import NOISELESS

if TYPE_CHECKING:
    import xarray as xr

_HOUR = 3600.0


class Spent:
    """Fits, and hours of a device, of the rounds of a race.

    Both are counted by what a round asked for, whether it was recorded before or not, so that a
    race that goes on after a kill ends where it would have ended.
    """

    def __init__(self, rules: Rules) -> None:
        self.fits, self.hours = 0, 0.0
        self._rules = rules
        self._next: dict[str, int] = {}  # of every experiment, the first that is not asked for

    def add(self, ds: "xr.Dataset", noise_free: Collection[str]) -> None:
        """What was asked for the experiments of `ds` up to its realisations.

        Args:
            ds: experiments that race.
            noise_free: identities of those that have a fit without noise.
        """
        numbers, seconds = ds["realisation"].values, ds["seconds"].values
        end = int(numbers.max()) + 1
        for identity, own in zip(map(str, ds["identity"].values), seconds, strict=True):
            start = self._next.get(identity, NOISELESS)
            self.hours += float(np.nansum(own[numbers >= start])) / _HOUR
            self.fits += end - max(start, 0) + (start == NOISELESS and identity in noise_free)
            self._next[identity] = end

    def over(self, ds: "xr.Dataset", identities: Sequence[str], realisations: int) -> str:
        """Why these may not have so many realisations; empty where they may.

        Args:
            ds: experiments that are recorded; those that are not take as long as these on average.
            identities: of experiments that are to have so many.
            realisations: their number.
        """
        more = {i: realisations - max(self._next.get(i, 0), 0) for i in identities}
        fits = self.fits + sum(more.values())
        if self._rules.fits is not None and fits > self._rules.fits:
            return f"going on would make it {fits} fits, above {self._rules.fits}"
        seconds = np.nanmean(noisy_part(ds)["seconds"].values, axis=1)
        known = dict(zip(map(str, ds["identity"].values), seconds, strict=True))
        usual = float(np.nanmean(seconds))
        hours = self.hours + sum(known.get(i, usual) * more[i] for i in identities) / _HOUR
        bound = self._rules.device_hours
        if bound is not None and hours > bound:
            return f"going on would make it {hours:.3g} device hours, above {bound:g}"
        return ""
