"""The simulator against a real broker: it publishes, obeys over MQTT 5, comes back after an outage, stops when told."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from simulator import fleet
from simulator.broker import Broker
from simulator.clock import SystemClock
from simulator.publisher import Publisher
from simulator.simulation import Simulation
from tests.kit.parts import require
from tests.kit.ports import kept_port

pytestmark = pytest.mark.interop

LIMIT_S = 45.0


class Mosquitto:
    """One broker process on a port of its own; it can be stopped and started again."""

    def __init__(self, folder: Path, extra: str = "allow_anonymous true\n") -> None:
        self._program = require("mosquitto")
        self.port = kept_port()
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(f"listener {self.port} 127.0.0.1\n{extra}user root\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        poll(lambda: self._answers())
        assert self._process.poll() is None, "somebody else answers on the broker's port"

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


def poll(ready: Callable[[], bool]) -> None:
    """Asks again and again, for programs that cannot tell when they are ready."""
    end = time.monotonic() + LIMIT_S
    pause = threading.Event()
    while not ready():
        assert time.monotonic() < end, "not ready in time"
        pause.wait(0.02)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    process = Mosquitto(tmp_path)
    process.start()
    yield process
    process.stop()


class Listener:
    """A client that hears everything and can wait for what it wants to hear."""

    def __init__(self, port: int, username: str | None = None, password: str | None = None) -> None:
        self.messages: list[Any] = []
        self._news = threading.Condition()
        self._ready = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="listener", protocol=mqtt.MQTTv5)
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 60
        if username is not None:
            self.client.username_pw_set(username, password)
        # Back long before the simulator, which waits 0.4 s at least: brokers do not always keep a session.
        self.client.reconnect_delay_set(0.05, 0.05)
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = self._heard
        self.client.connect("127.0.0.1", port, properties=session)
        self.client.loop_start()
        assert self._ready.wait(LIMIT_S)

    def _heard(self, client: Any, userdata: Any, message: Any) -> None:
        with self._news:
            self.messages.append(message)
            self._news.notify_all()

    def wait(self, wanted: Callable[[Any], bool]) -> Any:
        """The first message, heard already or still to come, that is wanted."""

        def found() -> Any:
            return next((message for message in self.messages if wanted(message)), None)

        with self._news:
            message = self._news.wait_for(found, LIMIT_S)
        assert message is not None, "the message did not come"
        return message

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def listening(port: int, *account: str) -> Iterator[Listener]:
    listener = Listener(port, *account)
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def running(broker: Broker, counts: dict[str, int], periods_s: dict[str, float] | None = None) -> Iterator[Publisher]:
    clock = SystemClock()
    simulation = Simulation(fleet.build(counts, 1), start_us=clock.now_us(), seed=1, periods_s=periods_s)
    publisher = Publisher(simulation, broker, clock)
    stop = threading.Event()
    thread = threading.Thread(target=publisher.run, args=(stop,))
    thread.start()
    try:
        yield publisher
    finally:
        stop.set()
        thread.join(LIMIT_S)
        assert not thread.is_alive()


def body(message: Any) -> Any:
    return json.loads(message.payload)


def test_a_trip_sent_by_mqtt_is_answered_with_its_correlation_and_seen_in_telemetry(broker: Mosquitto) -> None:
    with listening(broker.port) as listener, running(Broker("127.0.0.1", broker.port), {"breaker": 2}):
        first = listener.wait(lambda m: m.topic == "iot/breaker-001/raw")
        assert first.qos == 1
        assert body(first)["measurements"]["status"]["breaker"] == 1
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = "replies/42"
        properties.CorrelationData = b"\x01\x02"
        command = json.dumps({"command_id": "t1", "command": "trip", "params": {}})
        listener.client.publish("iot/breaker-001/command", command, qos=1, properties=properties)
        answer = listener.wait(lambda m: m.topic == "replies/42")
        assert answer.properties.CorrelationData == b"\x01\x02"
        assert body(answer)["command_id"] == "t1"
        assert body(answer)["status"] == "done"
        assert body(answer)["values"]["status_breaker"] == 2
        listener.wait(lambda m: m.topic == "iot/breaker-001/raw" and body(m)["measurements"]["status"]["breaker"] == 2)
        rows = [body(m) for m in listener.messages if m.topic == "iot/breaker-002/raw"]
        assert all(row["measurements"]["status"]["breaker"] == 1 for row in rows), "control: the other one is closed"


@pytest.mark.parametrize(
    ("kind", "command_topic", "response_topic", "name"),
    [
        ("engine", "engines/gpu-1/command", "engines/gpu-1/response", "threshold_vibration_high"),
        ("loom", "kaldor/loom/loom-01/config", "kaldor/loom/loom-01/response", "threshold_bbw_low"),
        (
            "asset",
            "plant/power-station-alpha/turbine-a/command",
            "plant/power-station-alpha/turbine-a/response",
            "pressure_min",
        ),
    ],
)
def test_without_a_response_topic_the_answer_comes_on_the_devices_own(
    broker: Mosquitto, kind: str, command_topic: str, response_topic: str, name: str
) -> None:
    with listening(broker.port) as listener, running(Broker("127.0.0.1", broker.port), {kind: 1}):
        listener.wait(lambda m: m.topic.endswith("/status"))
        value = {"threshold_vibration_high": 9.5, "threshold_bbw_low": 1490.0, "pressure_min": 2.0}[name]
        params = {"name": name, "value": value}
        command = json.dumps({"command_id": "s1", "command": "set_threshold", "params": params})
        listener.client.publish(command_topic, command, qos=1)
        answer = body(listener.wait(lambda m: m.topic == response_topic))
        assert answer == {"command_id": "s1", "status": "done", "reason": "", "values": {name: value}}


def test_statuses_are_retained_and_say_offline_after_a_clean_stop(broker: Mosquitto) -> None:
    with running(Broker("127.0.0.1", broker.port), {"engine": 1}), listening(broker.port) as early:
        early.wait(lambda m: m.topic == "engines/gpu-1/telemetry")
    with listening(broker.port) as late:
        status = late.wait(lambda m: m.topic == "engines/gpu-1/status")
        assert status.retain
        assert body(status)["online"] is False
        assert body(status)["values"]["threshold_temp_exhaust_high"] == 500.0


def test_no_row_of_a_loom_is_missing_after_an_outage_of_the_broker(tmp_path: Path) -> None:
    # The broker keeps the listener's session over its own restart, so that the listener cannot miss a row either.
    process = Mosquitto(tmp_path, f"allow_anonymous true\npersistence true\npersistence_location {tmp_path}/\n")
    process.start()
    try:
        with (
            listening(process.port) as listener,
            running(Broker("127.0.0.1", process.port), {"loom": 1}, periods_s={"loom": 0.05}) as publisher,
        ):
            listener.wait(lambda m: m.topic.endswith("bbw/raw"))
            process.stop()
            poll(lambda: not publisher.connected)
            process.start()
            back_fill = listener.wait(lambda m: m.topic.endswith("bbw/raw") and m.payload.startswith(b"["))
            last = body(back_fill)[-1]["time"]
            listener.wait(
                lambda m: m.topic.endswith("bbw/raw") and m.payload.startswith(b"{") and body(m)["time"] > last
            )
        times = set()
        for message in listener.messages:
            if message.topic.endswith("bbw/raw"):
                rows = body(message)
                times |= {row["time"] for row in (rows if isinstance(rows, list) else [rows])}
        moments = sorted(datetime.fromisoformat(text) for text in times)
        gaps = {round((after - before).total_seconds(), 3) for before, after in itertools.pairwise(moments)}
        assert gaps == {0.05}
    finally:
        process.stop()


def test_a_simulator_started_before_its_broker_connects_once_it_is_there(tmp_path: Path) -> None:
    process = Mosquitto(tmp_path)
    try:
        with running(Broker("127.0.0.1", process.port), {"sensor": 1}) as publisher:
            process.start()
            poll(lambda: publisher.published > 0)
    finally:
        process.stop()


def test_a_broker_that_takes_few_messages_at_a_time_is_obeyed(tmp_path: Path) -> None:
    # MQTT 5 Receive Maximum: sending more unacknowledged messages than announced ends the connection.
    process = Mosquitto(tmp_path, "allow_anonymous true\nmax_inflight_messages 2\n")
    process.start()
    try:
        with running(Broker("127.0.0.1", process.port), {"engine": 100}) as publisher:
            poll(lambda: publisher.published > 300)
            assert publisher.connected
            assert publisher.connections == 1
    finally:
        process.stop()


def own_certificate(folder: Path) -> None:
    """Writes key.pem and cert.pem for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker of a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*form))


