"""FitExplorer."""
