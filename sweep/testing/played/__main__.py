"""See `sweep.testing.played`."""

import sys
from pathlib import Path

from sweep.testing.cluster import until_interrupted
from sweep.testing.played import PlayedSlurm

if __name__ == "__main__":
    with PlayedSlurm(Path(sys.argv[1]).absolute()) as slurm:
        until_interrupted(slurm.environment)
