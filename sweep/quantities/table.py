"""What a fit and an experiment have: store, statistics, terminal and page read this table."""

from dataclasses import replace

from sweep.estimators import ESTIMATORS, NAMES
from sweep.model import KNOWN
from sweep.quantities.base import FIT, Quantity
from sweep.types import Status


def _by_either(row: Quantity, title: str = "") -> tuple[Quantity, ...]:
    """A quantity by the estimator that ranks, and by each."""
    means = {
        "cross": "what different realisations have in common",
        "noise_free": "the fit without noise",
    }
    return row, *(
        replace(
            row,
            name=f"{row.name}_{e}",
            about=f"{row.name} by {means[e]}",
            ranks=False,
            format="ratio" if row.format == "interval" else row.format,
            heading="",
            label="",
            title=f"{title or row.name}, {NAMES[e]}",
            shown=("panel",),
        )
        for e in ESTIMATORS
    )


_CL, _ALM = (*FIT, "multipole"), (*FIT, "harmonic")
_SPECTRUM = "{} spectrum of recovered minus true CMB, zero outside the mask, over the sky fraction"
_COEFFICIENTS = "{} coefficients of recovered minus true CMB, zero outside the mask"

QUANTITIES: tuple[Quantity, ...] = (
    Quantity("status", "how the fit ended", FIT, dtype="int8", flags=Status),
    Quantity(
        "realisations",
        "noise realisations that are recorded",
        format="count",
        shown=("summary",),
    ),
    Quantity(
        "usable",
        "recorded fits that statistics use, of the noise realisations",
        format="count",
        total="realisations",
        title="usable fits",
        shown=("page",),
    ),
    Quantity(
        "unusable",
        "recorded fits that no statistics use: nonfinite or outside_box",
        format="warning",
        shown=("page",),
    ),
    *(
        Quantity(
            s.name.lower(),
            f"fits that ended {s.name.lower()}",
            format="count",
            total="realisations" if s is Status.CONVERGED else "",
            shown=("summary",),
        )
        for s in Status
        if s is not Status.PENDING
    ),
    Quantity(
        "cmb_variance",
        "var Q + var U of the recovered CMB over kept pixels",
        FIT,
        unit="uK^2",
        means=("mean", "standard_error", "variance", "variance_error"),
        ranks=True,
        format="precise",
        heading="cmb_variance ± error\nuK^2",
        label="variance of the recovered CMB",
        shown=("summary", "page", "panel"),
    ),
    Quantity(
        "cmb_variance_variance",
        "variance of cmb_variance over realisations",
        unit="uK^4",
        heading="its variance ± error\nuK^4",
        title="variance of cmb_variance",
        shown=("summary", "panel"),
    ),
    Quantity(
        "residual_variance",
        "var Q + var U of recovered minus true CMB over kept pixels",
        FIT,
        unit="uK^2",
        means=("mean", "standard_error"),
        ranks=True,
        heading="residual_variance ± error\nuK^2",
        label="variance of the residual CMB",
        shown=("page", "panel"),
    ),
    *_by_either(
        Quantity(
            "systematic",
            "var Q + var U of what stays of recovered minus true CMB in every realisation, by the "
            "estimator that ranks",
            unit="uK^2",
            title="systematic residual",
            label="variance of the systematic residual",
            shown=("panel", "charts"),
        ),
        "systematic",
    ),
    Quantity(
        "statistical",
        "what each realisation has more on average",
        unit="uK^2",
        heading="statistical ± error\nuK^2",
        title="statistical residual",
        label="variance of the statistical residual",
        shown=("panel", "charts"),
    ),
    Quantity(
        "on_front",
        "1: none of the same mask is lower in one of the two and not higher in the other",
        heading="Pareto\nfront",
    ),
    *_by_either(
        Quantity(
            "r",
            "tensor-to-scalar ratio that lensing and the residuals would be taken for",
            ranks=True,
            format="interval",
            title="r, 68 % interval",
            label=r"$r$ of the residuals, 68 % interval",
            shown=("page", "panel"),
        ),
        "r",
    ),
    *_by_either(
        Quantity(
            "bias",
            "|r|",
            ranks=True,
            format="ratio",
            label=r"$|r|$ of the residuals",
        )
    ),
    *_by_either(
        Quantity(
            "r_upper_68",
            "r + sigma of the upper side, no limit at 68 %",
            ranks=True,
            format="ratio",
            title="r + sigma",
            label=r"$r + \sigma$ of the residuals",
            shown=("page", "panel"),
        )
    ),
    *_by_either(
        Quantity(
            "r_upper_95",
            "the upper end that holds 95 % of the likelihood above the most likely r",
            ranks=True,
            format="ratio",
            title="r, upper side of 95 %",
            label=r"upper end of the 95 % interval of $r$",
        )
    ),
    *_by_either(
        Quantity(
            "r_limit_95",
            "the one-sided 95 % limit with r >= 0",
            ranks=True,
            format="ratio",
            title="r below, 95 %, r ≥ 0",
            label=r"95 % limit on $r \geq 0$",
            shown=("page", "panel"),
        ),
        "r below, 95 %",
    ),
    Quantity("sky_fraction", "kept share of the sphere, by the square of mask weights", FIT),
    Quantity(
        "nll",
        "negative log-likelihood -S at the solution",
        FIT,
        means=("mean",),
        ranks=True,
        format="precise",
        label="mean NLL above the lowest",
        shown=("summary", "page", "panel"),
    ),
    Quantity("penalty", "what the priors add to nll at the solution: ((x - mean)/width)^2", FIT),
    Quantity(
        "scan_certified",
        "no single-cluster scan goes lower: 1 yes, 0 no, -1 not attempted",
        FIT,
        dtype="int8",
    ),
    Quantity(
        "certified",
        "share of the usable fits in which no single cluster can go lower",
        format="share",
        heading="no cluster\nlower",
        title="no cluster lower",
        shown=("summary", "page"),
    ),
    Quantity("jumps", "clusters that a scan brought to a lower minimum", FIT, dtype="int32"),
    Quantity(
        "starts_elsewhere",
        "starts that ended higher than the lowest; -1 with a single start",
        FIT,
        dtype="int32",
    ),
    Quantity("starts_rise", "nll and penalty of the highest of them above the lowest", FIT),
    Quantity(
        "suspect",
        "parameters that are implausible, or stuck at an end of their box, on the whole",
        FIT,
        dtype="int8",
        masks=tuple(KNOWN),
    ),
    Quantity(
        "suspect",
        "fits with implausible parameters, or parameters stuck at their box",
        format="count",
        total="suspect_of",
        heading="suspect\nfits",
        title="suspect fits",
        shown=("summary", "page"),
    ),
    Quantity("suspect_of", "fits of which it is known whether they are suspect"),
    Quantity("suspect_parameters", "parameters that are implausible or stuck at their box"),
    Quantity(
        "starts_same",
        "fits of which all further starts ended in the same minimum",
        format="count",
        total="starts_tried",
        heading="starts\nthe same",
        title="starts the same",
        shown=("summary",),
    ),
    Quantity("starts_tried", "fits with further starts"),
    Quantity("at_bound", "share of kept pixels with a cluster at an end of its box", FIT),
    Quantity(
        "unconstrained",
        "clusters whose own standard deviation is the width of their box or more",
        FIT,
        dtype="int32",
    ),
    Quantity(
        "iterations",
        "solver iterations",
        FIT,
        dtype="int32",
        means=("mean",),
        shown=("summary", "panel", "charts"),
    ),
    Quantity(
        "evaluations",
        "likelihood evaluations",
        FIT,
        dtype="int32",
        means=("mean",),
        shown=("panel", "charts"),
    ),
    Quantity(
        "gradient_norm",
        "largest free gradient over the root of its curvature",
        FIT,
        means=("mean",),
        shown=("panel",),
    ),
    Quantity(
        "seconds",
        "wall time of the fit",
        FIT,
        unit="s",
        means=("mean",),
        heading="seconds\na fit",
        title="time a fit",
        shown=("summary", "page", "panel", "charts"),
    ),
    *(Quantity(p.name, p.about, (*FIT, f"cluster_{p.name}"), unit=p.unit) for p in KNOWN.values()),
    Quantity("cmb", "recovered CMB map", (*FIT, "stokes", "pixel"), unit="uK_CMB"),
    Quantity("ee_residual", _SPECTRUM.format("EE"), _CL, unit="uK_CMB^2"),
    Quantity("bb_residual", _SPECTRUM.format("BB"), _CL, unit="uK_CMB^2"),
    Quantity("elm_residual", _COEFFICIENTS.format("E"), _ALM, dtype="complex64", unit="uK_CMB"),
    Quantity("blm_residual", _COEFFICIENTS.format("B"), _ALM, dtype="complex64", unit="uK_CMB"),
    Quantity(
        "data_digest",
        "digest of each file that was fitted: the maps of the bands, then the true CMB",
        (*FIT, "file"),
        dtype="int64",
    ),
    Quantity("compared", "realisations on which experiments are compared", heading="compared\non"),
    Quantity("delta_to_best", "the metric minus that of the best", heading="delta\nto best"),
    Quantity(
        "significance", "delta to best, in its errors", format="errors", heading="in its\nerrors"
    ),
    Quantity("chosen_by", "realisations that chose", heading="chosen\nby"),
    Quantity("measured_by", "realisations that measure the choice", heading="measured\nby"),
    Quantity("runner_up", "the second of those that chose", heading="runner-up"),
    Quantity("chosen", "its label in the store that chose", heading="chosen as"),
    Quantity("place", "its place there", format="count", total="ranked", heading="place\nthere"),
    Quantity("ranked", "experiments that are ranked with it"),
    Quantity("alone", "what is best in its zone by itself", heading="best\nalone"),
)
"""Everything, in the order in which it is shown."""

VARIABLES = {q.name: q for q in QUANTITIES if q.dims}
"""Arrays of the store."""

COLUMNS = {q.name: q for q in QUANTITIES if q.means or not q.dims}
"""What an experiment has; `<name>_error` beside it is its error."""

OF_FITS = tuple(q.name for q in COLUMNS.values() if q.ranks and q.dims)
"""Metrics that every fit has, and an experiment the mean of."""

OF_SPECTRA = tuple(q.name for q in COLUMNS.values() if q.ranks and not q.dims)
"""Metrics of the residual spectra of an experiment; `bias` is |r|, as residuals have no r."""

METRICS = (*OF_FITS, *OF_SPECTRA)
"""What experiments are ranked by; lower is better."""
