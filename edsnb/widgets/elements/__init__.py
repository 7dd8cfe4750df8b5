"""ElementPicker."""
