"""Input files: named maps of npz and FITS, as their headers say they are to be understood."""
