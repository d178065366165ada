"""All clients of a soak run in one process: what to do as JSON on stdin, a line of JSON sums every few seconds."""

from __future__ import annotations

import json
import random
import selectors
import sys
import time
from typing import Any

from tests.bench.opcua.figures import quantile
from tests.bench.opcua.link import BrokenError
from tests.bench.soak.member import Load, Member, Totals

REPORT_S = 10.0
TURN_S = 0.25
BATCH_S = 0.02  # after the first answer, others are waited for so long: fewer turns
SHOWN_ERRORS = 50


class Crowd:
    """Members and their churn."""

    def __init__(self, load: Load, sessions: int) -> None:
        self.load = load
        self.totals = Totals()
        self.selector = selectors.DefaultSelector()
        self.members: list[Member | None] = [None] * sessions

    def fill(self) -> bool:
        """Connect the first client that is missing; False when none is."""
        number = next((number for number, member in enumerate(self.members) if member is None), None)
        if number is not None:
            self._fill(number)
        return number is not None

    def _fill(self, number: int) -> None:
        """Connect the client of a number; one that fails is counted and tried again later."""
        first = number * self.load.items % self.load.nodes
        try:
            member = Member(self.load, first, self.totals, named=number % 2 == 0)
        except (BrokenError, OSError) as error:
            self._failed(number, error)
            return
        self.members[number] = member
        self.selector.register(member.link.socket, selectors.EVENT_READ, number)

    def _failed(self, number: int, error: Exception) -> None:
        if len(self.totals.errors) < SHOWN_ERRORS:
            self.totals.errors.append(f"client {number}: {type(error).__name__}: {error}")

    def turn(self) -> None:
        """Take what has come."""
        if not self.selector.select(TURN_S):
            return
        time.sleep(BATCH_S)
        for key, _ in self.selector.select(0):
            member = self.members[key.data]
            if member is None:
                continue
            try:
                member.receive()
            except (BrokenError, OSError) as error:
                self._failed(key.data, error)
                self._forget(key.data)
                member.link.socket.close()

    def _forget(self, number: int) -> None:
        member = self.members[number]
        if member is not None:
            self.selector.unregister(member.link.socket)
        self.members[number] = None

    def churn(self, step: int) -> None:
        """One client goes, politely or without a word, and another comes; now and then one moves or hands over."""
        if self.fill():
            return
        number = random.randrange(len(self.members))
        if step % 5 == 4:
            number -= number % 2  # a named one
        member = self.members[number]
        if member is None:
            return
        self._forget(number)
        try:
            if step % 10 == 4:
                member.taken_over()
            elif step % 10 == 9:
                member.moved()
            elif step % 2:
                member.leave()
            else:
                member.vanish()
        except (BrokenError, OSError) as error:
            self._failed(number, error)
            member.link.socket.close()
        else:
            if step % 5 == 4:
                self.members[number] = member
                self.selector.register(member.link.socket, selectors.EVENT_READ, number)
                return
        self._fill(number)

    def report(self) -> dict[str, Any]:
        """The sums so far; ages since the last report."""
        totals = self.totals
        found = {name: value for name, value in vars(totals).items() if name != "ages"}
        found["age_p99_ms"] = quantile(totals.ages, 0.99)
        found["age_max_ms"] = max(totals.ages, default=0.0)
        found["members"] = sum(member is not None for member in self.members)
        found["client_cpu_s"] = time.process_time()
        totals.ages.clear()
        return found

    def close(self) -> None:
        """All leave."""
        for member in self.members:
            if member is not None:
                member.link.socket.close()
        self.selector.close()


def main() -> None:
    """Run for the seconds asked for."""
    asked = json.load(sys.stdin)
    crowd = Crowd(Load(**asked["load"]), asked["sessions"])
    begun = now = time.monotonic()
    reported, churned, step = now, now, 0
    try:
        for _ in range(asked["sessions"]):
            # One after another while the others are served, so that no queue runs over.
            crowd.fill()
            crowd.turn()
        while now - begun < asked["seconds"]:
            crowd.turn()
            now = time.monotonic()
            if now - churned >= asked["churn_s"]:
                churned = now
                crowd.churn(step)
                step += 1
            if now - reported >= REPORT_S:
                reported = now
                print(json.dumps(crowd.report()), flush=True)
    finally:
        crowd.close()


if __name__ == "__main__":
    main()
