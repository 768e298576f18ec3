"""Whose data is kept: the key under which people are hashed, and those who are not to be asked for."""
