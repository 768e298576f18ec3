"""`python -m pipeline.sandbox '{"port": 8080}'`: the sandbox in the foreground; switches are given as a JSON object."""

import sys

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.server import run_sandbox


def main(arguments: list[str]) -> int:
    """Run until stopped; invalid switches or a port in use are reported in one line on standard error."""
    try:
        options = SandboxOptions.from_json(arguments[0]) if arguments else SandboxOptions()
        run_sandbox(options)
    except (ValueError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
