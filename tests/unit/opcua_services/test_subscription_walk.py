"""Random walks over one subscription beside a simple model: nothing lost, order and sequence numbers kept."""

from __future__ import annotations

from collections import deque
from typing import Any

from asyncua import ua
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.kit.subscriptions import SubscriptionRig, changes, item

S = ua.StatusCodes
OVERFLOW = 0x480
INTERVAL_MS = 100.0
MOST = 7
"""Notifications per message."""


class ModelItem:
    """A monitored item as the standard describes it, sampled at every change."""

    def __init__(self, handle: int, node: int, size: int, oldest: bool, mode: int) -> None:
        self.handle = handle
        self.node = node
        self.size = size
        self.oldest = oldest
        self.mode = mode
        self.last: float | None = None
        self.queue: deque[tuple[float, int]] = deque()

    def sample(self, value: float) -> None:
        """A change of the node, or its first value."""
        if self.mode == 0 or value == self.last:
            return
        self.last = value
        if len(self.queue) < self.size:
            self.queue.append((value, 0))
        elif self.size == 1:
            self.queue[0] = (value, 0)
        elif self.oldest:
            self.queue.popleft()
            self.queue.append((value, 0))
            self.queue[0] = (self.queue[0][0], OVERFLOW)
        else:
            self.queue[-1] = (value, OVERFLOW)


