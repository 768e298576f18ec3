"""The command line, and the only place that prints or exits: `main` has the group, each other module a command."""
