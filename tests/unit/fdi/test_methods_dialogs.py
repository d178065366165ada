"""What METHODs ask of users and devices, what the answers do, and prompts filled in."""

from __future__ import annotations

import pytest

from server.core.texts import Texts
from server.core.values import Scalar
from server.fdi.methods.compile import compile_method
from server.fdi.methods.machine import Machine
from server.fdi.methods.outcome import Aborted, Failed
from server.fdi.methods.requests import (
    Acknowledge,
    Answer,
    Cancelled,
    Choice,
    CommandDone,
    Delay,
    Display,
    Inform,
    InputLocal,
    InputParameter,
    Ok,
    ReadValue,
    Request,
    SaveValues,
    Select,
    SendAll,
    SendCommand,
    SendValue,
    ShowMenu,
    Transfer,
    Value,
)
from tests.kit.methods import Run, run_code

ITEMS = """
VARIABLE level { LABEL "|en|Level|de|Stand"; CLASS DEVICE; CONSTANT_UNIT "m";
  TYPE FLOAT { DISPLAY_FORMAT "6.1f"; MIN_VALUE 0.0; MAX_VALUE 9.0; } }
VARIABLE mode { LABEL "Mode"; CLASS DEVICE; TYPE ENUMERATED (1) { { 0, "Off" }, { 1, "|en|On|de|Ein" } } }
VARIABLE flags { LABEL "F"; CLASS DEVICE; TYPE BIT_ENUMERATED (1) { { 1, "one" }, { 2, "two" } } }
VARIABLE secret { LABEL "S"; CLASS DEVICE; TYPE INTEGER (2); }
VARIABLE since { LABEL "Since"; CLASS DEVICE; TYPE DATE_AND_TIME (7); }
VARIABLE day { LABEL "D"; CLASS DEVICE; TYPE DATE; }
COLLECTION OF VARIABLE pair { LABEL "P"; MEMBERS { L, level; } }
MENU page { LABEL "Page"; ITEMS { level } }
COMMAND go { NUMBER 7; OPERATION COMMAND; TRANSACTION { REQUEST { } REPLY { response_code, device_status } }
  RESPONSE_CODES { 0, SUCCESS, "OK"; 5, MISC_WARNING, "Slow"; 9, MODE_ERROR, "|en|Locked|de|Gesperrt"; } }
RESPONSE_CODES shared { 77, MISC_ERROR, "Shared text" }
"""
KNOWN: dict[str, Scalar] = {"level": 2.26, "mode": 1, "flags": 3}


def ask(code: str, answers: list[Answer] | None = None, **options: object) -> Run:
    return run_code(code, items=ITEMS, values=KNOWN, answers=answers, **options)  # type: ignore[arg-type]


def text(english: str) -> Texts:
    return Texts.of(english)


