"""`python -m server` is the `fieldloom` command."""

from server.cli import main

main()
