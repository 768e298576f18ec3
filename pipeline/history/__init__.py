"""What earlier runs know: which of them counts as the one before, what of it is carried over, and what is due."""