REQUESTS: dict[str, tuple[str, Request, Answer, int]] = {
    "ACKNOWLEDGE": ('return ACKNOWLEDGE("a");', Acknowledge(text("a")), Ok(), 0),
    "acknowledge": (
        'unsigned long ids[1] = { ITEM_ID(level) }; return acknowledge("a %{0}", ids);',
        Acknowledge(text("a 2.3")),
        Ok(),
        0,
    ),
    "get_acknowledgement": ('return get_acknowledgement("a", 0, 0, 0);', Acknowledge(text("a")), Ok(), 0),
    "PUT_MESSAGE_date": (
        'day = (1 << 16) | (2 << 8) | 126; since = 3600; return PUT_MESSAGE("%{day}, %{since}");',
        Inform(text("2026-02-01, 1970-01-01 01:00:00")),
        Ok(),
        0,
    ),
    "PUT_MESSAGE": ('return PUT_MESSAGE("a");', Inform(text("a")), Ok(), 0),
    "put_message": ('return put_message("a", 0);', Inform(text("a")), Ok(), 0),
    "display_message": ('return display_message("a", 0, 0, 0);', Inform(text("a")), Ok(), 0),
    "DELAY": ('return DELAY(2, "w");', Delay(2.0, text("w")), Ok(), 0),
    "DELAY_of_negative": ('return DELAY(-2, "w");', Delay(0.0, text("w")), Ok(), 0),
    "delay": ('return delay(0.5, "w", 0);', Delay(0.5, text("w")), Ok(), 0),
    "DELAY_TIME": ("return DELAY_TIME(3);", Delay(3.0, Texts()), Ok(), 0),
    "delayfor": ('return delayfor(1, "w", 0, 0, 0);', Delay(1.0, text("w")), Ok(), 0),
    "GET_DEV_VAR_VALUE": (
        'GET_DEV_VAR_VALUE("v", level); return level;',
        InputParameter(text("v"), "level"),
        Value(4.0),
        4,
    ),
    "GET_DEV_VAR_VALUE_refused": (
        'return GET_DEV_VAR_VALUE("v", level);',
        InputParameter(text("v"), "level"),
        Value(10.0),
        -1,
    ),
    "GET_DEV_VAR_VALUE_date": (  # answered with a moment; METHODs see day, month, year since 1900
        'GET_DEV_VAR_VALUE("v", day); return Date_to_Year(day) * 100 + Date_to_Month(day);',
        InputParameter(text("v"), "day"),
        Value(1_769_904_000_000_000),
        202602,
    ),
    "get_dev_var_value": (
        'get_dev_var_value("v", 0, pair.L); return level;',
        InputParameter(text("v"), "level"),
        Value(5),
        5,
    ),
    "edit_device_value": (
        'edit_device_value("v", 0, 0, 0, ITEM_ID(pair), MEMBER_ID(L)); return level;',
        InputParameter(text("v"), "level"),
        Value(6.0),
        6,
    ),
    "GET_LOCAL_VAR_VALUE": (
        'short x = 3; GET_LOCAL_VAR_VALUE("v", x); return x;',
        InputLocal(text("v"), "x", "short", 3),
        Value(70000),
        4464,
    ),
    "get_local_var_value": (
        'DD_STRING s = "q"; get_local_var_value("v", 0, s); return strlen(s);',
        InputLocal(text("v"), "s", "DD_STRING", "q"),
        Value("four"),
        4,
    ),
    "edit_local_value": (
        'char s[4]; edit_local_value("v", 0, 0, 0, "s"); return strlen(s);',
        InputLocal(text("v"), "s", "char[]", ""),
        Value("abcdef"),
        3,
    ),
    "edit_local_value_wrong": (
        'long x; return edit_local_value("v", 0, 0, 0, "x");',
        InputLocal(text("v"), "x", "long", 0),
        Value("no number"),
        1805,
    ),
    # 0-based here, 1-based in the FOUNDATION form.
    "SELECT_FROM_LIST": (
        'return SELECT_FROM_LIST("s", "a;b;c");',
        Select(text("s"), (text("a"), text("b"), text("c"))),
        Choice(2),
        2,
    ),
    "select_from_list": (
        'return select_from_list("s", 0, "a; b;");',
        Select(text("s"), (text("a"), text("b"))),
        Choice(0),
        0,
    ),
    "select_from_menu": (
        'long n; select_from_menu("s", 0, 0, 0, "a;b", &n); return n;',
        Select(text("s"), (text("a"), text("b"))),
        Choice(1),
        2,
    ),
    "MenuDisplay": (
        'long n; MenuDisplay(page, "Next;Cancel", &n); return n;',
        ShowMenu("page", (text("Next"), text("Cancel"))),
        Choice(1),
        1,
    ),
    "display": ('return display("%{level}", 0);', Display(text("2.3"), ("level",)), Ok(), 0),
    "display_dynamics": (
        "unsigned long ids[1] = { ITEM_ID(pair) }; unsigned long at[1] = { MEMBER_ID(L) };"
        ' return display_dynamics("%{0}", ids, at, 1);',
        Display(text("2.3"), ("level",)),
        Ok(),
        0,
    ),
    "send_command": ("return send_command(7);", SendCommand(7), CommandDone(), 0),
    "send_command_warns": ("return send_command(7);", SendCommand(7), CommandDone(code=5), 0),
    "send_command_refused": ("return send_command(7);", SendCommand(7), CommandDone(code=9), -1),
    "send_command_unknown_code": ("return send_command(7);", SendCommand(7), CommandDone(code=10), -1),
    "send_command_no_answer": ("return send_command(7);", SendCommand(7), CommandDone(comm_error=1), -4),
    "send_command_no_device": ("return send_command(7);", SendCommand(7), CommandDone(no_device=True), -3),
    "send_command_trans": ("return send_command_trans(7, 2);", SendCommand(7, 2), CommandDone(), 0),
    "tsend_command": ("return tsend_command(7);", SendCommand(7), CommandDone(), 0),
    "send": (
        "char s[3]; send(7, s); return s[STATUS_RESPONSE_CODE] * 100 + s[STATUS_DEVICE_STATUS];",
        SendCommand(7),
        CommandDone(code=9, status=4),
        904,
    ),
    "send_trans": ("char s[3]; send_trans(7, 1, s); return s[0];", SendCommand(7, 1), CommandDone(code=5), 5),
    "ext_send_command": (
        "char s[3]; char more[4]; long n; ext_send_command(7, s, more, &n); return more[1] * 10 + n;",
        SendCommand(7),
        CommandDone(more=b"\x01\x02"),
        22,
    ),
    "ext_send_command_trans": (
        "char s[3]; char more[4]; ext_send_command_trans(7, 1, s, more); return more[0];",
        SendCommand(7, 1),
        CommandDone(more=b"\x09"),
        9,
    ),
    "get_more_status": (
        "char s[3]; char more[2]; get_more_status(s, more); return more[0];",
        SendCommand(48),
        CommandDone(more=b"\x05\x06\x07"),
        5,
    ),
    "ReadCommand": ("return ReadCommand(go);", SendCommand(7, None, "go"), CommandDone(), 0),
    "WriteCommand": ("return WriteCommand(go);", SendCommand(7, None, "go"), CommandDone(code=9), -1),
    "read_value": ("return read_value(ITEM_ID(pair), MEMBER_ID(L));", ReadValue("level"), CommandDone(), 0),
    "read_value_fails": ("return read_value(ITEM_ID(level), 0);", ReadValue("level"), CommandDone(comm_error=2), 1814),
    "send_value": ("return send_value(ITEM_ID(level), 0);", SendValue("level"), CommandDone(code=3), 1813),
    "send_all_values": ("return send_all_values();", SendAll(), CommandDone(), 0),
    "save_values": ("return save_values();", SaveValues(), CommandDone(), 0),
    "display_comm_error": ("return display_comm_error(0);", Acknowledge(text("No communication error")), Ok(), 0),
    "display_response_code": (
        "return display_response_code(ITEM_ID(level), 0, 77);",
        Acknowledge(text("Shared text")),
        Ok(),
        0,
    ),
    "display_builtin_error": ("return display_builtin_error(1803);", Acknowledge(text("Bad id")), Ok(), 0),
    "display_response_status": ("return display_response_status(7, 9);", Acknowledge(text("Locked")), Ok(), 0),
    "display_xmtr_status": ("return display_xmtr_status(flags, 3);", Acknowledge(text("F: one; two")), Ok(), 0),
    "openTransferPort": (
        "return openTransferPort(1, 2);",
        Transfer("openTransferPort", (1, 2)),
        CommandDone(),
        0,
    ),
    "closeTransferPort": ("return closeTransferPort(1);", Transfer("closeTransferPort", (1,)), CommandDone(), 0),
    "abortTransferPort": ("return abortTransferPort(1);", Transfer("abortTransferPort", (1,)), CommandDone(code=1), -1),
    "readItemFromDevice": (
        "return readItemFromDevice(level);",
        Transfer("readItemFromDevice", ("level",)),
        Cancelled(),
        -1,
    ),
    "writeItemToDevice": (
        'return writeItemToDevice(level, "x");',
        Transfer("writeItemToDevice", ("level", "x")),
        CommandDone(no_device=True),
        -3,
    ),
    "get_transfer_status": (
        "char s[2]; get_transfer_status(1, s); return s[0];",
        Transfer("get_transfer_status", (1,)),
        CommandDone(more=b"\x03"),
        3,
    ),
}


