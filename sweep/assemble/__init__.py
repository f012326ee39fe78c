"""From a configuration to the objects that fit it; each group has a table of its choices."""
