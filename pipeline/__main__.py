"""`python -m pipeline`: the same as the command `lead-export`."""

from pipeline.cli.main import main

main()
