"""The room does without the stack's client and server; who wants them still gets them."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("asyncua.client", "asyncua.server", "asyncua.common.node", "asyncua.common.structures")


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_the_room_imports_neither_client_nor_server_of_the_stack() -> None:
    loaded = run(f"import sys, server.app; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert loaded == "[]"


def test_the_stacks_own_names_are_there_when_they_are_asked_for() -> None:
    # In both orders: after our room, and before it.
    for first, second in (("server.opcua.server", "asyncua"), ("asyncua", "server.opcua.server")):
        program = (
            f"import {first}, {second}\n"
            "from asyncua import Client, Node, Server, ua\n"
            "from asyncua.common import Node as Same\n"
            "import asyncua\n"
            "print(Client.__name__, Server.__name__, Node is Same, ua is asyncua.ua, bool(asyncua.__version__))"
        )
        assert run(program) == "Client Server True True True", first


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    program = (
        "import server.opcua, asyncua\ntry:\n    asyncua.nothing\nexcept AttributeError as error:\n    print(error)"
    )
    assert "nothing" in run(program)


def test_modules_that_count_on_whole_packages_are_imported_after_them() -> None:
    # Each in a process of its own: the order of imports is the point.
    for call in (
        "from server.opcua.nodes.standard import standard_store; print(len(standard_store()) > 6000)",
        "from server.opcua.nodesets.data_types import _maker; print(callable(_maker()))",
        "import server.opcua.nodes.foreign; print(True)",
    ):
        assert run(call) == "True", call
