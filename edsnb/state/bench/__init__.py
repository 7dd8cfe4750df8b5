"""One map from file to composition, as the Workbench shows it."""