@pytest.mark.parametrize(("code", "request_", "answer", "value"), REQUESTS.values(), ids=REQUESTS.keys())
def test_requests_and_what_their_answers_do(code: str, request_: Request, answer: Answer, value: int) -> None:
    run = ask(code, [answer])
    assert run.requests == [request_]
    assert run.value == value


@pytest.mark.parametrize(
    "code",
    [
        'ACKNOWLEDGE("a");',
        'DELAY(1, "w");',
        'GET_DEV_VAR_VALUE("v", level);',
        'SELECT_FROM_LIST("s", "a");',
        "send_command(7);",
    ],
)
def test_a_user_who_gives_up_ends_the_method(code: str) -> None:
    assert ask(code + " return 0;", [Cancelled()]).outcome == Aborted("aborted by the user")


def test_an_answer_of_the_wrong_sort_is_refused_and_the_method_waits_on() -> None:
    run = ask('ACKNOWLEDGE("a"); return 3;', [Ok()])
    with pytest.raises(ValueError, match="no answer"):
        run.machine.resume(Ok())
    tried: list[Request] = []

    def answers(request: Request) -> Answer:
        tried.append(request)
        return CommandDone() if len(tried) == 1 else Ok()

    with pytest.raises(ValueError, match="Acknowledge is not answered by CommandDone"):
        run_code('ACKNOWLEDGE("a"); return 3;', answers=answers)


