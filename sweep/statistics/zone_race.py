"""A look at a race of zones that are measured together: each beside what the others have.

The best of each zone by itself are not the best together, since r is not a sum over zones. So the
experiments of a zone are compared with those of the other zones fixed at the best combination, see
`sweep.statistics.zone_search`; otherwise as in `sweep.statistics.race`.
"""

from collections import Counter

import xarray as xr

from sweep.statistics.candidates import CONVERGED
from sweep.statistics.race import Look, Terms, standing
from sweep.statistics.rankings import metric_of
from sweep.statistics.selection import Gap, checked
from sweep.statistics.zone_search import zone_search


def look_at_zones(
    ds: xr.Dataset, metric: str, terms: Terms, *, converged: float = CONVERGED
) -> dict[str, Look]:
    """Look at the experiments of every zone beside the best of the others.

    Args:
        ds: those that have not left, with the realisations that are looked at.
        metric: one of `OF_SPECTRA`, of all zones together.
        terms: of the race; rivals are those of all zones together.
        converged: as for `sweep.statistics.combination.best_of_zones`.

    Returns:
        By mask expression; `value` and `error` are those of the best combination, and positions
        are those in `ds`.

    Raises:
        ConfigError: as `sweep.statistics.combination.best_of_zones`.
    """
    metric = checked(metric)
    search = zone_search(ds, (), metric, lambda: None, None, converged, 1)
    on = search.on
    best, _ = search.best(metric, on)
    together = search.combination(best, metric, on)
    value = metric_of(together.ratio, metric)
    found: dict[str, Look] = {}
    left_out = search.left_out
    for zone, candidates in search.candidates.items():
        gaps: dict[int, Gap] = {}
        for i in candidates:
            if i == best[zone]:
                continue
            other = search.combination(best | {zone: i}, metric, on)
            gaps[i] = search.gap(other, together, metric)
        order = [best[zone], *sorted(gaps, key=lambda i, g=gaps: (not g[i].tied, g[i].delta))]
        found[zone] = standing(value, together.error, len(on), order, gaps, left_out, terms)
        left_out = Counter()  # of all zones, said once
    return found
