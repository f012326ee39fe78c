"""Statistics over realisations."""

from sweep.quantities.table import METRICS
from sweep.statistics.moments import Moments
from sweep.statistics.summary import summary

__all__ = ["METRICS", "Moments", "summary"]