def test_a_choice_that_was_not_offered_fails() -> None:
    assert isinstance(ask('return SELECT_FROM_LIST("s", "a;b");', [Choice(2)]).outcome, Failed)


def test_options_keep_their_languages() -> None:
    run = ask('return SELECT_FROM_LIST("s", "|en|Yes;No|de|Ja;Nein");', [Choice(0)])
    assert run.requests == [Select(text("s"), (Texts({"en": "Yes", "de": "Ja"}), Texts({"en": "No", "de": "Nein"})))]


PROMPTS = {
    "parameter": ("%{level}", "2.3"),  # by DISPLAY_FORMAT
    "format": ("%[6.2f]{level}|", "  2.26|"),
    "label": ("%[L]{level}", "Level"),
    "unit": ("%[U]{level}", "m"),
    "enumeration": ("%{mode}", "On"),
    "enumeration_as_number": ("%[d]{mode}", "1"),
    "member": ("%{pair.L}", "2.3"),
    "unknown_value": ("%{secret}", "?"),
    "long": ("%{n} %[4d]{n} %[x]{n} %[-4d]{n}|", "-5   -5 fffffffb -5  |"),
    "float": ("%{f} %[.3f]{f} %[e]{f}", "0.1 0.100 1.000000e-01"),
    "string": ("%{s} %[s]{s} %[5s]{s}", "ab ab    ab"),
    "characters": ("%{c}", "xyz"),
    "element": ("%{a[1]}", "8"),
    "percent": ("100 %", "100 %"),
    "not_declared": ("%{nothing} %{7}", "%{nothing} %{7}"),
    "unclosed": ("%{n", "%{n"),
    "bad_format": ("%[99999d]{n} %[q]{n}", "-5 -5"),
}


@pytest.mark.parametrize(("prompt", "shown"), PROMPTS.values(), ids=PROMPTS.keys())
def test_prompts_show_locals_and_parameters(prompt: str, shown: str) -> None:
    code = (
        'long n = -5; float f = 0.1; DD_STRING s = "ab"; char c[8] = "xyz"; long a[2] = { 7, 8 };'
        f' ACKNOWLEDGE("{prompt}"); return 0;'
    )
    assert ask(code).requests == [Acknowledge(text(shown))]


def test_each_language_of_a_prompt_is_filled() -> None:
    run = ask('ACKNOWLEDGE("|en|%[L]{level}: %{mode}|de|%[L]{level}: %{mode}!"); return 0;')
    assert run.requests == [Acknowledge(Texts({"en": "Level: On", "de": "Stand: Ein!"}))]


def test_a_prompt_made_by_the_method_is_filled_too() -> None:
    run = ask('DD_STRING s = "n is %{"; long n = 4; s += "n}"; ACKNOWLEDGE(s); return 0;', languages=("de",))
    assert run.requests == [Acknowledge(Texts({"de": "n is 4"}))]


def test_a_display_can_be_made_again_with_present_values() -> None:
    first = ask('display("%{level}", 0); return 0;', [Ok()])
    machine = Machine(compile_method(first.logic, "m"), first.host)
    assert machine.refreshed() is None
    machine.run(100)
    first.host.values["level"] = 7.0
    assert machine.refreshed() == Display(text("7.0"), ("level",))


def test_the_last_response_is_at_hand() -> None:
    code = (
        "long code; unsigned long id, member; char s[20]; send_command(7); get_response_code(&code, &id, &member);"
        " get_response_code_string(id, member, code, s, 20);"
        ' return (s == "Locked") * 1000 + response_code * 10 + device_status;'
    )
    assert ask(code, [CommandDone(code=9, status=2)]).value == 1092
    code = "char s[20]; get_rspcode_string(7, 9, s, 20); return strlen(s) * 10 + rspcode_string(7, 33, s, 20);"
    assert ask(code).value == 59
    code = "long v; read_value(ITEM_ID(level), 0); return get_comm_error();"
    assert ask(code, [CommandDone(comm_error=4)]).value == 4


# ---- reactions: every sort of outcome against every reaction

