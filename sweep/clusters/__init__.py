"""Rules that divide the kept pixels into clusters; one file per rule."""

LLOYD_VERSION = 1
"""Of `lloyd.py`. Raised with any change that gives other labels: part of cache keys and identities.

It stands here because an identity is asked for where nothing is computed, and `lloyd.py` imports
healpy and scipy.
"""
