"""CompareView."""
