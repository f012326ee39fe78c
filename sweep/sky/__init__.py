"""Skies: synthetic, from templates, or from PySM; each a `Sky`."""

from sweep.sky.base import ParametricForegrounds, Sky, check_finite
from sweep.sky.pysm import pysm_sky
from sweep.sky.synthetic import synthetic_sky
from sweep.sky.templates import template_sky

__all__ = [
    "ParametricForegrounds",
    "Sky",
    "check_finite",
    "pysm_sky",
    "synthetic_sky",
    "template_sky",
]
