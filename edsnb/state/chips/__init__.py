"""A map, its pictures, and how it is cut."""
