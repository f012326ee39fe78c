"""Run every benchmark."""

from benchmarks import likelihood, solvers

if __name__ == "__main__":
    likelihood.main()
    solvers.main()
