"""The spectral parameters that models have in common."""

from sweep.model.coordinate import Inverse, Linear
from sweep.model.parameter import SpectralParameter

BETA_DUST = SpectralParameter(
    name="beta_dust",
    number=0,
    symbol=r"$\beta_\mathrm{d}$",
    about="dust spectral index",
    unit="1",
    start=1.54,
    box=(0.5, 3.0),
    # 1.53 +- 0.02 in polarisation (Planck 2018 XI, arXiv:1801.04945), 1.62 +- 0.10 over lines of
    # sight (Planck 2013 XI, arXiv:1312.1300); the ranges here are generous about what is seen
    plausible=(1.0, 2.2),
    coordinate=Linear(),
    clusters=100,
    nside=16,
)

TEMP_DUST = SpectralParameter(
    name="temp_dust",
    number=1,
    symbol=r"$T_\mathrm{d}$",
    about="dust temperature",
    unit="K",
    start=20.0,
    box=(10.0, 40.0),
    plausible=(10.0, 40.0),  # 15 to 27 K (Planck 2013 XI)
    coordinate=Inverse(),
    clusters=10,
    nside=4,
)

BETA_PL = SpectralParameter(
    name="beta_pl",
    number=2,
    symbol=r"$\beta_\mathrm{s}$",
    about="synchrotron spectral index",
    unit="1",
    start=-3.0,
    box=(-3.5, -2.5),
    # -3.22 +- 0.08 (S-PASS, arXiv:1802.01145), -3.08 +- 0.13 with regions from -3.6 to -2.6
    # (QUIJOTE, arXiv:2301.05113)
    plausible=(-3.6, -2.4),
    coordinate=Linear(),
    clusters=10,
    nside=2,
)
