"""The commands `sweep` and `sweep-store`."""
