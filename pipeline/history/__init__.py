"""What earlier runs know: which of them counts as the one before."""
