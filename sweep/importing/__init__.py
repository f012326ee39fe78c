"""Results of other programs as experiments of a store."""
