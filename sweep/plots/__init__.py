"""Pictures, with matplotlib: nothing is shown, and no global state is touched.

A function takes what `sweep.statistics` returns, or a dataset, and the paths to write, whose
endings choose the formats. `KINDS` draws each from a dataset alone.

    counts       a metric against cluster counts
    heatmap      a metric over two cluster counts
    front        systematic against statistical residual
    solvers      how low each solver came, and how long it took
    convergence  mean and variance with the number of realisations
    ratio        likelihoods of r
    spectra      BB spectra of residuals, with lensing and tensor modes
    histograms   recovered parameters against the truth
    maps         clusters, parameters, CMB and residuals on the sphere
    optimum      NLL and gradients about a solution

Inside `with style("paper"):` they are one column of a journal wide, else made for a screen.
"""

from sweep.plots.convergence import plot_convergence
from sweep.plots.counts import plot_counts
from sweep.plots.front import plot_front
from sweep.plots.heatmap import plot_heatmap
from sweep.plots.histograms import plot_histograms
from sweep.plots.kinds import KINDS, Kind
from sweep.plots.maps import plot_clusters, plot_cmb, plot_parameters, plot_residuals
from sweep.plots.names import experiment_names
from sweep.plots.optimum import plot_optimum
from sweep.plots.ratio import plot_likelihoods
from sweep.plots.solvers import plot_solvers, solver_table
from sweep.plots.spectra import plot_spectra
from sweep.plots.style import STYLES, style

__all__ = [
    "KINDS",
    "STYLES",
    "Kind",
    "experiment_names",
    "plot_clusters",
    "plot_cmb",
    "plot_convergence",
    "plot_counts",
    "plot_front",
    "plot_heatmap",
    "plot_histograms",
    "plot_likelihoods",
    "plot_optimum",
    "plot_parameters",
    "plot_residuals",
    "plot_solvers",
    "plot_spectra",
    "solver_table",
    "style",
]
