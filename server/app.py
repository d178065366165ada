"""The composition root: the only file that sees every room. It wires, starts in order and stops in reverse."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
from collections.abc import Awaitable, Callable, Mapping

import structlog

from bridge.codec import CodecLimits
from bridge.embedded import EmbeddedBroker
from bridge.intake import Bridge
from bridge.rehearsal import rehearse
from bridge.sources.mqtt import MqttSource
from bridge.sources.mqtt_listener import MqttListener
from bridge.sources.mqtt_options import MqttOptions
from server.alarms.engine import AlarmEngine
from server.alarms.measures import as_metrics
from server.alarms.performance import Guide
from server.alarms.rule_service import RuleService
from server.alarms.rules import AlarmRules
from server.alarms.self_watch import SelfWatch
from server.alarms.server_device import (
    PLACE,
    SERVER_DEVICE,
    SERVER_TYPE,
    SERVER_TYPE_ID,
)
from server.alarms.watch import PerformanceWatch
from server.console.feed import Feed
from server.core.clock import SECOND, Clock, SystemClock, TimeUs
from server.core.errors import ConfigurationError, IntegrationError
from server.core.values import DeviceId
from server.database.site import SiteDatabase
from server.fdi.archive import ContainerLimits
from server.fdi.assignment import TypeAssignments
from server.fdi.draft.limits import DraftLimits
from server.fdi.draft.service import DraftService
from server.fdi.runtime import FdiRuntime
from server.fdi.service import PackageService
from server.fdi.store import PackageStore
from server.fdi.trust import policy_of
from server.history.ages import AgeBook
from server.history.keeper import Keeper
from server.history.reader import HistoryReader
from server.history.recorder import Recorder
from server.history.stores import open_store
from server.history.thinning import Thinning, deadband_of
from server.model.layout import load_layout
from server.model.plant import Plant
from server.notify.courier import Courier
from server.opcua.server import OpcUaServer
from server.opcua.test_nodes import TEST, TEST_TYPE
from server.ops.instance import DataFolder, RunningServer
from server.ops.long_lived import LongLived
from server.ops.loop import LoopLag
from server.ops.ports import require_free
from server.pipeline import Pipeline
from server.pipeline.flow import TICK_S
from server.security.pki import CertificateFolder
from server.security.sessions import Sessions
from server.security.users import Accounts
from server.settings import AlarmSettings, Settings

log = structlog.get_logger("fieldloom")
PRUNE_S = 3_600.0
"""How often old events of alarms are forgotten."""
Stop = Callable[[], Awaitable[None]]


class Server:
    """One Fieldloom server on one data folder."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._stops: list[tuple[str, Stop]] = []
        self._lag = LoopLag()
        self.opcua_url = ""
        self.http_url = ""
        self.mqtt_url = ""
        self.accounts_file = settings.data_dir / "accounts.json"

    # -- start

    async def start(self) -> None:
        """Bring everything up, or nothing: what had started is stopped again.

        Raises:
            InUseError: the data folder or a port belongs to another process.
            ConfigurationError: plant file, NodeSets, certificates or databases cannot be used.
        """
        # What a start makes stays: looking for garbage in it again and again costs a tenth of the start.
        gc.disable()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        finally:
            gc.enable()

    async def _start(self) -> None:
        settings, clock = self._settings, self._clock
        layout = load_layout(settings.plant_file)
        self._check_ports()
        folder = DataFolder(settings.data_dir)
        self._on_stop("data folder", _plain(folder.release))
        if not any(settings.nodesets_dir.glob("*.xml")):
            raise ConfigurationError(
                [
                    f"nodesets_dir {settings.nodesets_dir} holds no NodeSets; run `fieldloom nodeset build`, or name "
                    "the folder that has them: FIELDLOOM_NODESETS_DIR"
                ],
                what="NodeSets",
            )
        self._site = await asyncio.to_thread(SiteDatabase, settings.data_dir / "site.db")
        self._on_stop("site database", _plain(self._site.close))
        accounts = Accounts(self._site, settings.data_dir, clock)
        self.accounts_file = await asyncio.to_thread(accounts.ensure_demo_accounts)
        store = await asyncio.to_thread(open_store, settings.history, settings.data_dir)
        deadbands = deadband_of(settings.history.deadband_of, self._type_of, self._is_stepped)
        self._recorder = Recorder(store, settings.history, settings.data_dir, clock, thinning=Thinning(deadbands))
        await self._recorder.start()
        self._on_stop("historian", self._recorder.stop)
        ages = AgeBook(settings.history, self._type_of)
        self._keeper = Keeper(store, settings.history, ages, clock)
        self._keeper.start()
        self._on_stop("history upkeep", self._keeper.stop)
        reader = HistoryReader(store, self._recorder, ages, clock, deadbands)

        self._plant = Plant(
            layout=layout,
            max_devices=settings.pipeline.max_devices,
            future_tolerance_s=settings.pipeline.future_tolerance_s,
        )
        rules = AlarmRules(self._plant)
        self._rules = RuleService(rules, self._site, self._site.audit, clock)
        await self._rules.load()
        self._engine = AlarmEngine(
            self._plant,
            declared=rules.specs_of,
            branches=settings.alarms.branches,
            max_time_shelved_s=settings.alarms.max_time_shelved_s,
            severities=settings.alarms.severities,
        )
        self._courier = Courier(settings.notify, self._site, self._plant, self._engine.spec, clock)
        self._site.on_alarms.append(self._courier.take)
        await self._courier.load()
        self._performance = PerformanceWatch(clock, _guide(settings.alarms))
        self._feed = Feed()
        self._fdi = FdiRuntime(self._plant, clock, settings.fdi, self._site, self._site.audit)
        await self._fdi.load()
        self._on_stop("FDI", self._fdi.stop)
        self._opcua = OpcUaServer(
            settings.opcua,
            plant=self._plant,
            certificates=CertificateFolder(settings.certs_dir, clock, rejected_limit=settings.security.rejected_limit),
            namespaces=self._site,
            nodesets=settings.nodesets_dir,
            verify=accounts.verify,
            role_of=accounts.role_of,
            clock=clock,
            page_rows=settings.history.page_rows,
            limits=settings.limits,
            cache=settings.data_dir / "cache",
            audit=self._site.audit,
            fdi=self._fdi,
            network=self._network,
            journal=self._site,
            performance=lambda: self._performance.snapshot,
            metrics=self._performance.metrics,
            deadbands=settings.history.deadband_of,
            archive_from=lambda: self._keeper.archive_from,
        )
        self._pipeline = Pipeline(
            plant=self._plant,
            clock=clock,
            points=[self._opcua, self._fdi],
            alarms=self._engine,
            alarm_sinks=[self._opcua, self._feed, self._performance],
            history=self._recorder,
            feeds=[self._feed],
            sender=self,
            records=self._site,
            command_timeout_s=settings.pipeline.command_timeout_s,
            logic=self._fdi.live,
            guard=self._fdi.locks,
        )
        self._on_stop("pipeline", self._pipeline.stop)
        self._on_stop("OPC UA", self._opcua.stop)  # stops first: nobody begins anything any more
        self._self_watch = SelfWatch(
            _Health(self),
            settings.data_dir,
            clock,
            offer=self._pipeline.offer,
            service_level=self._opcua.set_service_level,
        )
        self._fdi.attach(self._pipeline)
        self._rules.attach(self._pipeline)
        await self._opcua.prepare(self._pipeline, reader, self.counters)
        await self._start_bridge()
        await self._start_packages()
        await self._restore()
        await self._opcua.start()
        self.opcua_url = self._opcua.url
        await self._start_console(accounts, reader, folder)
        log.info("started", opcua=self.opcua_url, http=self.http_url, mqtt=self._broker_name())

    def _type_of(self, device_id: str) -> str | None:
        device = self._plant.devices.get(DeviceId(device_id))
        return None if device is None else device.device_type.type_id

    def _is_stepped(self, device_id: str, parameter: str) -> bool:
        device = self._plant.devices.get(DeviceId(device_id))
        spec = None if device is None else device.device_type.parameters.get(parameter)
        return spec is None or spec.data_type.stepped

    def _check_ports(self) -> None:
        settings = self._settings
        require_free(settings.opcua.host, settings.opcua.port, "OPC UA", "FIELDLOOM_OPCUA__PORT")
        require_free(settings.http.host, settings.http.port, "HTTP", "FIELDLOOM_HTTP__PORT")
        if not settings.mqtt.url:
            require_free("127.0.0.1", settings.mqtt.port, "MQTT", "FIELDLOOM_MQTT__PORT")

    async def _start_bridge(self) -> None:
        mqtt = self._settings.mqtt
        self._broker: EmbeddedBroker | None = None
        if mqtt.url:
            self.mqtt_url = mqtt.url
        else:
            self._broker = EmbeddedBroker(mqtt.port, mqtt.payload_limit_bytes)
            self._on_stop("MQTT broker", self._broker.stop)
            await self._broker.start()
            self.mqtt_url = self._broker.url
        options = MqttOptions(
            url=self.mqtt_url,
            client_id=mqtt.client_id,
            ca_file=mqtt.ca_file,
            cert_file=mqtt.cert_file,
            key_file=mqtt.key_file,
            session_expiry_s=mqtt.session_expiry_s,
            receive_maximum=mqtt.receive_maximum,
            payload_limit_bytes=mqtt.payload_limit_bytes,
            keepalive_s=mqtt.keepalive_s,
        )
        limits = CodecLimits(
            payload_bytes=mqtt.payload_limit_bytes, future_s=self._settings.pipeline.future_tolerance_s
        )
        self._bridge = Bridge(
            MqttSource(options, self._clock),
            [],
            inlet=self._pipeline.offer,
            answered=self._pipeline.answered,
            clock=self._clock,
            limits=limits,
        )
        packages = self._settings.packages
        self._drafts = DraftService(
            MqttListener(options, self._clock).listen,
            lambda binding, messages: rehearse(binding, messages, limits),
            audit=self._site.audit,
            clock=self._clock,
            limits=DraftLimits(
                messages=packages.draft_messages,
                sample_bytes=packages.draft_bytes,
                payload_bytes=mqtt.payload_limit_bytes,
            ),
            at_once=packages.drafts,
            longest_s=packages.draft_s,
        )
        self._on_stop("drafts", self._drafts.close)

    async def _start_packages(self) -> None:
        limits = self._settings.packages
        store = PackageStore(
            self._settings.data_dir / "packages",
            ContainerLimits(
                max_bytes=limits.max_bytes,
                max_unpacked_bytes=limits.max_unpacked_bytes,
                max_ratio=limits.max_ratio,
                max_parts=limits.max_parts,
            ),
            policy_of(self._settings, self._clock),
        )
        refused = list(await asyncio.to_thread(store.load))
        _, more = await asyncio.to_thread(store.load_builtin, self._settings.packages_dir)
        for entry in (*refused, *more):
            log.error("package_refused", file=str(entry.path), reason=str(entry.error))
        self._assignments = TypeAssignments(
            self._plant, self._pipeline, self._bridge, self._site, self._fdi.locks, self._site.audit, self._clock
        )
        await self._assignments.load()
        self._packages = PackageService(
            store,
            self._pipeline,
            bindings_changed=self._bridge.update_bindings,
            audit=self._site.audit,
            clock=self._clock,
            show_others=self._opcua.show_others,
            followed=self._assignments.settle,
        )
        await self._packages.start()

    async def _restore(self) -> None:
        if self._settings.opcua.test_nodes:
            await self._pipeline.install(TEST_TYPE)
            self._plant.restore(DeviceId(TEST), TEST, (TEST,), self._clock.now())
        await self._pipeline.install(SERVER_TYPE)
        await self._pipeline.restore([(SERVER_DEVICE, SERVER_TYPE_ID, PLACE, self._clock.now(), {})])
        rows = await asyncio.to_thread(self._site.devices)
        known = [
            (row.device_id, row.type_id, row.path, row.created_at, dict(row.attributes))
            for row in rows
            if row.type_id not in (TEST, SERVER_TYPE_ID)
        ]
        devices = await self._pipeline.restore(known)
        await self._assignments.settle()
        await self._fdi.settle()
        states = await asyncio.to_thread(self._site.alarms)
        lost = self._engine.lost(states, self._clock.now())
        alarms = self._engine.restore(states)
        changed = self._engine.reconcile(self._clock.now())
        if lost or changed:
            await asyncio.to_thread(self._site.save_alarms, [*lost, *changed])
        await self._performance.load(self._site, (state for state in states if self._engine.spec(state.condition_id)))
        # Nodes live as long as the server: the collector need not walk a hundred thousand of them again and again.
        gc.freeze()
        log.info("restored", devices=devices, retained_alarms=alarms, ended_alarms=len(lost))

    async def _start_console(self, accounts: Accounts, reader: HistoryReader, folder: DataFolder) -> None:
        # Pages and routes are the larger half of what this process imports; OPC UA clients need not wait for them.
        for name in ("server.console.api", "server.console.context", "server.console.server"):
            await asyncio.to_thread(importlib.import_module, name)
        from server.console.api import create_app
        from server.console.context import ConsoleContext
        from server.console.server import ConsoleServer

        settings, clock = self._settings, self._clock
        sessions = Sessions(clock, settings.http.session_s, settings.http.login_attempts)
        context = ConsoleContext(
            pipeline=self._pipeline,
            plant=self._plant,
            packages=self._packages,
            assignments=self._assignments,
            drafts=self._drafts,
            history=reader,
            accounts=accounts,
            sessions=sessions,
            feed=self._feed,
            health=self.health,
            metrics=self.counters,
            performance=lambda: self._performance.snapshot,
            rules=self._rules,
            notifications=self._courier,
            journal=self._site,
            severities=settings.alarms.severities,
            audit=self._site.audit,
            settings=settings.http,
            clock=clock,
            data_dir=settings.data_dir,
        )
        console = ConsoleServer(create_app(context), settings.http.host, settings.http.port)
        self._on_stop("console", console.stop)
        await console.start()
        self.http_url = console.url
        token = sessions.open("fieldloom", "admin", "cli", "127.0.0.1").token
        folder.announce(RunningServer(os.getpid(), self.opcua_url, self.http_url, self._broker_name(), token))

    def _broker_name(self) -> str:
        """The broker's address without a password."""
        return MqttOptions(url=self.mqtt_url).broker

    # -- run

    async def run_until(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set or a task ends by an error, which is raised."""
        asked = asyncio.ensure_future(stop.wait())
        work = asyncio.ensure_future(self._work())
        try:
            await asyncio.wait({asked, work}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            asked.cancel()
            work.cancel()
            await asyncio.gather(asked, work, return_exceptions=True)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bridge.run())
            group.create_task(self._opcua.run())
            group.create_task(self._fdi.run())
            group.create_task(self._lag.run())
            group.create_task(self._tick())
            group.create_task(self._prune_journal())
            group.create_task(self._courier.run())
            group.create_task(self._self_watch.run())

    async def _tick(self) -> None:
        # A first start ends without devices: theirs come with their messages.
        long_lived = LongLived(lambda: len(self._plant.devices))
        while True:
            await asyncio.sleep(TICK_S)
            await self._pipeline.tick()
            long_lived.look()

    async def _prune_journal(self) -> None:
        """Forget events of alarms that are older than they have to be kept, a part at a time."""
        kept = self._settings.alarms.journal_days * 86_400 * SECOND
        while True:
            try:
                gone = await asyncio.to_thread(self._site.prune_journal, self._clock.now() - kept)
            except IntegrationError as error:  # a full disk: there is nothing to be gained by ending for it
                log.warning("journal_not_pruned", reason=error.text)
                gone = 0
            await asyncio.sleep(1.0 if gone else PRUNE_S)

    # -- stop

    def _on_stop(self, name: str, stop: Stop) -> None:
        self._stops.append((name, stop))

    async def stop(self) -> None:
        """Stop in reverse order of the start; one that fails does not keep the others up."""
        while self._stops:
            name, stop = self._stops.pop()
            try:
                await stop()
            except Exception:
                # The one supervisor that may catch everything: the rest still has to stop.
                log.exception("stop_failed", what=name)

    # -- what others ask

    async def send_command(
        self, type_id: str, device_id: str, command_id: str, name: str, params: dict[str, object]
    ) -> None:
        """Carry a command to its device; see `Bridge.send_command`."""
        await self._bridge.send_command(type_id, device_id, command_id, name, params)

    def _network(self) -> tuple[bool, str]:
        """Whether the broker is connected, and its address."""
        if not hasattr(self, "_bridge"):
            return False, ""
        return bool(self._bridge.health()["connected"]), self._broker_name()

    def counters(self) -> Mapping[str, int | float]:
        """All counters, for nodes and metrics."""
        found: dict[str, int | float] = dict(self._pipeline.counters())
        found |= self._recorder.counters() | self._keeper.counters()
        if hasattr(self, "_bridge"):
            found |= self._bridge.counters()
        found |= self._feed.counters()
        found |= as_metrics(self._performance.snapshot)
        found |= self._courier.counters()
        found["opcua_sessions"] = self._opcua.sessions
        found["loop_lag_s"] = round(self._lag.worst_s, 4)
        return found

    def health(self) -> dict[str, dict[str, object]]:
        """Each dependency with ok and facts."""
        mqtt = dict(self._bridge.health())
        return {
            "mqtt": {"ok": bool(mqtt.pop("connected")), **mqtt},
            "history": dict(self._recorder.health()),
            "history_upkeep": dict(self._keeper.health()),
            "opcua": {"ok": bool(self.opcua_url), "url": self.opcua_url, "sessions": self._opcua.sessions},
            "loop": {"ok": self._lag.worst_s < 1.0, "worst_lag_s": round(self._lag.worst_s, 4)},
        }


class _Health:
    """What the server knows of itself (`server.alarms.self_watch.Health`)."""

    def __init__(self, app: Server) -> None:
        self._app = app

    def broker(self) -> bool:
        return self._app._network()[0]

    def historian(self) -> bool:
        return bool(self._app._recorder.health()["ok"] and self._app._keeper.health()["ok"])

    def loop_lag_s(self) -> float:
        return self._app._lag.worst_s

    def channels_failing(self) -> int:
        return sum(not channel["ok"] for channel in self._app._courier.channels())

    def alarms_not_kept(self) -> int:
        return int(self._app._pipeline.counters()["alarm_events_not_kept"])

    def history(self) -> Mapping[str, int | float]:
        return self._app._recorder.counters()

    def certificate_until(self) -> TimeUs | None:
        return self._app._opcua.certificate_until

    def certificate(self) -> bytes:
        return self._app._opcua.certificate


def _plain(function: Callable[[], object]) -> Stop:
    async def stop() -> None:
        await asyncio.to_thread(function)

    return stop


def _guide(settings: AlarmSettings) -> Guide:
    return Guide(
        operators=settings.operators,
        flood_begins=settings.flood_begins,
        flood_ends=settings.flood_ends,
        chattering=settings.chattering,
        chattering_s=settings.chattering_s,
        fleeting_s=settings.fleeting_s,
        stale_s=settings.stale_s,
    )
