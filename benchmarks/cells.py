"""Cells of the matrix, sky by instrument by counts, and the boxes and priors tried in each."""

from typing import NamedTuple

from benchmarks.skies import SKIES, WRONG_LAW, sky_setup
from benchmarks.standard import PARAMETERS
from sweep.assemble.setup import Setup

HELD_OUT = (WRONG_LAW,)
"""Skies that are not looked at before the default is written down; none after that."""

INSTRUMENTS = ("litebird", "pico", "planck", "so_sat")

MASK = "GAL060"

COUNTS = {
    "coarse": (100, 10, 10),
    "middle": (1500, 500, 500),
    "fine": (10000, 500, 500),
}
"""Clusters of beta_dust, temp_dust and beta_pl. Middle is the seed problem."""

SOLVERS = {"newton": (), "optax_lbfgs": ("solver.max_steps=2000",)}

SLOW = ("middle", "fine")
"""Counts that are left out by optax_lbfgs, which takes a hundred times as long."""


class Cell(NamedTuple):
    """One sky seen by one instrument, fitted with so many clusters."""

    sky: str
    instrument: str
    counts: str


def all_cells() -> list[Cell]:
    """Every cell; those of a sky stand together, so that clusters and programs are shared."""
    return [Cell(s, i, c) for s in SKIES for c in COUNTS for i in INSTRUMENTS]


def box(beta_dust: str, temp_dust: str, beta_pl: str) -> tuple[str, ...]:
    """Overrides of a box, each given as `low,high`."""
    ends = dict(zip(PARAMETERS, (beta_dust, temp_dust, beta_pl), strict=True))
    return tuple(
        f"parameters.{p}.{side}={value}"
        for p, pair in ends.items()
        for side, value in zip(("low", "high"), pair.split(","), strict=True)
    )


PUBLISHED = ("parameters=published",)
NARROW = box("1,2.2", "10,40", "-3.5,-2.5")


def priors(beta_dust: float, temp_dust: float, beta_pl: float) -> tuple[str, ...]:
    """Overrides of priors of these widths, centred on the start values."""
    widths = dict(zip(PARAMETERS, (beta_dust, temp_dust, beta_pl), strict=True))
    return tuple(f"parameters.{p}.prior.width={width}" for p, width in widths.items())


VARIANTS = {
    "default": (),
    "published": PUBLISHED,
    "narrow": NARROW,
    "prior_0.3": (*PUBLISHED, "parameters.beta_pl.prior.width=0.3"),
    "prior_0.1": (*PUBLISHED, "parameters.beta_pl.prior.width=0.1"),
    "weak": priors(0.3, 5, 0.3),
    "priors": ("parameters=priors",),
    "tight": priors(0.1, 3, 0.1),
}
"""Boxes, and priors centred on the start values. furax-cs's box is `published`."""


def cell_setup(cell: Cell, solver: str, *overrides: str) -> Setup:
    """A cell: GAL060, nside 64, the instrument's noise, the default box unless overridden.

    Raises:
        NoData: the sky is made from d1s1, and that is not there.
        ConfigError: an override has a key that this version does not know.
    """
    counts = [f"clusters.{p}={n}" for p, n in zip(PARAMETERS, COUNTS[cell.counts], strict=True)]
    return sky_setup(
        cell.sky,
        f"instrument={cell.instrument}",
        f"mask.expression={MASK}",
        "clusters.clip=true",
        *counts,
        f"solver={solver}",
        *SOLVERS[solver],
        *overrides,
    )


def draws_of(solver: str, counts: str, draws: int) -> int:
    """Realisations that a solver fits of `draws`; 0 where it is left out."""
    return 0 if solver != "newton" and counts in SLOW else draws
