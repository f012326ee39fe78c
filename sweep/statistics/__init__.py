"""Statistics over realisations."""

from sweep.statistics.moments import Moments
from sweep.statistics.summary import METRICS, summary

__all__ = ["METRICS", "Moments", "summary"]
