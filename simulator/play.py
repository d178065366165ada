"""`python -m simulator.play`: plays an alarm script at a running server and compares what it tells with what it must.

Values go out over MQTT in real time; operators act over the server's HTTP API. Exit code 0: everything came as written.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from simulator.alarm_script import Act, AlarmLog, AlarmScript, AlarmScriptError, differences, parse
from simulator.broker import BrokerError, parse_broker
from simulator.clock import MICROSECONDS, SystemClock
from simulator.publisher import Publisher
from simulator.scripted import ScriptedPlant, expected_of

SUFFIX = ".alarms"
BEGIN_S = 2.0  # between the connection and the first step
PATIENCE_S = 10.0  # for events that must come
SHELVED = {"Unshelved": "", "TimedShelved": "timed", "OneShotShelved": "once"}
USER = "operator"


class ServerError(Exception):
    """The server did not answer as it must; the text says what it answered."""


class Door:
    """The server's HTTP API for the accounts of a script."""

    def __init__(self, url: str, passwords: Mapping[str, str]) -> None:
        self._url = url.rstrip("/")
        self._passwords = passwords
        self._tokens: dict[str, str] = {}

    def _ask(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        request = urllib.request.Request(  # noqa: S310  # the address comes from the command line
            self._url + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")
        except (OSError, ValueError) as error:
            raise ServerError(f"{self._url} does not answer: {error}") from error

    def _token(self, user: str) -> str:
        if user not in self._tokens:
            if user not in self._passwords:
                raise ServerError(f"no password of {user!r} is known; see --accounts")
            body = {"user": user, "password": self._passwords[user]}
            code, answer = self._ask("POST", "/api/login", body)
            if code != 200:
                raise ServerError(f"{user!r} cannot sign in: {answer.get('detail', code)}")
            self._tokens[user] = answer["token"]
        return self._tokens[user]

    def act(self, act: Act, event_id: str = "") -> str:
        """Carry an action out, on the state that an EventId names; the StatusCode that answers it."""
        condition = urllib.parse.quote(f"{act.device}/Alarms/{act.condition}")
        body: dict[str, Any] = {} if act.comment is None else {"comment": act.comment}
        if act.shelve_s is not None:
            body["duration_s"] = act.shelve_s
        if event_id:
            body["event_id"] = event_id
        code, answer = self._ask("POST", f"/api/alarms/{condition}/{act.verb}", body, self._token(act.user))
        return "Good" if code == 200 else str(answer.get("status_code", code))

    def events(self, condition: str, since_us: int) -> list[dict[str, Any]]:
        """What the server told of a condition since a moment, oldest first, without changes of quality."""
        moment = datetime.fromtimestamp(since_us / MICROSECONDS, UTC).isoformat().replace("+00:00", "Z")
        query = {"condition": condition, "start": moment, "oldest_first": "true", "limit": 1_000}
        path = f"/api/alarms/journal?{urllib.parse.urlencode(query)}"
        code, answer = self._ask("GET", path, token=self._token(USER))
        if code != 200:
            raise ServerError(f"the journal cannot be read: {answer.get('detail', code)}")
        return [event for event in answer["events"] if event["cause"] != "quality changed"]


def log_of(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Events as lines of a script."""
    log = AlarmLog()
    for event in events:
        told = {
            "active": event["active"],
            "level": event["limit_state"].replace(", ", "+") if "limit" in event["kind"] else "",
            "acked": event["acked"],
            "confirmed": event["confirmed"],
            "retain": event["retain"],
            "severity": event["severity"],
            "enabled": event["enabled"],
            "shelving": SHELVED[event["shelving"]],
            "suppressed": event["suppressed"],
            "out_of_service": event["out_of_service"],
            "latched": event["latched"],
            "silenced": event["silenced"],
            "first": event["first_in_group"],
            "re_alarms": event["re_alarms"],
            "bad": event["status"].startswith("Bad"),
            "branch": event["branch_id"],
        }
        log.add(event["id"], told, event["comment"], event["comment_user"])
    return log.lines


def load(name: str) -> AlarmScript:
    """A script of this package by its name, or a file.

    Raises:
        AlarmScriptError: it cannot be read.
    """
    own = resources.files("simulator").joinpath("scripts", f"{name}{SUFFIX}")
    try:
        text = own.read_text(encoding="utf-8") if own.is_file() else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AlarmScriptError(f"{name}: {error}") from None
    return parse(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 when everything came as written, 1 when something did not, 2 for arguments that cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        script = load(options.script)
        broker = parse_broker(options.broker, os.environ.get("FIELDLOOM_SIMULATOR_PASSWORD"))
        passwords = json.loads(Path(options.accounts).read_text(encoding="utf-8"))
        clock = SystemClock()
        start_us = clock.now_us() + round(BEGIN_S * MICROSECONDS)
        plant = ScriptedPlant(script, start_us=start_us)
        return _play(script, Publisher(plant, broker, clock), Door(options.server, passwords), start_us)
    except (AlarmScriptError, BrokerError, OSError, ValueError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    except ServerError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1


def _play(script: AlarmScript, publisher: Publisher, door: Door, start_us: int) -> int:
    stop = threading.Event()
    thread = threading.Thread(target=publisher.run, args=(stop,), name="publisher")
    thread.start()
    clock = SystemClock()
    told: list[str] = []
    try:
        counts: dict[str, int] = {}
        for step in script.steps:
            due_us = start_us + round(step.at_s * MICROSECONDS)
            if stop.wait(max(0.0, (due_us - clock.now_us()) / MICROSECONDS)):
                break
            if step.act is not None:
                answer = door.act(step.act, meant(door, step.act, start_us))
                if answer != (step.refused or "Good"):
                    told.append(f"line {step.line}: {step.act.verb} {step.act.condition}: answered {answer}")
            for line in step.expected:
                condition = line.partition(" ")[0]
                counts[condition] = counts.get(condition, 0) + 1
            # What the next step builds on must have come.
            for condition in {line.partition(" ")[0] for line in step.expected}:
                _await(door, condition, start_us, counts[condition])
        for condition, expected in expected_of(script).items():
            found = log_of(door.events(condition, start_us))
            for line in found:
                print(line)
            told += differences(expected, found)
    finally:
        stop.set()
        thread.join()
    for line in told:
        print(f"simulator: {line}", file=sys.stderr)
    print(f"simulator: {len(script.steps)} steps, {len(told)} differences", file=sys.stderr)
    return 1 if told else 0


def meant(door: Door, act: Act, since_us: int) -> str:
    """The EventId of the newest branch, where a script means that; "" for the current state."""
    if not act.branch:
        return ""
    events = door.events(f"{act.device}/Alarms/{act.condition}", since_us)
    return next((str(event["event_id"]) for event in reversed(events) if event["branch_id"]), "none")


def _await(door: Door, condition: str, start_us: int, count: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while len(door.events(condition, start_us)) < count and time.monotonic() < end:
        time.sleep(0.02)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulator.play", description="Plays an alarm script at a server.")
    parser.add_argument("script", help="the name of a script (engine) or a file")
    parser.add_argument("--broker", default="mqtt://127.0.0.1:1883", metavar="URL", help="as of python -m simulator")
    parser.add_argument("--server", default="http://127.0.0.1:8080", metavar="URL", help="the server's HTTP address")
    parser.add_argument(
        "--accounts",
        default="data/accounts.json",
        metavar="FILE",
        help="passwords by user as JSON, such as the demo writes (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
