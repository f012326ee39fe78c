"""Engines: what carries packages to workers. One contract, one test suite."""

from sweep.engines.base import ATTEMPTS, Detached, Engine, Lost, Say, Worker, unsaid
from sweep.engines.local import LocalEngine

__all__ = ["ATTEMPTS", "Detached", "Engine", "LocalEngine", "Lost", "Say", "Worker", "unsaid"]
