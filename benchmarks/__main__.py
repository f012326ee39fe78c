"""Run every benchmark; those that need the real sky say so where it is not there."""

from benchmarks import (
    certificate,
    gpu,
    growth,
    kmeans,
    likelihood,
    seed_problem,
    solvers,
    throughput,
)
from benchmarks.real import NoData

if __name__ == "__main__":
    for part in (
        likelihood,
        solvers,
        kmeans,
        seed_problem,
        throughput,
        growth,
        certificate,
        gpu,
    ):
        try:
            part.main()
        except NoData as reason:
            print(f"{part.__name__}: {reason}")
