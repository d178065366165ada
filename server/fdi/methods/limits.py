"""Every bound a running METHOD meets, with its default and unit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MethodLimits:
    """Bounds of one run; crossing one ends it with Failed, never with an exception or a long wait."""

    steps: int = 1_000_000  # instructions executed in all, those of abort methods apart
    slice_steps: int = 2_000  # instructions between two looks at the rest of the server; under 5 ms
    abort_steps: int = 100_000  # instructions of all abort methods together
    abort_methods: int = 64  # registered at one time
    abort_requests: int = 100  # dialogs and communications of all abort methods together
    memory_bytes: int = 4 * 1024 * 1024  # locals of all active METHODs: strings and arrays
    call_depth: int = 32  # METHODs calling one another
    string_bytes: int = 64 * 1024  # one string
    requests: int = 10_000  # dialogs, waits and communications in all
    log_entries: int = 1_000  # of LOG_MESSAGE
    retries: int = 10  # repetitions of one communication that a RETRY_ON_… asks for
    seconds: float = 600.0  # all waits of DELAY together; the runner bounds the whole run by it, too


DEFAULT_METHOD_LIMITS = MethodLimits()
