"""A SLURM that is played: its clients on PATH, its jobs processes of this machine, no daemons.

It knows what the engine asks of SLURM, and nothing more: an option that it does not know is refused
as a wrong one is. Names, states and formats are those of SLURM 22.05, so that a test can be held
against both, here in seconds, and on `sweep.testing.cluster` as it really is.

`python -m sweep.testing.played FOLDER` keeps one up until it is interrupted.
"""

from sweep.testing.played.slurm import PlayedSlurm

__all__ = ["PlayedSlurm"]
