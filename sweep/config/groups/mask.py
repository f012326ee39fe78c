"""Which pixels are fitted."""

from dataclasses import dataclass

from sweep.config.checks import positive, setting


@dataclass
class MaskConf:
    """Which pixels are fitted."""

    expression: str = setting(
        "GAL060", "ALL, GALxxx, names of the file, _U/_L hemispheres, joined by + and -"
    )
    path: str | None = setting(
        None, "file of named masks; without it GALxxx is the cleanest xxx % of the sky"
    )
    apodisation: float | None = setting(
        None,
        "degrees over which spectra of residuals fall to zero inside the edge; fits have no edge",
        positive,
        absent=None,
    )
