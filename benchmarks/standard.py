"""The parameters of the standard model, in their order."""

from sweep.model import DEFAULT, FITTED

PARAMETERS = tuple(p.name for p in FITTED[DEFAULT])