OUTCOMES: dict[str, CommandDone] = {
    "NO_DEVICE": CommandDone(no_device=True),
    "COMM_ERROR": CommandDone(comm_error=0x88),
    "ALL_COMM_STATUS": CommandDone(comm_error=0x80),
    "COMM_STATUS(8)": CommandDone(comm_error=0x88),
    "ALL_DEVICE_STATUS": CommandDone(status=0x40),
    "DEVICE_STATUS(0x40)": CommandDone(status=0x40),
    "ALL_RESPONSE_CODES": CommandDone(code=9),
    "RESPONSE_CODE(9)": CommandDone(code=9),
}


def call_of(word: str, about: str) -> str:
    return f"{word}{about};" if about.endswith(")") else f"{word}{about}();"


@pytest.mark.parametrize("about", OUTCOMES)
def test_abort_on(about: str) -> None:
    done = OUTCOMES[about]
    run = ask(call_of("ABORT_ON_", about) + " send_command(7); return 1;", [done])
    assert isinstance(run.outcome, Aborted)
    # Control: the same outcome, ignored, is left to the METHOD; so it is without any reaction.
    undone = call_of("ABORT_ON_", about) + call_of("IGNORE_", about)
    assert ask(undone + " send_command(7); return 1;", [done]).value == 1
    assert ask("send_command(7); return 1;", [done]).value == 1
    assert ask(call_of("ABORT_ON_", about) + " send_command(7); return 1;", [CommandDone()]).value == 1


@pytest.mark.parametrize("about", OUTCOMES)
def test_retry_on(about: str) -> None:
    set_up = "SET_NUMBER_OF_RETRIES(2);" + call_of("RETRY_ON_", about)
    run = ask(set_up + " send_command(7); return 1;", [OUTCOMES[about]] * 3)
    assert run.requests == [SendCommand(7)] * 3  # once, and two repetitions
    run = ask(set_up + " return send_command(7);", [OUTCOMES[about], CommandDone()])
    assert (run.value, len(run.requests)) == (0, 2)


def test_repetitions_are_bounded() -> None:
    run = ask(
        "SET_NUMBER_OF_RETRIES(1000000); RETRY_ON_COMM_ERROR(); return send_command(7);",
        [CommandDone(comm_error=1)] * 99,
    )
    assert (run.value, len(run.requests)) == (-4, 11)


def test_the_foundation_forms_of_reactions() -> None:
    done = CommandDone(code=9)
    assert isinstance(ask("abort_on_all_response_codes(); send_value(ITEM_ID(level), 0);", [done]).outcome, Aborted)
    assert isinstance(ask("abort_on_response_code(9); send_value(ITEM_ID(level), 0);", [done]).outcome, Aborted)
    assert isinstance(
        ask("abort_on_comm_error(1); read_value(ITEM_ID(level));", [CommandDone(comm_error=1)]).outcome, Aborted
    )
    assert isinstance(ask("abort_on_all_comm_errors(); send_command(7);", [CommandDone(comm_error=1)]).outcome, Aborted)
    run = ask("retry_on_all_comm_errors(); return read_value(ITEM_ID(level), 0);", [CommandDone(comm_error=1)] * 2)
    assert (run.value, len(run.requests)) == (1814, 2)
    code = "abort_on_all_response_codes(); fail_on_response_code(9); return send_value(ITEM_ID(level), 0);"
    assert ask(code, [done]).value == 1813


def test_the_transmitter_has_reactions_of_its_own() -> None:
    code = "char s[3]; char more[4]; XMTR_ABORT_ON_ALL_DATA(); send_command(7); get_more_status(s, more); return 1;"
    run = ask(code, [CommandDone(more=b"\x01"), CommandDone(more=b"\x01")])
    assert isinstance(run.outcome, Aborted)
    assert len(run.requests) == 2
    code = (
        "char s[3]; char more[4]; XMTR_ABORT_ON_DATA(0, 0); XMTR_IGNORE_ALL_DATA(); get_more_status(s, more); return 1;"
    )
    assert ask(code, [CommandDone(more=b"\x01")]).value == 1
    code = (
        "char s[3]; char m[4]; XMTR_SET_NUMBER_OF_RETRIES(1); XMTR_RETRY_ON_NO_DEVICE(); return get_more_status(s, m);"
    )
    assert len(ask(code, [CommandDone(no_device=True)] * 2).requests) == 2


def test_an_abort_says_what_the_device_said() -> None:
    code = "ABORT_ON_ALL_RESPONSE_CODES(); send_command(7); return 1;"
    assert ask(code, [CommandDone(code=9)], languages=("de",)).outcome == Aborted("Gesperrt")
