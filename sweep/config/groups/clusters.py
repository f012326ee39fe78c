"""Which pixels share a value of a spectral parameter."""

from dataclasses import dataclass

from omegaconf import MISSING

from sweep.config.checks import at_least, chosen, one_of, setting
from sweep.config.groups.by_parameter import count, one_a_parameter


@dataclass
@one_a_parameter(int | None, count("number of clusters", at_least(1)))
class KmeansConf:
    """Spherical k-means: as many clusters of about equal area as asked for."""

    name: str = chosen("kmeans")
    seed: int = setting(0, "seed of the first centres", at_least(0))
    clip: bool = setting(False, "take the number of pixels where more clusters are asked for")
    method: str = setting(
        "lloyd", "our own Lloyd iteration, or jax-healpy's", one_of("lloyd", "jax_healpy")
    )


@dataclass
@one_a_parameter(int | None, count("nside of the clusters", at_least(0)))
class MultiresConf:
    """Clusters are the pixels of coarser maps; 0 is one cluster for the whole mask."""

    name: str = chosen("multires")


@dataclass
class ClusterFileConf:
    """Clusters from a file with one full-sky label map a parameter."""

    name: str = chosen("file")
    path: str = setting(MISSING, "npz or FITS with a map of every parameter")


@dataclass
@one_a_parameter(int | None, count("number of bins, of about equally many pixels", at_least(1)))
class BinnedConf:
    """Pixels with like spectra, by the parameter maps of an earlier fit."""

    name: str = chosen("binned")
    path: str = setting(MISSING, "npz or FITS with a map of every parameter")
