"""Measurements, run by `make bench`; each prints what it measured and keeps it in results/."""
