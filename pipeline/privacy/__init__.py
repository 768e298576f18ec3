"""Whose data is where: the key of hashes, who is not to be asked for, and finding and erasing people."""
