"""Pictures: records in, figures out. No numerics, no files."""
