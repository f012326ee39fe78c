from sweep.testing.contract import reference

__all__ = ["reference"]
