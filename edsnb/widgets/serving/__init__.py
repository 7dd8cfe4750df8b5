"""The Workbench as a server."""
