"""Builtins that answer by themselves: values, texts, maths, time, lists, references, reactions (eddl.md, 6)."""

from __future__ import annotations

import math

import pytest

from server.core.values import Scalar
from server.fdi.methods.host import ActionValue
from server.fdi.methods.outcome import Aborted, Commit, Failed, Finished
from tests.kit.methods import run_code
from tests.unit.fdi.test_methods_language import ITEMS, VALUES

WHOLE = {
    # ---- parameters by reference
    "ivar_value": ("return ivar_value(level);", 2),
    "lvar_value": ("return lvar_value(count);", -3),
    "fvar_value": ("return fvar_value(level) * 2;", 5),
    "dvar_value": ("return dvar_value(exact) * 10;", 1),
    "svar_value": ('return svar_value(name) == "pump";', 1),
    "iassign": ("return iassign(count, 4) * 100 + count;", 4),
    "iassign_refuses": ("return iassign(byte_value, 201) * 100 + byte_value;", -95),
    "iassign_does_not_wrap": ("return iassign(byte_value, 256);", -1),
    "lassign": ("lassign(big, 3000000000); return big == 3000000000;", 1),
    "fassign": ("fassign(level, 3.5); return level * 2;", 7),
    "dassign": ("dassign(exact, 2.5); return exact * 2;", 5),
    "sassign": ('sassign(name, "ab"); return strlen(name);', 2),
    "vassign": ("vassign(count, byte_value); return count;", 5),
    "vassign_wrong_type": ("return vassign(count, name);", -1),
    "archaic_readers": ("return int_value(count) + float_value(level) + long_value(byte_value);", 4),
    "archaic_double_string": ("return double_value(exact) * 100 + strlen(string_value(name));", 14),
    "archaic_int_long": ("assign_int(count, 8); assign_long(big, 1); return count + big;", 9),
    "archaic_float_double": ("assign_float(level, 8.0); assign_double(exact, 1.0); return level + exact;", 9),
    "archaic_string_var": ('assign_string(name, "q"); assign_var(count, byte_value); return count + strlen(name);', 6),
    "by_element": ("long i = 2; return ivar_value(curve[i]);", 30),
    # ---- parameters by number
    "ret_signed_value": ("return ret_signed_value(ITEM_ID(count), 0);", -3),
    "ret_unsigned_value": ("return ret_unsigned_value(VARID(big), 0) == 4000000000u;", 1),
    "ret_float_value": ("return ret_float_value(ITEM_ID(level), 0) * 2;", 5),
    "ret_double_value": ("return ret_double_value(ITEM_ID(exact), 0) * 10;", 1),
    "ret_string_value": ("return strlen(ret_string_value(ITEM_ID(name), 0));", 4),
    "member_by_number": ("return ret_signed_value(ITEM_ID(pair), MEMBER_ID(A));", -3),
    "element_by_number": ("return ret_signed_value(ITEM_ID(curve), 1);", 20),
    "get_signed_value": ("long v; return get_signed_value(ITEM_ID(count), 0, &v) * 100 + v;", -3),
    "get_unsigned_value": ("unsigned long v; get_unsigned_value(ITEM_ID(mode), 0, v); return v;", 1),
    "get_float_value": ("float v; get_float_value(ITEM_ID(level), 0, &v); return v * 2;", 5),
    "get_double_value": ("double v; get_double_value(ITEM_ID(exact), 0, &v); return v * 10;", 1),
    "get_string_value": (
        "char s[3]; long n; get_string_value(ITEM_ID(name), 0, s, &n); return n * 10 + strlen(s);",
        42,
    ),
    "get_date_value": ("long v; get_date_value(ITEM_ID(day), 0, &v); return v >> 16;", 14),
    "get_date_value_octets": ("char o[3]; long n; get_date_value(ITEM_ID(day), 0, o, &n); return o[1] * 10 + n;", 113),
    "get_bad_id": ("long v; return get_signed_value(9999, 0, &v);", 1803),
    "get_wrong_type": ("long v; return get_signed_value(ITEM_ID(name), 0, &v);", 1805),
    "put_signed_value": ("put_signed_value(ITEM_ID(count), 0, -9); return count;", -9),
    "put_unsigned_value": ("return put_unsigned_value(ITEM_ID(byte_value), 0, 256);", 1805),
    "put_float_value": ("put_float_value(ITEM_ID(level), 0, 4.5); return level * 2;", 9),
    "put_double_value": ("put_double_value(ITEM_ID(exact), 0, 4.5); return exact * 2;", 9),
    "put_string_value": ('put_string_value(ITEM_ID(name), 0, "abc", 3); return strlen(name);', 3),
    "put_date_value": ("put_date_value(ITEM_ID(day), 0, To_Date(2024, 2, 29)); return day >> 16;", 29),
    "put_date_value_octets": (
        "char o[3]; o[0] = 1; o[1] = 2; o[2] = 100; put_date_value(ITEM_ID(day), 0, o, 3); return day;",
        0x010264,
    ),
    "put_bad_date": ("return put_date_value(ITEM_ID(day), 0, 0);", 1805),
    "assign": ("assign(ITEM_ID(pair), MEMBER_ID(A), ITEM_ID(byte_value), 0); return count;", 5),
    "assign_bad_id": ("return assign(0, 0, ITEM_ID(count), 0);", 1803),
    # ---- policies
    "policies_succeed": ("return discard_on_exit() + save_on_exit() + send_on_exit();", 0),
    "isOffline": ("return isOffline();", 0),
    # ---- strings
    "strlen": ('return strlen("abc") + strlen("");', 3),
    "strcmp": ('return strcmp("a", "b") * 100 + strcmp("b", "a") * 10 + strcmp("a", "a");', -90),
    "strstr": ('return strlen(strstr("hello", "ll")) * 10 + strlen(strstr("hello", "x"));', 30),
    "strlwr_strupr": ('return (strlwr("AbC") == "abc") + (strupr("AbC") == "ABC");', 2),
    "strtrim": ('return strlen(strtrim("  ab  "));', 2),
    "strmid": (
        'return (strmid("abcdef", 1, 3) == "bcd") + (strmid("abc", 5, 2) == "") +'
        ' (strmid("abc", 1, -1) == "");',
        3,
    ),
    "atoi": ('return atoi(" -12x") + atoi("x");', -12),
    "atof": ('return atof("2.5e1 V") + atof("-.5");', 24),
    "itoa": ('return (itoa(-5) == "-5") + (itoa(255, 0, 16) == "ff") + (itoa(-1, 0, 2) == "%s");' % ("1" * 32), 3),
    "itoa_into_buffer": ("char s[8]; itoa(123, s, 10); return s[2];", 51),
    # ---- maths
    "abs": ("return abs(-3) + abs(2.5) * 2;", 8),
    "rounding": ("return round(2.5) * 1000 + round(-2.5) * 100 + ceil(1.2) * 10 + floor(-1.2);", 2718),
    "trunc": ("return trunc(-2.9) * 10 + trunc(2.9);", -18),
    "roots": ("return sqrt(16) * 10 + cbrt(-8);", 38),
    "fmod": ("return fmod(-7, 3);", -1),
    "pow": ("return pow(2, 10) + pow(4, 0.5);", 1026),
    "logs": ("return log10(1000) * 100 + log2(8) * 10 + log(1);", 330),
    "exp": ("return exp(0);", 1),
    "trigonometry": ("return cos(0) * 100 + sin(0) * 10 + tan(0) + acos(1) + asin(0) + atan(0);", 100),
    "hyperbolic": ("return cosh(0) * 10 + sinh(0) + tanh(0);", 10),
    "domain_errors_are_nan": ("return is_NaN(sqrt(-1)) + is_NaN(log(-1)) + is_NaN(acos(2)) + is_NaN(fmod(1, 0));", 4),
    "poles": ("return (log(0) < -1e300) + (pow(0, -1) > 1e300) + (exp(1000) > 1e300) + (sinh(-1000) < -1e300);", 4),
    "pow_of_negative": ("return is_NaN(pow(-1, 0.5)) * 10 + pow(-2, 3);", 2),
    "round_of_infinity": (
        "double z;"
        " return (round(1.0 / z) > 1e300) + (floor(1.0 / z) > 1e300) + (trunc(-1.0 / z) < -1e300);",
        3,
    ),
    "fpclassify": (
        "double z; return (fpclassify(nan(\"\")) == FP_NAN) + (fpclassify(1.0 / z) == FP_INFINITE)"
        " + (fpclassify(z) == FP_ZERO) + (fpclassify(1e-310) == FP_SUBNORMAL) + (fpclassify(1.0) == FP_NORMAL);",
        5,
    ),
    "NaN": ("double d; NaN_value(&d); return is_NaN(d) + is_NaN(NaN_value()) + is_NaN(nanf()) + is_NaN(1.0);", 3),
    # ---- time: 2024-02-29 is 1709164800 s
    "To_Date": ("return To_Date(2024, 2, 29) == ((29 << 16) | (2 << 8) | 124);", 1),
    "To_Date_carries": ("return To_Date(2023, 14, 30) == To_Date(2024, 3, 1);", 1),
    "date_parts": (
        "long d = To_Date(2024, 2, 29);"
        " return Date_to_Year(d) * 10000 + Date_to_Month(d) * 100 + Date_to_DayOfMonth(d);",
        20240229,
    ),
    "Date_To_Time": ("return Date_To_Time(To_Date(2024, 2, 29));", 1709164800),
    "Time_To_Date": ("return Time_To_Date(1709164800) == To_Date(2024, 2, 29);", 1),
    "Make_Time": ("return Make_Time(2024, 2, 29, 1, 2, 3, 0) - 1709164800;", 3723),
    "To_Time": ("return To_Time(To_Date(2024, 2, 29), 25, 0, 0, 1) - 1709164800;", 86400),
    "DiffTime": ("return DiffTime(100, 40);", 60),
    "AddTime": ("return AddTime(100, -40);", 60),
    "GetCurrentTime": ("return GetCurrentTime();", 1709164800),
    # ---- lists
    "ListInsert": ("ListInsert(notes, 0, count); ListInsert(notes, 0, 8); return notes[0] * 10 + notes[1];", 77),
    "list_is_full": (
        "long i, e; for (i = 0; i < 5; i++) e = ListInsert(notes, 0, i);"
        " return e * 10 + notes.COUNT;",
        -6,
    ),
    "list_has_no_gaps": ("return ListInsert(notes, 2, 1);", -1),
    "ListDeleteElementAt": (
        "ListInsert(notes, 0, 1); ListInsert(notes, 1, 2); ListDeleteElementAt(notes, 0);"
        " return notes[0] * 10 + notes.COUNT;",
        21,
    ),
    "delete_nothing": ("return ListDeleteElementAt(notes, 0);", -1),
    "list_element_assigned": ("ListInsert(notes, 0, 1); notes[0] = 6; notes[0] += 1; return notes[0];", 7),
    # ---- references
    "resolve_array_ref": ("return ivar_value(resolve_array_ref(ITEM_ID(curve), 2)) + get_resolve_status();", 30),
    "resolve_reference_array": ("return ivar_value(resolve_array_ref(ITEM_ID(chosen), 4));", -3),
    "resolve_fails": ("return resolve_array_ref(ITEM_ID(curve), 3) * 10000 + get_resolve_status();", 1803),
    "resolve_record_ref": ("return ivar_value(resolve_record_ref(ITEM_ID(pair), MEMBER_ID(C)));", 20),
    "resolve_param_ref": ("return resolve_param_ref(MEMBER_ID(A)) * 0 + get_resolve_status();", 1803),
    "resolve_param_ref_of_an_item": ("return ivar_value(resolve_param_ref(ITEM_ID(count)));", -3),
    "resolve_local_and_list": (
        "return (resolve_local_ref(ITEM_ID(count)) == ITEM_ID(count)) + (resolve_param_list_ref(ITEM_ID(count)) != 0);",
        2,
    ),
    "resolve_list_ref": ("return resolve_list_ref(ITEM_ID(notes), 0);", 0),
    "resolve_list_itself": ("return resolve_list_ref(ITEM_ID(notes)) == ITEM_ID(notes);", 1),
    "resolve_block_ref": ("return resolve_block_ref(ITEM_ID(count)) + get_resolve_status();", 1818),
    "resolve_2": ("return ivar_value(resolve_array_ref2(0, 0, ITEM_ID(curve), 0));", 10),
    # ---- enumerations and messages
    "get_enum_string": ("char s[8]; get_enum_string(mode, 1, s, 8); return s == \"On\";", 1),
    "get_enum_string_of_nothing": ("char s[8]; return get_enum_string(mode, 9, s, 8);", -1),
    "get_status_code_string": ("DD_STRING s; get_status_code_string(mode, 0, s, 40); return s == \"Off\";", 1),
    "get_status_string": ("char s[8]; get_status_string(ITEM_ID(mode), 0, 1, s, 8); return strlen(s);", 2),
    "buffer_too_small": ("char s[2]; return get_enum_string(mode, 0, s, 2) * 10 + strlen(s);", 18081),
    "get_comm_error": ("return get_comm_error();", 0),
    "get_comm_error_string": ("char s[40]; get_comm_error_string(1, s, 40); return strlen(s) > 5;", 1),
    "BUILD_MESSAGE": (
        'DD_STRING s; long n = 7; BUILD_MESSAGE(s, "n is %{n}, level %[.1f]{level}");'
        ' return s == "n is 7, level 2.5";',
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("code", "expected"), WHOLE.values(), ids=WHOLE.keys())
def test_builtins(code: str, expected: int) -> None:
    run = run_code(code, items=ITEMS, values=VALUES, time_us=1_709_164_800_999_999)
    assert run.value == expected


def test_texts_of_the_dictionary() -> None:
    """By name, by bracketed name, by number and into a buffer; get_stddict_string is the FOUNDATION spelling."""
    code = (
        "char s[8]; DD_STRING all = dictionary_string(hello) + dictionary_string(DICT_ID(hello));"
        " all += literal_string([hello]);"
        " get_dictionary_string(hello, s, 8); all += s; get_stddict_string(DICT_ID(hello), s, 3);"
        ' return all + s + literal_string("!");'
    )
    run = run_code(code, "ASCII", dictionary='[1,1] hello "|en|Hi|de|Tag"', languages=("de",))
    assert run.value == "TagTagTagTagTa!"
    assert isinstance(run_code("dictionary_string(77); return 0;").outcome, Failed)
    assert run_code("char s[4]; return get_dictionary_string(77, s, 4);").value == -1


def test_log_messages_reach_the_host() -> None:
    run = run_code('long n = 3; LOG_MESSAGE(2, "n = %{n}"); return 0;')
    assert run.host.logged == [(2, "n = 3")]


@pytest.mark.parametrize(
    ("call", "policy"),
    [("discard_on_exit();", Commit.DISCARD), ("save_on_exit();", Commit.SAVE), ("send_on_exit();", Commit.SEND)],
)
def test_the_policy_for_assigned_values_is_told_at_the_end(call: str, policy: Commit) -> None:
    outcome = run_code(call + " return 0;").outcome
    assert isinstance(outcome, Finished)
    assert outcome.commit is policy


PROCESSED: dict[str, tuple[str, str, Scalar, Scalar]] = {
    "i": ("count", "return isetval(igetval() + 1);", 4, 5),
    "l": ("big", "return lsetval(lgetval() + 1);", 4, 5),
    "f": ("level", "return fsetval(fgetval() * 2.0);", 2.5, 5.0),
    "d": ("exact", "return dsetval(dgetval() * 2.0);", 2.5, 5.0),
    "s": ("name", 'ssetval(sgetval() + "!"); return strlen(sgetval());', "abc", "abc!"),
}


@pytest.mark.parametrize("letter", PROCESSED)
def test_an_action_reads_and_changes_the_value_under_processing(letter: str) -> None:
    name, code, before, after = PROCESSED[letter]
    this = ActionValue(name, before)
    run = run_code(code, items=ITEMS, this=this)
    assert (this.value, this.changed) == (after, True)
    assert run.value == (4 if letter == "s" else after)


def test_the_value_under_processing_is_only_there_in_actions() -> None:
    assert isinstance(run_code("return igetval();").outcome, Failed)
    assert isinstance(run_code("isetval(1); return 0;").outcome, Failed)
    assert isinstance(run_code("return igetval();", items=ITEMS, this=ActionValue("count", None)).outcome, Aborted)
    this = ActionValue("count", 1)
    assert isinstance(run_code('ssetval("x"); return 0;', items=ITEMS, this=this).outcome, Aborted)
    assert this == ActionValue("count", 1)


def test_is_offline_tells_the_data_set() -> None:
    assert run_code("return isOffline();", offline=True).value == 1


def test_a_parameter_that_is_not_known_ends_the_method() -> None:
    """Acting on a guess could move something; builtins with a return code leave it to the METHOD."""
    outcome = run_code("return count;", items=ITEMS).outcome
    assert isinstance(outcome, Aborted)
    assert "count" in outcome.message
    assert run_code("long v; return get_signed_value(ITEM_ID(count), 0, &v);", items=ITEMS).value == 1809
    assert run_code("return vassign(big, count);", items=ITEMS).value == -1


def test_an_assignment_out_of_range_ends_the_method() -> None:
    """eddl.md 7.5: range errors are reported, not wrapped."""
    run = run_code("byte_value = 300; return 1;", items=ITEMS, values={"byte_value": 7})
    assert isinstance(run.outcome, Aborted)
    assert run.host.values["byte_value"] == 7


def test_fractions_of_maths_are_those_of_c() -> None:
    value = run_code("return sin(1.0) + cos(1.0) + tan(1.0) + exp(1.0) + log(10.0);", "DOUBLE").value
    assert value == pytest.approx(math.sin(1) + math.cos(1) + math.tan(1) + math.e + math.log(10), rel=1e-15)
