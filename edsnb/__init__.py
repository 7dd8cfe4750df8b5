"""edsnb: from a STEM-EDS map to quantified chips, with error bars."""

__version__ = "0.1.0"
