"""The model of the sky that is fitted."""

from sweep.config.schema import SweepConf
from sweep.model import SkyModel, standard


def build_model(conf: SweepConf) -> SkyModel:
    """Components and parameters."""
    given = conf.parameters
    return standard(float(given.dust_nu0), float(given.synchrotron_nu0))
