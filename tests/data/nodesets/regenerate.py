"""Writes the digests beside this file again: `python tests/data/nodesets/regenerate.py FOLDER_OF_OFFICIAL_FILES`."""

from __future__ import annotations

import sys
from pathlib import Path

from server.opcua.nodesets.facts import digest_lines
from server.opcua.nodesets.reader import read_file

OFFICIAL = {"di": "Opc.Ua.Di.NodeSet2.xml", "fdi5": "Opc.Ua.Fdi5.NodeSet2.xml", "fdi7": "Opc.Ua.Fdi7.NodeSet2.xml"}


def regenerate(oracle: Path, out: Path) -> None:
    """One file of digests for each official file."""
    for name, official in OFFICIAL.items():
        file = read_file(oracle / official)
        model = f"{file.model_uri} {file.version}".strip()
        head = f"# Facts of {official}, {model}: identifier and digest, one node a line."
        (out / f"{name}.digests").write_text("\n".join([head, *digest_lines(file)]) + "\n", encoding="ascii")


if __name__ == "__main__":
    regenerate(Path(sys.argv[1]), Path(__file__).parent)
