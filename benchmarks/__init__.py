"""Measurements, run by `make bench`; each prints what it measured and keeps it in results/."""

import sweep  # noqa: F401  # before jax, which then computes in double precision
