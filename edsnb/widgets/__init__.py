"""Panel viewers over `edsnb.state`: they draw, and pass on what the hand does."""
