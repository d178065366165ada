"""Arguments, dialogs and responses as XML. Every document must fit client.xsd."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

import server.fdi
from server.core.texts import Texts
from server.core.values import Scalar
from server.fdi.actions.arguments import WrongArgumentsError, read_arguments
from server.fdi.actions.dialogs import Shown, WrongResponseError, action_document, read_response
from server.fdi.actions.inputs import read_input, type_of_ctype, variant
from server.fdi.actions.states import ActionState
from server.fdi.client_xml import Element, document, leaf, text_of, value_of
from server.fdi.eddl.model import MethodParameter
from server.fdi.methods.requests import (
    Acknowledge,
    Cancelled,
    Choice,
    Delay,
    Dialog,
    Display,
    Inform,
    InputLocal,
    InputParameter,
    Ok,
    Select,
    ShowMenu,
    Value,
)
from server.model.device_type import DataType, ParameterSpec
from tests.kit.actions import thing

SCHEMA = xmlschema.XMLSchema(str(Path(server.fdi.__file__).parent / "client.xsd"))
NS = "{http://fdi-cooperation.com/2010/client}"
PROMPT = Texts({"en": 'Go <on> & "now"?', "ru": "Дальше?"})
TYPE = thing()


class Values:
    """Values of a thing."""

    def __init__(self, **values: Scalar) -> None:
        self.values = {"limit": 40.0, "mode": 1, **values}

    def spec(self, name: str) -> ParameterSpec | None:
        return TYPE.parameters.get(name)

    def value(self, name: str) -> Scalar | None:
        return self.values.get(name)


def shown(
    request: Dialog | Delay | None = None, request_id: int = 0, locales: tuple[str, ...] = (), **more: object
) -> etree._Element:
    state = ActionState.WAITING if request_id else ActionState.EXECUTING
    what = Shown("trip", Texts.of("Trip", ru="Отключить"), state, request, request_id)
    for key, value in more.items():
        what = Shown(**{**{name: getattr(what, name) for name in Shown.__slots__}, key: value})  # type: ignore[arg-type]
    text = action_document(what, locales, Values(), lambda _name, _locales: None)
    SCHEMA.validate(text)
    return etree.fromstring(text.encode())


REQUESTS: dict[str, Dialog] = {
    "acknowledge": Acknowledge(PROMPT),
    "parameter": InputParameter(PROMPT, "limit"),
    "enumeration": InputParameter(PROMPT, "mode"),
    "local": InputLocal(PROMPT, "x", "unsigned long", 7),
    "text": InputLocal(PROMPT, "s", "DD_STRING", "a<b"),
    "select": Select(PROMPT, (Texts.of("Yes", ru="Да"), Texts.of("No"))),
    "menu": ShowMenu("missing", (Texts.of("Next"), Texts.of("Cancel"))),
    "menu without buttons": ShowMenu("missing", ()),
    "display": Display(PROMPT, ("limit", "mode", "nothing")),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_every_request_fits_the_schema_and_speaks_the_readers_language(request_: Dialog) -> None:
    english, russian = shown(request_, 3), shown(request_, 3, ("ru-RU", "en"))
    asked = english.find(f"{NS}Request")
    assert asked is not None
    assert asked.get("RequestId") == "3"
    prompt, translated = english.find(f".//{NS}Prompt"), russian.find(f".//{NS}Prompt")
    if not isinstance(request_, ShowMenu):
        assert prompt is not None and prompt.text == PROMPT.by_language["en"]
        assert translated is not None and translated.text == "Дальше?"
    assert russian.findtext(f"{NS}Label") == "Отключить"


def test_a_parameter_input_tells_value_range_unit_and_texts() -> None:
    entry = shown(InputParameter(PROMPT, "limit"), 1, ("ru",)).find(f".//{NS}InputValue")
    assert entry is not None
    assert (entry.get("Name"), entry.findtext(f"{NS}Label"), entry.findtext(f"{NS}Help")) == (
        "limit", "Предел", "How much.",
    )  # fmt: skip
    initial, numeric = entry.find(f"{NS}InitialValue"), entry.find(f".//{NS}NumericType")
    assert initial is not None and numeric is not None
    assert (initial.text, initial.get("DataType"), numeric.get("Unit")) == ("40.0", "Double", "%")
    ranges = [(each.get("Minimum"), each.get("Maximum")) for each in numeric]
    assert ranges == [("0.0", "100.0")]


def test_an_enumeration_is_offered_with_its_texts() -> None:
    options = shown(InputParameter(PROMPT, "mode"), 1, ("ru",)).findall(f".//{NS}Option")
    assert [(each.findtext(f"{NS}Label"), each.findtext(f"{NS}Value")) for each in options] == [
        ("Выкл", "0"), ("On", "1"),
    ]  # fmt: skip


def test_messages_and_waits_are_told_without_a_request() -> None:
    told = shown(Inform(PROMPT))
    assert told.find(f"{NS}Request") is None
    assert told.findtext(f"{NS}Info/{NS}Prompt") == PROMPT.by_language["en"]
    wait = shown(Delay(5.0, PROMPT), remaining_s=2.5).find(f"{NS}Delay")
    assert wait is not None and wait.get("RemainingSeconds") == "2.5"


def test_the_end_tells_result_and_error() -> None:
    done = shown(state=ActionState.COMPLETED, result=5)
    assert (done.get("State"), done.findtext(f"{NS}Result")) == ("Completed", "5")
    result = done.find(f"{NS}Result")
    assert result is not None and result.get("DataType") == "Int32"
    failed = shown(state=ActionState.FAILED, error="division by zero")
    assert failed.findtext(f"{NS}Error") == "division by zero"


@pytest.mark.parametrize(
    ("request_", "xml", "answer"),
    [
        (REQUESTS["acknowledge"], "<AcknowledgementResponse/>", Ok()),
        (REQUESTS["acknowledge"], '<AcknowledgementResponse RequestId="4"/>', Ok()),
        (REQUESTS["acknowledge"], "<AbortResponse/>", Cancelled()),
        (REQUESTS["select"], "<AbortResponse/>", Cancelled()),
        (REQUESTS["display"], "<AcknowledgementResponse/>", Ok()),
        (REQUESTS["select"], "<SelectionResponse><Value>1</Value></SelectionResponse>", Choice(1)),
        (REQUESTS["menu"], "<MenuResponse><Value>0</Value></MenuResponse>", Choice(0)),
        (REQUESTS["menu without buttons"], "<MenuResponse><Value>0</Value></MenuResponse>", Choice(0)),
        (REQUESTS["local"], "<InputResponse><InputValue>4294967295</InputValue></InputResponse>", Value(2**32 - 1)),
        (REQUESTS["text"], "<InputResponse><InputValue> é &lt; </InputValue></InputResponse>", Value("é <")),
        (REQUESTS["parameter"],
         "<ParameterInputResponse><InputValue>99.5</InputValue></ParameterInputResponse>", Value(99.5)),
        (REQUESTS["enumeration"],
         "<ParameterInputResponse><InputValue>0</InputValue></ParameterInputResponse>", Value(0)),
    ],
)  # fmt: skip
def test_a_fitting_response_is_an_answer_with_or_without_the_namespace(
    request_: Dialog, xml: str, answer: object
) -> None:
    assert read_response(xml, request_, 4, Values()) == answer
    name = xml[1:].partition(">")[0].partition(" ")[0].partition("/")[0]
    spaced = xml.replace(f"<{name}", f'<{name} xmlns="{NS[1:-1]}"', 1)
    assert read_response(spaced, request_, 4, Values()) == answer
    SCHEMA.validate(spaced)


@pytest.mark.parametrize(
    ("request_", "xml"),
    [
        (REQUESTS["acknowledge"], ""),
        (REQUESTS["acknowledge"], "yes"),
        (REQUESTS["acknowledge"], '<AcknowledgementResponse RequestId="3"/>'),
        (REQUESTS["acknowledge"], '<AcknowledgementResponse xmlns="urn:other"/>'),
        (REQUESTS["acknowledge"], "<SelectionResponse><Value>0</Value></SelectionResponse>"),
        (REQUESTS["acknowledge"], '<!DOCTYPE a [<!ENTITY b "c">]><AcknowledgementResponse/>'),
        (REQUESTS["acknowledge"], "<AcknowledgementResponse>" + "<a>" * 100 + "</a>" * 100
         + "</AcknowledgementResponse>"),
        (REQUESTS["acknowledge"], "<AcknowledgementResponse>" + "x" * 600_000 + "</AcknowledgementResponse>"),
        (REQUESTS["acknowledge"], "<AcknowledgementResponse>\ud800</AcknowledgementResponse>"),
        (REQUESTS["select"], "<SelectionResponse><Value>2</Value></SelectionResponse>"),
        (REQUESTS["select"], "<SelectionResponse><Value>-1</Value></SelectionResponse>"),
        (REQUESTS["select"], "<SelectionResponse><Value>" + "9" * 5_000 + "</Value></SelectionResponse>"),
        (REQUESTS["select"], "<SelectionResponse/>"),
        (REQUESTS["select"], "<SelectionResponse><Value>0</Value><Value>1</Value></SelectionResponse>"),
        (REQUESTS["menu without buttons"], "<MenuResponse><Value>1</Value></MenuResponse>"),
        (REQUESTS["local"], "<InputResponse><InputValue>4294967296</InputValue></InputResponse>"),
        (REQUESTS["local"], "<InputResponse><InputValue>1.5</InputValue></InputResponse>"),
        (REQUESTS["local"], "<InputResponse><InputValue>0x10</InputValue></InputResponse>"),
        (REQUESTS["local"], "<InputResponse><InputValue>१</InputValue></InputResponse>"),
        (REQUESTS["text"], "<InputResponse><InputValue>" + "x" * 65_537 + "</InputValue></InputResponse>"),
        (REQUESTS["parameter"], "<ParameterInputResponse><InputValue>100.5</InputValue></ParameterInputResponse>"),
        (REQUESTS["parameter"], "<ParameterInputResponse><InputValue>NaN</InputValue></ParameterInputResponse>"),
        (REQUESTS["parameter"], "<ParameterInputResponse><InputValue>much</InputValue></ParameterInputResponse>"),
        (REQUESTS["enumeration"], "<ParameterInputResponse><InputValue>5</InputValue></ParameterInputResponse>"),
        (InputParameter(PROMPT, "nothing"),
         "<ParameterInputResponse><InputValue>5</InputValue></ParameterInputResponse>"),
    ],
)  # fmt: skip
def test_a_response_that_does_not_fit_is_refused(request_: Dialog, xml: str) -> None:
    with pytest.raises(WrongResponseError):
        read_response(xml, request_, 4, Values())


PARAMETERS = (
    MethodParameter("unsigned char", "a", False, False),
    MethodParameter("double", "b", False, False),
    MethodParameter("char", "s", False, True),
    MethodParameter("long", "out", True, False),
)


def arguments(**given_: str) -> str:
    inner = "".join(f'<Argument Name="{name}">{text}</Argument>' for name, text in given_.items())
    return f"<MethodArguments>{inner}</MethodArguments>"


def test_arguments_come_in_the_methods_order_and_in_out_ones_may_be_left_out() -> None:
    assert read_arguments(arguments(b="2.5", s="é", a="255"), PARAMETERS) == (255, 2.5, "é", 0)
    assert read_arguments(arguments(a="0", b="-1e3", s="", out="-7"), PARAMETERS) == (0, -1000.0, "", -7)
    assert read_arguments("", ()) == ()
    assert read_arguments(" \n", ()) == ()
    assert read_arguments("<MethodArguments/>", ()) == ()


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<MethodArguments/>",
        arguments(a="1", b="2"),
        arguments(a="256", b="2", s=""),
        arguments(a="-1", b="2", s=""),
        arguments(a="1", b="x", s=""),
        arguments(a="1", b="2", s="", more="3"),
        arguments(a="1", b="2", s="").replace(
            "</MethodArguments>", '<Argument Name="a">1</Argument></MethodArguments>'
        ),
        arguments(a="1", b="2", s="").replace("MethodArguments", "Arguments"),
        arguments(a="1", b="2", s="").replace('Name="a"', ""),
        arguments(a="1<x/>", b="2", s=""),
        arguments(a="1", b="2", s="y" * 70_000),
        "<MethodArguments>" + '<Argument Name="a">1</Argument>' * 80 + "</MethodArguments>",
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><MethodArguments/>',
        "<MethodArguments",
        "\ud800",
    ],
    ids=range(16),
)
def test_arguments_that_do_not_fit_are_refused(xml: str) -> None:
    with pytest.raises(WrongArgumentsError):
        read_arguments(xml, PARAMETERS)


@pytest.mark.parametrize(
    ("ctype", "data_type"),
    [
        ("char", DataType.SBYTE), ("unsigned char", DataType.BYTE), ("short", DataType.INT16),
        ("unsigned short int", DataType.UINT16), ("int", DataType.INT32), ("unsigned", DataType.UINT32),
        ("long int", DataType.INT32), ("unsigned long", DataType.UINT32), ("long long", DataType.INT64),
        ("unsigned long long", DataType.UINT64), ("float", DataType.FLOAT), ("double", DataType.DOUBLE),
        ("DD_STRING", DataType.STRING), ("char[]", DataType.STRING), ("long[]", None), ("struct", None), ("", None),
    ],
)  # fmt: skip
def test_c_types_have_the_sizes_of_the_method_language(ctype: str, data_type: DataType | None) -> None:
    assert type_of_ctype(ctype) is data_type


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-02-01T00:00:00Z", 1_769_904_000_000_000),
        (" 2026-02-01T02:00:00.5+02:00 ", 1_769_904_000_500_000),
        ("2026-02-01", 1_769_904_000_000_000),  # without a zone: UTC
        ("1900-01-01", -2_208_988_800_000_000),
        ("tomorrow", None),
        ("", None),
        ("2026-02-01" + "0" * 100, None),
    ],
)
def test_a_moment_is_read_as_xml_writes_it(text: str, value: int | None) -> None:
    assert value_of(text, DataType.DATETIME) == value


def test_a_moment_is_shown_as_xml_writes_it() -> None:
    assert variant("V", 1_769_904_000_500_000, DataType.DATETIME).text == "2026-02-01T00:00:00.500000Z"


@given(st.text(max_size=200), st.sampled_from(list(DataType)))
@settings(deadline=None)
def test_no_text_breaks_the_reading_of_a_value(text: str, data_type: DataType) -> None:
    value = read_input(text, data_type, longest=100)
    limits = data_type.limits
    if limits is not None and isinstance(value, int | float):
        assert limits[0] <= value <= limits[1]


@given(st.one_of(st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.binary(max_size=50)))
@settings(deadline=None)
def test_values_survive_being_written_and_read(value: Scalar) -> None:
    kinds = {bool: DataType.BOOLEAN, int: DataType.UINT64, float: DataType.DOUBLE, bytes: DataType.BYTESTRING}
    assert value_of(text_of(value), kinds[type(value)]) == value


@given(st.text(max_size=100), st.text(max_size=100))
@settings(deadline=None)
def test_whatever_a_device_or_method_says_the_document_is_well_formed(text: str, attribute: str) -> None:
    root = etree.fromstring(document(Element("a").add(leaf("b", text, c=attribute))).encode())
    if text.isprintable():
        assert root.findtext(f"{NS}b", default="") == text


PIECES = st.sampled_from(
    ["<", ">", "/", "MethodArguments", "Argument", "AcknowledgementResponse", "SelectionResponse", "Value",
     "InputValue", "InputResponse", ' Name="a"', ' RequestId="4"',
     ' xmlns="http://fdi-cooperation.com/2010/client"', "1", "&lt;",
     "&#0;", "<![CDATA[", "]]>", "<!DOCTYPE x>", "<?pi ?>", "\x00", "\ud800", "é", " "]
)  # fmt: skip


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join)))
@settings(deadline=None, max_examples=300)
def test_whatever_a_client_sends_is_refused_or_understood(xml: str) -> None:
    for request_ in REQUESTS.values():
        with contextlib.suppress(WrongResponseError):
            read_response(xml, request_, 4, Values())
    with contextlib.suppress(WrongArgumentsError):
        read_arguments(xml, PARAMETERS)
