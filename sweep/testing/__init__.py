"""What an engine, here or elsewhere, is tested with; no other part of sweep imports it.

`contract.py` is the suite that every engine passes, and needs pytest. `cluster.py` is a real SLURM
on this machine; `played` acts as one, for tests in seconds.
"""
