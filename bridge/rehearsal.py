"""A dry run: what messages would become for one device type, by the same router and codec as live traffic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import bridge.codecs
from bridge.codec import Codec, CodecLimits, PayloadError
from bridge.routing import Kind, Router
from server.core.binding import DeviceBinding
from server.core.errors import ConfigurationError
from server.core.plugins import discover
from server.core.rehearsal import Problem, Rehearsed
from server.core.values import RawMessage


def rehearse(
    binding: DeviceBinding, messages: Iterable[RawMessage], limits: CodecLimits | None = None
) -> list[Rehearsed]:
    """Each message and what it would become; nothing is kept or sent.

    Raises:
        ConfigurationError: the binding names a codec that does not exist, or a topic that is none.
    """
    codec = cast(dict[str, Codec], discover(bridge.codecs, "CODEC")).get(binding.codec)
    if codec is None:
        raise ConfigurationError([f"{binding.type_id}: no codec {binding.codec!r}"], what="bindings")
    try:
        router = Router([binding])
    except ValueError as error:
        raise ConfigurationError([str(error)], what="bindings") from None
    return list(_each(router, codec, messages, limits or CodecLimits()))


def _each(router: Router, codec: Codec, messages: Iterable[RawMessage], limits: CodecLimits) -> Iterator[Rehearsed]:
    for message in messages:
        route = router.route(message.topic)
        if route is None:
            yield Rehearsed(message, problems=(Problem("unknown_topic"),))
        elif route.kind is Kind.RESPONSE or route.row is None:
            yield Rehearsed(message, route.binding.response_topic, problems=(Problem("answer_of_a_command"),))
        elif route.row.count_only:
            yield Rehearsed(message, route.row.topic, counted_only=True)
        else:
            try:
                decoded = codec.decode(message, route, limits)
            except PayloadError as problem:
                yield Rehearsed(message, route.row.topic, problems=(_problem(problem),))
                continue
            yield Rehearsed(
                message,
                route.row.topic,
                measurements=tuple(decoded.measurements),
                problems=tuple(map(_problem, decoded.problems)),
                unit_mismatches=decoded.unit_mismatches,
                without_values=decoded.empty,
            )


def _problem(error: PayloadError) -> Problem:
    return Problem(error.reason, error.path, error.expected)
