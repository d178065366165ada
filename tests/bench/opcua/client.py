"""One load on one server, alone in its process: its description as JSON on stdin, its figures as JSON on stdout."""

from __future__ import annotations

import gc
import json
import sys
import time
from dataclasses import asdict
from typing import Any

from tests.bench.opcua.figures import Figures, Window
from tests.bench.opcua.link import BrokenError, Link, Pair
from tests.bench.opcua.load_requests import requests, sessions
from tests.bench.opcua.load_subscriptions import subscriptions


def idle(spec: dict[str, Any]) -> Figures:
    """Nobody is connected; what the server spends on itself and on its own updates."""
    window = Window(spec["pid"])
    time.sleep(spec["seconds"])
    return window.figures(0, {})


def first_session(spec: dict[str, Any]) -> Figures:
    """One session and one value: the server is up."""
    window = Window(spec["pid"])
    link = Link(spec["url"])
    try:
        link.session()
        link.index()
        return window.figures(1, {})
    finally:
        link.close()


def main() -> None:
    """Run the load described on stdin; a load that fails gives {"error": reason}."""
    spec = json.load(sys.stdin)
    gc.freeze()
    try:
        match spec["load"]:
            case "requests":
                pair = Pair.load(spec["certificate"], spec["key"]) if spec["secured"] else None
                found = requests(spec, pair)
            case "sessions":
                found = sessions(spec)
            case "subscriptions":
                found = subscriptions(spec)
            case "first session":
                found = first_session(spec)
            case "idle":
                found = idle(spec)
            case other:
                raise ValueError(other)
    except (BrokenError, OSError) as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
    else:
        print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
