"""Report of a comparison: one page that needs nothing else, tables as CSV, figures, and where it all comes from."""
