"""Noise of the maps: what is drawn, and what the likelihood knows of it. One module a kind."""

from sweep.noise.base import Noise
from sweep.noise.white import white_noise, white_noise_at

__all__ = ["Noise", "white_noise", "white_noise_at"]
