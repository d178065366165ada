"""Runs a METHOD step by step: no I/O, no clock; what needs the outside becomes a request."""

from __future__ import annotations

from server.fdi.methods.outcome import Aborted, Commit, Failed, Finished, Outcome, Running, Waiting

__all__ = ["Aborted", "Commit", "Failed", "Finished", "Outcome", "Running", "Waiting"]
