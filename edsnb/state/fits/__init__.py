"""Fits of chips, and what can be tried with them."""
