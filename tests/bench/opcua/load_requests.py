"""Requests with answers: a fixed number outstanding, as fast as the server gives them; and sessions one by one."""

from __future__ import annotations

import struct
import time
from collections import deque
from typing import Any

from tests.bench.opcua import bodies
from tests.bench.opcua.bodies import Bodies
from tests.bench.opcua.figures import Figures, Window, server_cpu_s
from tests.bench.opcua.link import BrokenError, Link, Pair, certificate_of, ticks

WARM_CPU_S = 1.5  # of the server: with less, a compiler at run time has not seen the code yet
WARM_S = 6.0  # at most
WARM_STEP_S = 0.25
_KIND = struct.Struct("<H")
_RESULT = struct.Struct("<I")
_STEP_MS = 0.01  # latencies are counted in steps of this


def checked(link: Link, work: str, index: int, nodes: int) -> Bodies:
    """The requests of a kind of work; the first answer is decoded and must be right."""
    match work:
        case "read1" | "read100" | "read1000":
            count = int(work.removeprefix("read"))
            made: Bodies = bodies.reads(link.token, index, count, nodes)
            results = link.one(made).Results
            right = len(results) == count and all(
                (value.StatusCode is None or value.StatusCode.value == 0) and isinstance(value.Value.Value, float)
                for value in results
            )
        case "write1" | "write100":
            count = int(work.removeprefix("write"))
            made = bodies.writes(link.token, index, count, nodes)
            results = link.one(made).Results
            right = len(results) == count and all(code.value == 0 for code in results)
        case "browse":
            made = bodies.browses(link.token, index, nodes)
            (result,) = link.one(made).Results
            right = len(result.References) == bodies.PER_FOLDER and not result.ContinuationPoint
        case "call":
            made = bodies.calls(link.token, index)
            (result,) = link.one(made).Results
            right = result.StatusCode.value == 0 and result.OutputArguments[0].Value == 1.0
        case _:
            raise ValueError(work)
    if not right:
        raise BrokenError(f"{work}: the first answer is wrong")
    return made


def pump(link: Link, made: Bodies, outstanding: int, seconds: float, pid: int) -> Figures:
    """Keep so many requests outstanding for so long after a warm-up."""
    secured = link.pair is not None
    sent: dict[int, float] = {}
    order: deque[float] = deque()  # secured answers are not opened: they are taken to come in order
    clock = time.perf_counter
    latencies: dict[float, int] = {}
    firsts: set[int] = set()  # requests whose answer has begun
    units = faults = 0
    window: Window | None = None
    spent, limit, end = server_cpu_s(pid), clock() + WARM_S, clock() + WARM_STEP_S

    def send(count: int) -> None:
        stamp, now = ticks(), clock()
        frames = []
        for _ in range(count):
            frames.append(link.frame(made.next(stamp, link.request_id + 1)))
            if secured:
                order.append(now)
            else:
                sent[link.request_id] = now
        link.socket.sendall(b"".join(frames))

    send(outstanding)
    while True:
        answered = 0
        for chunk in link.arrived():
            final = chunk[3] == 70  # F
            if chunk[3] == 65:  # A
                faults += 1
                final = True
            if secured:
                if final:
                    began = order.popleft()
            else:
                (request_id,) = _RESULT.unpack_from(chunk, 20)
                # Only a message's first chunk has the response header: fixed places in every response.
                if request_id in sent and request_id not in firsts:
                    if _KIND.unpack_from(chunk, 26)[0] != made.response or _RESULT.unpack_from(chunk, 40)[0]:
                        faults += 1
                    firsts.add(request_id)
                if final:
                    began = sent.pop(request_id)
                    firsts.discard(request_id)
            if final:
                answered += 1
                if window is not None:
                    step = round((clock() - began) * 1000 / _STEP_MS) * _STEP_MS
                    latencies[step] = latencies.get(step, 0) + 1
        if window is not None:
            units += answered
        if clock() >= end:
            if window is not None:
                break
            if clock() < limit and server_cpu_s(pid) - spent < WARM_CPU_S:
                end = clock() + WARM_STEP_S
            else:
                window, end = Window(pid), clock() + seconds
        send(answered)
    figures = window.figures(units, latencies)
    waiting = len(order) if secured else len(sent)
    while waiting:
        waiting -= sum(chunk[3] != 67 for chunk in link.arrived())
    figures.faults = faults
    return figures


def requests(spec: dict[str, Any], pair: Pair | None) -> Figures:
    """One request scenario; `work`, `outstanding`, `seconds`, `nodes` of the specification."""
    link = Link(spec["url"], pair, certificate_of(spec["url"]) if pair else b"")
    try:
        link.session()
        made = checked(link, spec["work"], link.index(), spec["nodes"])
        return pump(link, made, spec["outstanding"], spec["seconds"], spec["pid"])
    finally:
        link.close()


def sessions(spec: dict[str, Any]) -> Figures:
    """Connect, open a channel, create, activate and close a session, one after another."""
    for _ in range(3):
        _one_session(spec["url"])
    latencies: dict[float, int] = {}
    units = 0
    window = Window(spec["pid"])
    end = time.perf_counter() + spec["seconds"]
    while (began := time.perf_counter()) < end:
        _one_session(spec["url"])
        units += 1
        step = round((time.perf_counter() - began) * 1000, 1)
        latencies[step] = latencies.get(step, 0) + 1
    return window.figures(units, latencies)


def _one_session(url: str) -> None:
    link = Link(url)
    try:
        link.session()
    finally:
        link.close()
