"""`python -m simulator`: reads the arguments, builds the plant, publishes until stopped."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import threading
from collections.abc import Sequence

from simulator import fleet, scenario
from simulator.broker import BrokerError, parse_broker
from simulator.clock import MICROSECONDS, SystemClock
from simulator.publisher import Publisher
from simulator.simulation import Simulation

PASSWORD_VARIABLE = "FIELDLOOM_SIMULATOR_PASSWORD"  # noqa: S105  # the name, not the secret


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 after a stop by signal or at the end of the duration, 2 for arguments that cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        broker = parse_broker(options.broker, os.environ.get(PASSWORD_VARIABLE))
        counts = _counts(options.devices)
        periods_s = _periods(options.period)
        script = None if options.no_scenario else scenario.load(options.scenario)
        clock = SystemClock()
        start_us = clock.now_us()
        simulation = Simulation(
            fleet.build(counts, options.seed),
            start_us=start_us,
            seed=options.seed,
            speed=options.speed,
            scenario=script,
            periods_s=periods_s,
        )
        publisher = Publisher(simulation, broker, clock, seed=options.seed)
    except (BrokerError, fleet.FleetError, scenario.ScenarioError, ArgumentsError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"simulator: a TLS file cannot be used: {error}", file=sys.stderr)
        return 2
    _say(f"{_fleet_text(counts)} to {broker}, scenario {script.name if script else 'none'}, speed {options.speed:g}")
    if simulation.absent:
        _say(f"not in this fleet, their steps are left out: {', '.join(simulation.absent)}")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    until_us = None if options.duration is None else start_us + round(options.duration * MICROSECONDS)
    publisher.run(stop, until_us)
    counters = simulation.counters
    _say(
        f"stopped after {publisher.published} messages ({counters.telemetry} telemetry, {counters.backfilled} rows "
        f"back-filled, {counters.commands} commands answered); lost: {counters.unsent} without link, "
        f"{counters.swallowed} by fault, {counters.skipped} while standing still, {publisher.refused} refused"
    )
    return 0


class ArgumentsError(Exception):
    """An argument cannot be used; the text says which and why."""


def _parser() -> argparse.ArgumentParser:
    demo = ", ".join(f"{kind}={count}" for kind, count in fleet.DEMO.items())
    parser = argparse.ArgumentParser(prog="python -m simulator", description="A plant that talks MQTT.")
    parser.add_argument(
        "--broker",
        default="mqtt://127.0.0.1:1883",
        metavar="URL",
        help="mqtt[s]://[user[:password]@]host[:port][?ca=FILE&cert=FILE&key=FILE]; the password may also stand in "
        f"the environment as {PASSWORD_VARIABLE} (default: %(default)s)",
    )
    parser.add_argument(
        "--devices",
        action="append",
        default=[],
        metavar="KIND=N",
        help=f"so many of a kind, repeatable; kinds not named get none. The word demo stands for {demo}, "
        "single kinds after it replace its numbers (default: demo)",
    )
    parser.add_argument(
        "--speed",
        type=_positive,
        default=1.0,
        help="plant seconds per second: physics, periods, scenarios (default: 1)",
    )
    parser.add_argument(
        "--scenario",
        default="demo",
        metavar="NAME",
        help=f"{', '.join(scenario.names())} or a .toml file (default: %(default)s)",
    )
    parser.add_argument("--no-scenario", action="store_true", help="nothing goes wrong")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same plant (default: 0)")
    parser.add_argument(
        "--period",
        action="append",
        default=[],
        metavar="[KIND=]SECONDS",
        help="between two messages of a device, for all or one kind, repeatable (default: engine, breaker, loom 1; "
        "sensor 2; asset 5)",
    )
    parser.add_argument("--duration", type=_positive, metavar="SECONDS", help="stop by itself (default: never)")
    return parser


def _positive(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _counts(texts: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for text in texts or ["demo"]:
        kind, separator, number = text.partition("=")
        if text == "demo":
            counts = {**counts, **fleet.DEMO}
        elif separator and number.isdecimal() and len(number) < 8:
            counts[kind] = int(number)
        else:
            raise ArgumentsError(f"--devices {text}: write KIND=N, for one loom=100, or demo")
    return counts


def _periods(texts: Sequence[str]) -> dict[str, float]:
    periods: dict[str, float] = {}
    for text in texts:
        kind, separator, number = text.rpartition("=")
        try:
            seconds = _positive(number)
        except (ValueError, argparse.ArgumentTypeError) as error:
            raise ArgumentsError(f"--period {text}: write SECONDS or KIND=SECONDS, above 0") from error
        if separator and kind not in fleet.MAKERS:
            raise ArgumentsError(f"--period {text}: unknown kind; there are: {', '.join(fleet.MAKERS)}")
        periods.update(dict.fromkeys([kind] if separator else fleet.MAKERS, seconds))
    return periods


def _fleet_text(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}s" for kind, count in counts.items() if count)


def _say(text: str) -> None:
    print(f"simulator: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
