"""The flow of the server: see `flow.py`."""

from server.pipeline.flow import Pipeline
from server.pipeline.ports import (
    AlarmJudge,
    AlarmSink,
    CommandSender,
    DurableSink,
    Inlet,
    LatestSink,
    PointSink,
    SiteRecords,
)

__all__ = [
    "AlarmJudge",
    "AlarmSink",
    "CommandSender",
    "DurableSink",
    "Inlet",
    "LatestSink",
    "Pipeline",
    "PointSink",
    "SiteRecords",
]