def test_tls_works_with_a_known_certificate_and_not_with_an_unknown_one(tmp_path: Path) -> None:
    own_certificate(tmp_path)
    files = f"certfile {tmp_path}/cert.pem\nkeyfile {tmp_path}/key.pem\n"
    process = Mosquitto(tmp_path, f"{files}allow_anonymous true\n")
    process.start()
    try:
        known = Broker("127.0.0.1", process.port, tls=True, ca=str(tmp_path / "cert.pem"))
        with running(known, {"loom": 5}) as publisher:
            poll(lambda: publisher.published > 10)
        unknown = simulate("--broker", f"mqtts://127.0.0.1:{process.port}", "--devices", "loom=1", "--duration", "1")
        _, text = unknown.communicate(timeout=LIMIT_S)
        assert "CERTIFICATE_VERIFY_FAILED" in text
        assert "stopped after 0 messages" in text
    finally:
        process.stop()


def simulate(*arguments: str, password: str | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, **({"FIELDLOOM_SIMULATOR_PASSWORD": password} if password else {})}
    return subprocess.Popen(
        [sys.executable, "-m", "simulator", *arguments], stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_stops_cleanly_by_signal(broker: Mosquitto, number: signal.Signals) -> None:
    process = simulate("--broker", f"mqtt://127.0.0.1:{broker.port}", "--devices", "sensor=20", "--no-scenario")
    with listening(broker.port) as listener:
        listener.wait(lambda m: m.topic == "sensors/sensor-020/telemetry")
    process.send_signal(number)
    _, text = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert "Traceback" not in text
    assert "stopped after" in text


def test_the_command_signs_in_with_a_password_from_the_environment(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run([require("mosquitto_passwd"), "-b", "-c", str(passwords), "plant", "secret-one"], check=True)
    process = Mosquitto(tmp_path, f"allow_anonymous false\npassword_file {passwords}\n")
    process.start()
    try:
        url = f"mqtt://plant@127.0.0.1:{process.port}"
        child = simulate("--broker", url, "--devices", "sensor=1", "--no-scenario", password="secret-one")
        with listening(process.port, "plant", "secret-one") as listener:
            listener.wait(lambda m: m.topic == "sensors/sensor-001/telemetry")
        child.terminate()
        _, text = child.communicate(timeout=LIMIT_S)
        assert child.returncode == 0
        assert "secret-one" not in text
        wrong = simulate("--broker", url, "--devices", "sensor=1", "--duration", "2", password="wrong-one")
        _, text = wrong.communicate(timeout=LIMIT_S)
        assert "Not authorized" in text
        assert "wrong-one" not in text
    finally:
        process.stop()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--devices", "robot=1"],
        ["--devices", "loom"],
        ["--devices", "loom=2001"],
        ["--scenario", "no-such"],
        ["--broker", "http://x"],
        ["--speed", "0"],
        ["--speed", "nan"],
        ["--period", "loom=-1"],
        ["--period", "robot=1"],
        ["--broker", "mqtts://127.0.0.1?ca=/no/such/file.pem"],
    ],
)
def test_arguments_that_cannot_be_used_end_with_2_and_the_reason(arguments: list[str]) -> None:
    process = simulate(*arguments, "--duration", "1")
    _, text = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 2
    assert "Traceback" not in text
    assert text.strip()
