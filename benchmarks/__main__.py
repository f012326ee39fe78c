"""Run every benchmark."""

from benchmarks import kmeans, likelihood, solvers

if __name__ == "__main__":
    likelihood.main()
    solvers.main()
    kmeans.main()
