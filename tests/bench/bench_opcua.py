"""OPC UA services: ours, in pure Python too, beside node-opcua's and asyncua's servers; one short round of everything.

The figures of docs/benchmarks.md come from longer runs: `python -m tests.bench.opcua --help`.
"""

from __future__ import annotations

from tests.bench.opcua.__main__ import main

if __name__ == "__main__":
    main(["--rounds", "1", "--seconds", "1", "--growth", "1000,10000"])
