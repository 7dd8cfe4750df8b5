"""The Workbench."""
