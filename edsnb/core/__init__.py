"""Numerics: records and plain functions on numpy, scipy and numba. Knows nothing of files or Panel."""
