"""MethodArguments: the XML that InvokeAction carries, read into the values a METHOD starts with."""

from __future__ import annotations

from collections.abc import Sequence

from server.core.values import Scalar
from server.fdi.actions.inputs import read_input, type_of_ctype
from server.fdi.client_literals import ARGUMENT, CLIENT_NAMESPACE, METHOD_ARGUMENTS
from server.fdi.eddl.model import MethodParameter
from server.fdi.errors import PackageError
from server.fdi.xml_reader import XmlElement, XmlLimits, read_xml
from server.model.device_type import DataType

ARGUMENT_LIMITS = XmlLimits(max_bytes=256 * 1024, max_depth=3, max_elements=66)
"""At most 64 arguments in at most so many bytes."""
TEXT_LIMIT = 64 * 1024
"""Characters of one argument."""
_START: dict[DataType, Scalar] = {DataType.STRING: "", DataType.FLOAT: 0.0, DataType.DOUBLE: 0.0}


class WrongArgumentsError(Exception):
    """Arguments that do not fit the METHOD; the text says why."""


def read_arguments(xml: str, parameters: Sequence[MethodParameter]) -> tuple[Scalar, ...]:
    """The METHOD's arguments in its order. "" stands for none.

    In/out parameters may be left out and start as 0 or "". White space around a text does not count.

    Raises:
        WrongArgumentsError: not XML of that form, an argument too many, missing, twice, or of another type.
    """
    given = _given(xml) if xml.strip() else {}
    known = {parameter.name for parameter in parameters}
    stranger = next((name for name in given if name not in known), None)
    if stranger is not None:
        raise WrongArgumentsError(f"there is no argument {stranger[:60]}")
    values: list[Scalar] = []
    for parameter in parameters:
        data_type = type_of_ctype(parameter.ctype, array=parameter.is_array)
        if data_type is None:
            raise WrongArgumentsError(f"{parameter.name}: {parameter.ctype} cannot be given from outside")
        text = given.get(parameter.name)
        if text is None:
            if not parameter.by_reference:
                raise WrongArgumentsError(f"{parameter.name} is missing")
            values.append(_START.get(data_type, 0))
            continue
        value = read_input(text, data_type, longest=TEXT_LIMIT)
        if value is None:
            raise WrongArgumentsError(f"{parameter.name} is no {parameter.ctype}")
        values.append(value)
    return tuple(values)


def _given(xml: str) -> dict[str, str]:
    try:
        root = read_xml(xml.encode(), part=METHOD_ARGUMENTS, limits=ARGUMENT_LIMITS)
    except PackageError as error:
        raise WrongArgumentsError(str(error)) from None
    except UnicodeEncodeError:
        raise WrongArgumentsError("text that is no Unicode") from None
    if root.name != METHOD_ARGUMENTS or root.namespace not in ("", CLIENT_NAMESPACE):
        raise WrongArgumentsError(f"{METHOD_ARGUMENTS} is expected, not {root.name[:60]}")
    found: dict[str, str] = {}
    for child in root.children:
        name = _name(child, root.namespace)
        if name in found:
            raise WrongArgumentsError(f"argument {name[:60]} twice")
        found[name] = child.text
    return found


def _name(child: XmlElement, namespace: str) -> str:
    if child.name != ARGUMENT or child.namespace != namespace or child.children:
        raise WrongArgumentsError(f"{child.name[:60]} is no {ARGUMENT}")
    name = child.attributes.get("Name", "")
    if not name:
        raise WrongArgumentsError(f"an {ARGUMENT} without Name")
    return name
