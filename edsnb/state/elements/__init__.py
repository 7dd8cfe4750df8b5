"""Which elements, by which lines."""
