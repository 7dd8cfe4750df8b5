"""Files in and out: Velox, other vendors, HyperSpy signals, tables, exports."""
