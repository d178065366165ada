"""The flow of the server: see `flow.py`."""

from server.pipeline.flow import Pipeline
from server.pipeline.ports import (
    AlarmJudge,
    AlarmSink,
    BusinessLogic,
    CommandSender,
    DurableSink,
    Guard,
    Inlet,
    LatestSink,
    PointSink,
    SiteRecords,
    WriteHooks,
)

__all__ = [
    "AlarmJudge",
    "AlarmSink",
    "BusinessLogic",
    "CommandSender",
    "DurableSink",
    "Guard",
    "Inlet",
    "LatestSink",
    "Pipeline",
    "PointSink",
    "SiteRecords",
    "WriteHooks",
]
