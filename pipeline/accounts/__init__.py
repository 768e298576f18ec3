"""Many Apps at once: what a file of accounts asks for, a process for each, how they fare, their tables together."""
