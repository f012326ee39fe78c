"""Statistics over realisations; what notebooks call is in `sweep.results`."""
