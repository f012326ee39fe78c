"""Skies: synthetic, from templates, or from PySM, each a `Sky`; maps from files, a `MapsSky`."""

from sweep.sky.base import ParametricForegrounds, Sky, check_finite
from sweep.sky.maps import MapsSky
from sweep.sky.pysm import pysm_sky
from sweep.sky.synthetic import synthetic_sky
from sweep.sky.templates import template_sky

__all__ = [
    "MapsSky",
    "ParametricForegrounds",
    "Sky",
    "check_finite",
    "pysm_sky",
    "synthetic_sky",
    "template_sky",
]
