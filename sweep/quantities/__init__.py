"""The table of what a fit and an experiment have: names, units, meanings, formats."""
