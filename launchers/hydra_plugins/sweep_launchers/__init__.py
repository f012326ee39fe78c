"""Hydra plugins of skysweep: the launchers onto the engines, and the grid sweeper."""
