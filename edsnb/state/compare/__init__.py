"""Two methods side by side."""
