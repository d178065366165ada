"""`make bench`: every bench_*.py of this folder in turn, as if started by itself; prints figures, asserts none."""

from __future__ import annotations

import runpy
from pathlib import Path

if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        print(f"== {path.stem}", flush=True)
        runpy.run_module(f"tests.bench.{path.stem}", run_name="__main__")
