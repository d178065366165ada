"""`python -m server` and the installed command: `fieldloom`."""

from __future__ import annotations

import gc


def main() -> None:
    """Import the program and run it; see `server.cli.main`."""
    # What an import makes stays: looking for garbage in it again and again costs a tenth of a start.
    gc.disable()
    from server.cli import main as command

    gc.freeze()
    gc.enable()
    command()


if __name__ == "__main__":
    main()
