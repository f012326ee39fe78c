"""The minimisers."""

from dataclasses import dataclass

from omegaconf import MISSING

from sweep.config.checks import at_least, between, chosen, one_of, positive, setting

SEARCH = 2
"""Version of newton's search: other constants may end in other minima. 1 had hops."""

_STARTS = (
    "fits of every realisation, all but the first from starts drawn in the box; the lowest is kept"
)


@dataclass
class NewtonConf:
    """Newton's method with the structure of the likelihood, and a scan for lower minima."""

    name: str = chosen("newton")
    search: int = setting(
        SEARCH,
        "version of the search; comes with the version of skysweep",
        one_of(SEARCH),
        absent=1,
    )
    max_steps: int = setting(1000, "cap on the Newton steps of a realisation", at_least(1))
    starts: int = setting(1, _STARTS, at_least(1), absent=1)
    tolerance: float = setting(
        1e-6, "largest free gradient, in units of the root of its own curvature", positive
    )
    nodes: int = setting(32, "places in its box where a scan tries a cluster", between(8, 128))
    max_scans: int = setting(50, "cap on the scans of a realisation", at_least(1))


@dataclass
class LibraryConf:
    """A minimiser; tolerances are those of the library it comes from, on chi_square."""

    name: str = MISSING
    max_steps: int = setting(2000, "cap on the steps", at_least(1))
    starts: int = setting(1, _STARTS, at_least(1), absent=1)
    rtol: float = setting(1e-8, "relative tolerance", positive)
    atol: float = setting(1e-8, "absolute tolerance", positive)


@dataclass
class CadreConf(LibraryConf):
    """A solver of jax-cadre: ADABK, active set, optax or optimistix."""

    max_linesearch_steps: int = setting(50, "cap on the evaluations of a line search", at_least(1))
    learning_rate: float = setting(
        1.0, "of adam, adabelief and adaw: step in standard deviations at the start", positive
    )
