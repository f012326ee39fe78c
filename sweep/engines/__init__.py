"""Engines: what carries packages to workers. One contract, one test suite."""

from sweep.engines.base import ATTEMPTS, Engine, Lost, Worker
from sweep.engines.local import LocalEngine

__all__ = ["ATTEMPTS", "Engine", "LocalEngine", "Lost", "Worker"]
