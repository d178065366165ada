"""`mqtt.toml`: how a device type talks MQTT. Text and the EDD's parameters come in, a checked `DeviceBinding` goes out.

docs/packages.md explains the file; docs/examples holds a complete commented one.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from server.core.binding import ArgumentBinding, CommandBinding, DeviceBinding, ParameterBinding, RowBinding
from server.core.table import Table
from server.core.texts import NO_TEXT
from server.fdi.errors import Finding, PackageError
from server.fdi.parameters import INTEGER_RANGES
from server.fdi.toml_table import read_toml
from server.model.device_type import DataType, ParameterSpec

TYPE_ID = r"[a-z][a-z0-9_]{0,63}"
_POINTER = r"(/([^~/]|~[01])*)*"
_POINTER_HINT = "a JSON Pointer such as /measurements/voltage/phase_a"
_TOPIC = r"[^+#$\x00/]([^+#\x00]*[^+#\x00/])?"
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDER_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ARGUMENT_TYPES = ("String", "Double", "Boolean", "Int32")
_MAX_MESSAGES = 64
_MAX_COMMANDS = 128
_MAX_ARGUMENTS = 16
_NOT_IN_JSON = (DataType.DATETIME, DataType.BYTESTRING)
TIME_FORMS = ("epoch_s", "epoch_ms")
_ROLES = ("viewer", "operator", "engineer", "admin")


@dataclass(frozen=True, slots=True)
class BindingFile:
    """What `mqtt.toml` holds."""

    binding: DeviceBinding
    area: tuple[str, ...] = ()  # default place in the plant
    warnings: tuple[str, ...] = ()


def read_binding(data: bytes, *, part: str, parameters: Mapping[str, ParameterSpec]) -> BindingFile:
    """The binding, checked against the parameters that the EDD declares.

    Raises:
        PackageError: not TOML, or any mistake in it; `problems` lists all of them with their keys.
    """
    problems: list[str] = []
    root = Table(read_toml(data, part=part), "", problems)
    reader = _Reader(parameters, problems)
    found = reader.file(root)
    if problems:
        count = len(problems)
        summary = "; ".join(problems[:5]) + (f" (and {count - 5} more)" if count > 5 else "")
        raise PackageError(summary, part=part, rule="binding", problems=problems)
    return found


def binding_mistakes(data: bytes, *, part: str) -> tuple[Finding, ...]:
    """What is wrong in a binding whose EDD cannot be used, so that any parameter may be named."""
    try:
        read_binding(data, part=part, parameters=_AnyParameter())
    except PackageError as error:
        return error.findings
    return ()


class _AnyParameter(Mapping[str, ParameterSpec]):
    """Has every name and lists none."""

    def __getitem__(self, name: str) -> ParameterSpec:
        return ParameterSpec(name=name, label=NO_TEXT, data_type=DataType.DOUBLE)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Reader:
    def __init__(self, parameters: Mapping[str, ParameterSpec], problems: list[str]) -> None:
        self._parameters = parameters
        self._problems = problems

    def file(self, root: Table) -> BindingFile:
        type_id = root.text(
            "type", None, pattern=TYPE_ID, hint="lower case letters, digits and _, such as smart_breaker"
        )
        codec = root.text("codec", "pointer_json", pattern=r"[a-z][a-z0-9_]*", hint="the name of a codec")
        device_id = root.text("device_id", "{device}")
        silence = root.table("silence")
        uncertain = silence.number("uncertain_after_s", 5.0, above=0.0)
        bad = silence.number("bad_after_s", 30.0, above=0.0)
        if bad < uncertain:
            silence.note("bad_after_s", f"must not be shorter than uncertain_after_s ({uncertain:g})")
        silence.finish()
        messages = root.tables("message")
        if not messages:
            root.note("message", "at least one [[message]] says where values come from")
        messages = self._at_most(root, "message", messages, _MAX_MESSAGES)
        names = self._names(root, device_id)
        rows = tuple(self._message(message, names) for message in messages)
        self._unique(messages, rows)
        topics = root.table("commands")
        command_topic = self._topic(topics, "topic", names, required=False)
        response_topic = self._topic(topics, "response", names, required=False)
        topics.finish()
        entries = self._at_most(root, "command", root.tables("command"), _MAX_COMMANDS)
        commands = tuple(self._command(entry) for entry in entries)
        self._check_commands(root, entries, commands, command_topic, response_topic)
        area = root.strings("area")
        root.finish()
        binding = DeviceBinding(
            type_id=type_id,
            codec=codec,
            rows=rows,
            command_topic=command_topic,
            response_topic=response_topic,
            commands=commands,
            device_id=device_id,
            uncertain_after_s=uncertain,
            bad_after_s=bad,
        )
        return BindingFile(binding, area, self._warnings(binding))

    @staticmethod
    def _at_most(table: Table, key: str, entries: list[Table], most: int) -> list[Table]:
        if len(entries) > most:
            table.note(key, f"{len(entries)} of them; at most {most}")
        return entries[:most]

    # -- topics

    def _names(self, root: Table, device_id: str) -> frozenset[str]:
        names = _PLACEHOLDER.findall(device_id)
        rest = _PLACEHOLDER.sub("", device_id)
        if not names or not re.fullmatch(r"[A-Za-z0-9._-]*", rest):
            root.note("device_id", f"{device_id!r} must be named topic parts joined by . _ or -, such as {{device}}")
        return frozenset(names)

    def _topic(self, table: Table, key: str, names: frozenset[str], *, required: bool, told: bool = False) -> str:
        """A topic; one whose messages tell the device themselves need not name any part of its id."""
        topic = table.text(
            key, None if required else "", pattern=_TOPIC, hint="a topic such as iot/{device}/raw, without wildcards"
        )
        if not topic:
            return ""
        found: list[str] = []
        for segment in topic.split("/"):
            inner = _PLACEHOLDER.fullmatch(segment)
            if inner and _PLACEHOLDER_NAME.fullmatch(inner.group(1)):
                found.append(inner.group(1))
            elif "{" in segment or "}" in segment:
                table.note(key, f"{segment!r}: a named part is a whole level, such as {{device}}")
        if len(set(found)) != len(found):
            table.note(key, "the same named part twice")
        if not names <= set(found) and not (told and names.isdisjoint(found)):
            missing = ", ".join(f"{{{name}}}" for name in sorted(names - set(found)))
            table.note(key, f"lacks {missing}, of which the device id is built")
        return topic

    # -- messages

    def _message(self, table: Table, names: frozenset[str]) -> RowBinding:
        device = self._pointer(table, "device")
        topic = self._topic(table, "topic", names, required=True, told=bool(device))
        values = self._pointer(table, "values")
        metrics = table.table("metrics")
        count_only = table.flag("count_only")
        parameters = [*self._pointers(table.table("parameters"))]
        list_pointer, key_name, value_name, unit_name = "", "", "", ""
        if "metrics" in table:
            list_pointer = self._pointer(metrics, "list", required=True)
            key_name = metrics.text("key", None)
            value_name = metrics.text("value", None)
            unit_name = metrics.text("unit")
            parameters += self._metrics(metrics.table("parameters"), list_pointer)
            metrics.finish()
        if values:
            parameters += [
                self._bind(name, f"{values}/{name}")
                for name, spec in self._parameters.items()
                if spec.data_type not in _NOT_IN_JSON
            ]
        attributes = {}
        for name, pointer in table.table("attributes").entries():
            if not isinstance(pointer, str) or not pointer or not re.fullmatch(_POINTER, pointer):
                table.note(f"attributes.{name}", f"must be {_POINTER_HINT}")
            else:
                attributes[name] = pointer
        quality = self._pointer(table, "quality")
        quality_map = table.choice("quality_map", "quality_flag" if quality else "", ("", "quality_flag"))
        if count_only and parameters:
            table.note("count_only", "a message that is only counted names no parameters")
        told = bool(parameters) or (bool(values) and isinstance(self._parameters, _AnyParameter))
        if not count_only and not told:
            table.note("", "names no parameters: give parameters, metrics or values, or count_only = true")
        for name, places in Counter(entry.parameter for entry in parameters).items():
            if places > 1:
                table.note("parameters", f"{name} is taken from two places")
        time = self._pointer(table, "time")
        row = RowBinding(
            topic=topic,
            parameters=tuple(parameters),
            device_pointer=device,
            sensor_pointer=self._pointer(table, "sensor"),
            time_pointer=time,
            time_form=table.choice("time_form", "", ("", *TIME_FORMS)) if time else "",
            quality_pointer=quality,
            quality_map=quality_map,
            list_pointer=list_pointer,
            key_name=key_name,
            value_name=value_name,
            unit_name=unit_name,
            values_pointer=values,
            attributes=attributes,
            rows=table.flag("rows"),
            count_only=count_only,
        )
        table.finish()
        return row

    def _pointers(self, table: Table) -> list[ParameterBinding]:
        found = []
        for name, value in table.entries():
            if not self._known(table, name):
                continue
            # A text alone is the short form of a table with nothing but `at`.
            entry = Table(value if isinstance(value, dict) else {"at": value}, table.where(name), self._problems)
            pointer = self._pointer(entry, "at", required=True)
            unit = self._pointer(entry, "unit")
            required = entry.flag("required")
            entry.finish()
            found.append(self._bind(name, pointer, unit_pointer=unit, optional=not required))
        return found

    def _metrics(self, table: Table, list_pointer: str) -> list[ParameterBinding]:
        found = []
        for name, key in table.entries():
            if not isinstance(key, str) or not key:
                table.note(name, "must be the metric's name as a text")
            elif self._known(table, name):
                found.append(self._bind(name, list_pointer, key=key))
        return found

    def _known(self, table: Table, name: str) -> bool:
        spec = self._parameters.get(name)
        if spec is not None:
            if spec.data_type in _NOT_IN_JSON:
                table.note(name, f"a parameter of EDD type {spec.edd_type} cannot be carried in JSON")
            return spec.data_type not in _NOT_IN_JSON
        close = difflib.get_close_matches(name, self._parameters, n=1)
        table.note(name, f"the EDD has no such parameter{f'; did you mean {close[0]}?' if close else ''}")
        return False

    def _bind(
        self, name: str, pointer: str, *, key: str = "", unit_pointer: str = "", optional: bool = True
    ) -> ParameterBinding:
        spec = self._parameters[name]
        low, high = INTEGER_RANGES.get(spec.data_type, (None, None))
        return ParameterBinding(
            parameter=name,
            pointer=pointer,
            kind=_kind(spec.data_type),
            unit_pointer=unit_pointer,
            unit=spec.unit_symbol,
            key=key,
            optional=optional,
            minimum=low,
            maximum=high,
        )

    @staticmethod
    def _pointer(table: Table, key: str, *, required: bool = False) -> str:
        return table.text(key, None if required else "", pattern=_POINTER, hint=_POINTER_HINT)

    def _unique(self, messages: list[Table], rows: tuple[RowBinding, ...]) -> None:
        shapes: set[str] = set()
        for table, row in zip(messages, rows, strict=True):
            shape = _PLACEHOLDER.sub("+", row.topic)
            if shape in shapes:
                table.note("topic", "another [[message]] has the same topic")
            shapes.add(shape)

    # -- commands

    def _command(self, table: Table) -> CommandBinding:
        arguments = []
        for entry in self._at_most(table, "arguments", table.tables("arguments"), _MAX_ARGUMENTS):
            arguments.append(
                ArgumentBinding(
                    name=entry.text("name", None, pattern=r"[A-Za-z]\w*", hint="a name such as Value"),
                    param=entry.text("param", None),
                    data_type=entry.choice("type", "String", _ARGUMENT_TYPES),
                    description=entry.texts("description").by_language,
                )
            )
            entry.finish()
        command = CommandBinding(
            name=table.text("name", None, pattern=r"[A-Za-z_]\w*", hint="the command's word on the wire, such as trip"),
            method=table.text("method", pattern=r"([A-Za-z]\w*)?", hint="a method name such as SetThreshold"),
            description=table.texts("description").by_language,
            label=table.texts("label").by_language,
            arguments=tuple(arguments),
            answer=table.choice("answer", "", ("", "report")),
            role=table.choice("role", "operator", _ROLES),
            writes=table.choice("writes", "", ("", "parameter")),
            reads=table.choice("reads", "", ("", "parameters")),
        )
        if command.reads and arguments:
            table.note("reads", "a command that reads takes no arguments: it asks for everything")
        if command.reads and command.writes:
            table.note("reads", "a command that carries writes cannot also read")
        if command.writes and {argument.param for argument in arguments} != {"name", "value"}:
            table.note("writes", "a command that carries writes has two arguments, with param name and param value")
        for label, values in (
            ("name", [argument.name for argument in arguments]),
            ("param", [argument.param for argument in arguments]),
        ):
            if len(set(values)) != len(values):
                table.note("arguments", f"two of the same {label}")
        table.finish()
        return command

    def _check_commands(
        self,
        root: Table,
        entries: list[Table],
        commands: tuple[CommandBinding, ...],
        command_topic: str,
        response_topic: str,
    ) -> None:
        if commands and not (command_topic and response_topic):
            root.note("commands", "topic and response must say where commands go and answers come")
        if command_topic and command_topic == response_topic:
            root.note("commands.response", "must differ from the command topic")
        names: set[str] = set()
        methods: set[str] = set()
        for table, command in zip(entries, commands, strict=True):
            if command.name in names:
                table.note("name", f"a second command {command.name}")
            if command.method and command.method in methods:
                table.note("method", f"a second method {command.method}")
            names.add(command.name)
            methods.add(command.method)
        if sum(bool(command.writes) for command in commands) > 1:
            root.note("command", "only one command may carry writes")
        if sum(bool(command.reads) for command in commands) > 1:
            root.note("command", "only one command may read")

    def _warnings(self, binding: DeviceBinding) -> tuple[str, ...]:
        carried = {entry.parameter for row in binding.rows for entry in row.parameters}
        found = [
            f"parameter {name} is measured (CLASS DYNAMIC), but no message carries it"
            for name, spec in self._parameters.items()
            if spec.dynamic and name not in carried
        ]
        writable = [name for name, spec in self._parameters.items() if spec.writable]
        if writable and not any(command.writes for command in binding.commands):
            found.append(f"{', '.join(writable)}: writable, but no command carries writes")
        return tuple(found)


def _kind(data_type: DataType) -> str:
    if data_type is DataType.BOOLEAN:
        return "boolean"
    if data_type.integer:
        return "integer"
    return "float" if data_type.numeric else "string"
