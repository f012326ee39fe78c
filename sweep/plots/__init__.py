"""Pictures."""

from sweep.plots.variance import plot_variance

__all__ = ["plot_variance"]
