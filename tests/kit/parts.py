"""Foreign programs the tests meet: a missing one is a skip with its name, in CI a failure."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

INTEROP = Path(__file__).resolve().parents[1] / "interop"
FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")  # where daemons live, often outside PATH


def require(name: str, folders: Sequence[str] = FOLDERS) -> str:
    """The path of the program `name`; without it the test skips, or fails when CI=true."""
    path = shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders))
    if path is None:
        message = f"{name} is not installed on this machine"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


def require_module(name: str, message: str) -> None:
    """Go on when a Python module is installed; without it the test skips, or fails when CI=true."""
    if importlib.util.find_spec(name) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def require_node_module(package: str, purpose: str) -> str:
    """The path of node when `package` is installed beside the tests of foreign clients; else as `require`."""
    if not (INTEROP / "node_modules" / package).exists():
        message = f"{purpose}: {package} is not installed: run `npm ci` in tests/interop"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return require("node")


def require_node_client() -> str:
    """The path of node when node-opcua is installed."""
    return require_node_module("node-opcua-client", "node-opcua")
