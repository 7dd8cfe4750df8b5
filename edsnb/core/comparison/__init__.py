"""Two compositions of one map side by side, phases, and both beside what the material should be."""
