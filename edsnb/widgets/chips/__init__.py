"""ChipExplorer."""