class Walk(RuleBasedStateMachine):
    """Changes, time, Publish, acknowledgements, modes, modified and deleted items in any order."""

    items: dict[int, ModelItem]

    @initialize()
    def start(self) -> None:
        self.rig = SubscriptionRig()
        self.client = self.rig.client()
        self.nodes = [self.rig.variable(number, 0.0) for number in range(3)]
        self.values = [0.0, 0.0, 0.0]
        self.number = self.client.subscribe(INTERVAL_MS, keep_alive=3, lifetime=1_000_000, most=MOST).SubscriptionId
        self.items = {}
        self.waiting: list[int] = []
        self.expected_sequence = 1
        self.unacknowledged: dict[int, Any] = {}
        self.next_handle = 1

    @rule(node=st.integers(0, 2), value=st.integers(0, 5))
    def change(self, node: int, value: int) -> None:
        self.rig.put(self.nodes[node], float(value))
        if self.values[node] != value:
            self.values[node] = float(value)
            for each in self.items.values():
                if each.node == node:
                    each.sample(float(value))

    @rule(
        node=st.integers(0, 2),
        size=st.integers(1, 4),
        oldest=st.booleans(),
        mode=st.sampled_from((0, 1, 2, 2)),
    )
    def create(self, node: int, size: int, oldest: bool, mode: int) -> None:
        handle, self.next_handle = self.next_handle, self.next_handle + 1
        (result,) = self.client.monitor(
            self.number, item(self.nodes[node].key, handle, queue=size, oldest=oldest, mode=mode)
        )
        assert result.StatusCode.value == 0
        made = self.items[int(result.MonitoredItemId)] = ModelItem(handle, node, size, oldest, mode)
        made.sample(self.values[node])

    @precondition(lambda self: self.items)
    @rule(data=st.data(), mode=st.integers(0, 2))
    def set_mode(self, data: st.DataObject, mode: int) -> None:
        item_id = data.draw(st.sampled_from(sorted(self.items)))
        request = ua.SetMonitoringModeRequest()
        request.Parameters.SubscriptionId = self.number
        request.Parameters.MonitoringMode = ua.MonitoringMode(mode)
        request.Parameters.MonitoredItemIds = [item_id]
        assert self.client.ask(request).Parameters.Results[0].value == 0
        each = self.items[item_id]
        if mode == 0:
            each.queue.clear()
            each.last = None
        each.mode = mode
        if each.last is None:
            each.sample(self.values[each.node])

    @precondition(lambda self: self.items)
    @rule(data=st.data(), oldest=st.booleans(), more=st.integers(0, 2))
    def modify(self, data: st.DataObject, oldest: bool, more: int) -> None:
        item_id = data.draw(st.sampled_from(sorted(self.items)))
        each = self.items[item_id]
        each.size += more  # a queue that shrinks is the wire's own matter
        each.oldest = oldest
        each.handle, self.next_handle = self.next_handle, self.next_handle + 1
        request = ua.ModifyMonitoredItemsRequest()
        request.Parameters.SubscriptionId = self.number
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.ItemsToModify = [
            ua.MonitoredItemModifyRequest(
                item_id, ua.MonitoringParameters(each.handle, 0.0, None, each.size, each.oldest)
            )
        ]
        assert self.client.ask(request).Results[0].StatusCode.value == 0

    @precondition(lambda self: self.items)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        item_id = data.draw(st.sampled_from(sorted(self.items)))
        request = ua.DeleteMonitoredItemsRequest()
        request.Parameters.SubscriptionId = self.number
        request.Parameters.MonitoredItemIds = [item_id]
        assert self.client.ask(request).Results[0].value == 0
        del self.items[item_id]

    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        acknowledged = (
            data.draw(st.lists(st.sampled_from(sorted(self.unacknowledged)), unique=True, max_size=3))
            if (self.unacknowledged)
            else []
        )
        for sequence in acknowledged:
            del self.unacknowledged[sequence]
        self.waiting.append(self.client.publish(*((self.number, sequence) for sequence in acknowledged)))
        self.receive()

    @rule(intervals=st.integers(1, 3))
    def wait(self, intervals: int) -> None:
        for _ in range(intervals):
            self.rig.run(INTERVAL_MS, step_ms=INTERVAL_MS)
            self.receive()

    @precondition(lambda self: self.unacknowledged)
    @rule(data=st.data())
    def republish(self, data: st.DataObject) -> None:
        sequence = data.draw(st.sampled_from(sorted(self.unacknowledged)))
        request = ua.RepublishRequest()
        request.Parameters = ua.RepublishParameters(self.number, sequence)
        assert self.client.ask(request).NotificationMessage == self.unacknowledged[sequence]

    def receive(self) -> None:
        """Compare every answer with what the model has queued."""
        while self.waiting and (result := self.client.published(self.waiting[0])) is not None:
            self.waiting.pop(0)
            message = result.NotificationMessage
            assert message.SequenceNumber == self.expected_sequence
            got = changes(result)
            if not message.NotificationData:
                continue
            assert 0 < len(got) <= MOST
            self.expected_sequence += 1
            self.unacknowledged[message.SequenceNumber] = message
            assert list(result.AvailableSequenceNumbers) == list(self.unacknowledged)
            by_handle = {each.handle: each for each in self.items.values()}
            for handle, value, status in got:
                each = by_handle[handle]
                assert each.mode == 2
                assert each.queue, f"{value} of item {handle} was sent twice"
                assert each.queue.popleft() == (value, status)
            assert result.MoreNotifications == any(each.queue for each in self.items.values() if each.mode == 2)

    @invariant()
    def queues_agree(self) -> None:
        entries = getattr(self, "items", None)
        if entries is not None:
            subscription = self.rig.engine.subscriptions[self.number]
            assert set(subscription.items) == set(entries)
            for item_id, each in entries.items():
                assert len(subscription.items[item_id].item.waiting()) == len(each.queue)  # type: ignore[union-attr]
            assert subscription.disabled_item_count == sum(each.mode == 0 for each in entries.values())

    def teardown(self) -> None:
        """What is left comes out: nothing is lost."""
        if not hasattr(self, "rig"):
            return
        for _ in range(20):
            self.waiting.append(self.client.publish())
            self.rig.run(INTERVAL_MS, step_ms=INTERVAL_MS)
            self.receive()
        assert not any(each.queue for each in self.items.values() if each.mode == 2)


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
