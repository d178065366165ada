"""The METHOD language gives what C gives; every expected value is worked out by hand (eddl.md, 3, 5.8 and 7)."""

from __future__ import annotations

import pytest

from server.core.values import Scalar
from tests.kit.methods import run_code, run_method

ITEMS = """
VARIABLE byte_value { LABEL "b"; CLASS DEVICE; TYPE UNSIGNED_INTEGER (1) { MAX_VALUE 200; } }
VARIABLE count { LABEL "c"; CLASS DEVICE; TYPE INTEGER (4); }
VARIABLE big { LABEL "u"; CLASS DEVICE; TYPE UNSIGNED_INTEGER (4); }
VARIABLE level { LABEL "l"; CLASS DEVICE; TYPE FLOAT { MIN_VALUE 1.5; MAX_VALUE 99.5; DEFAULT_VALUE 7.0; } }
VARIABLE exact { LABEL "d"; CLASS DEVICE; TYPE DOUBLE; }
VARIABLE name { LABEL "|en|Name|de|Bezeichnung"; HELP "h"; CLASS DEVICE; TYPE ASCII (16); }
VARIABLE mode { LABEL "m"; CLASS DEVICE; TYPE ENUMERATED (1) { { 0, "Off" }, { 1, "|en|On|de|Ein" } } }
VARIABLE element { LABEL "e"; CLASS DEVICE; TYPE INTEGER (2); }
VARIABLE day { LABEL "t"; CLASS DEVICE; TYPE DATE; }
ARRAY curve { LABEL "k"; TYPE element; NUMBER_OF_ELEMENTS 3; }
ARRAY OF VARIABLE chosen { ELEMENTS { 4, count; 7, big; } }
COLLECTION OF VARIABLE pair { LABEL "p"; MEMBERS { A, count; B, level; C, curve[1]; } }
LIST notes { TYPE element; CAPACITY 4; }
"""
VALUES: dict[str, Scalar] = {
    "byte_value": 5,
    "count": -3,
    "big": 4_000_000_000,
    "level": 2.5,
    "exact": 0.1,
    "name": "pump",
    "mode": 1,
    "curve_0": 10,
    "curve_1": 20,
    "curve_2": 30,
    "day": 1_700_000_000_000_000,  # 2023-11-14T22:13:20Z
}

WHOLE = {
    # Truncation toward zero, sign of the remainder (7.6).
    "division_truncates": ("return -7 / 2;", -3),
    "remainder_has_the_sign_of_the_left": ("return -7 % 3;", -1),
    "remainder_of_negative_divisor": ("return 7 % -3;", 1),
    # 32 bits wrap; unsigned comparison takes -1 as the greatest.
    "long_wraps": ("long x = 2147483647; x++; return x;", -2147483648),
    "product_wraps": ("long x = 65536; return x * x;", 0),
    "unsigned_is_greater": ("unsigned long one = 1; return -1 > one;", 1),
    "signed_compare": ("long one = 1; return -1 > one;", 0),
    "unsigned_subtraction": ("unsigned long a = 1; a = a - 2; return a == 4294967295u;", 1),
    "long_long_is_64_bits": ("long long x = 2147483647; x = x + 1; return x == 2147483648;", 1),
    "unsigned_long_long": ("unsigned long long x = 0; x--; return x == 18446744073709551615u;", 1),
    # char and short are promoted, and cut on assignment.
    "char_is_8_bits": ("char c = 200; return c;", -56),
    "unsigned_char": ("unsigned char c = 300; return c;", 44),
    "short_is_16_bits": ("short s = 40000; return s;", -25536),
    "unsigned_short": ("unsigned short s = 70000; return s;", 4464),
    "char_arithmetic_is_int": ("char a = 100; char b = 100; return a + b;", 200),
    "char_increment_wraps": ("unsigned char c = 255; c++; return c;", 0),
    # Bits.
    "bits": ("return (0xF0 | 0x0C) & ~0x04 ^ 1;", 0xF9),
    "shift_right_keeps_sign": ("return -16 >> 2;", -4),
    "shift_right_unsigned": ("unsigned long x = 0x80000000; return x >> 31;", 1),
    "shift_left_wraps": ("return 1 << 31;", -2147483648),
    # Order and short circuit.
    "precedence": ("return 2 + 3 * 4 - 10 / 5;", 12),
    "logical_or_leaves_out": ("long x = 0; 1 || x++; return x;", 0),
    "logical_and_leaves_out": ("long x = 0; 0 && x++; return x;", 0),
    "logical_gives_0_or_1": ("return (5 && 7) + (0 || 9) + !3 + !0;", 3),
    "ternary_leaves_out": ("long x = 0; 1 ? 5 : x++; return x;", 0),
    "ternary_nests": ("long x = 2; return x == 1 ? 10 : x == 2 ? 20 : 30;", 20),
    "comma_gives_the_last": ("long x; x = (1, 2, 3); return x;", 3),
    # Assignment operators.
    "compound": ("long x = 7; x += 3; x *= 2; x -= 1; x /= 4; x %= 3; return x;", 1),
    "compound_bits": ("long x = 0x0F; x <<= 2; x |= 1; x &= 0x3D; x ^= 8; x >>= 1; return x;", 26),
    "assignment_is_a_value": ("long a, b; a = b = 4; return a + b;", 8),
    "prefix_and_postfix": ("long x = 5; return x++ * 10 + ++x;", 57),
    "decrement": ("long x = 5; return x-- * 10 + --x;", 53),
    # Conversions.
    "float_is_cut": ("long x = -2.9; return x;", -2),
    "cast": ("return (long) 2.9 + (char) 300;", 46),
    "integer_plus_double": ("return (1 / 2 + 0.5) * 10;", 5),
    "character": ("return 'A' + '\\n';", 75),
    "hexadecimal_octal_binary": ("return 0x10 + 010 + 0b11;", 27),
    # Statements.
    "if_else_chain": (
        "long x = 3, y; if (x == 1) y = 1; else if (x == 2) y = 2; else if (x == 3) y = 3; else y = 4; return y;",
        3,
    ),
    "while": ("long x = 0; while (x < 5) x++; return x;", 5),
    "do_runs_once": ("long x = 9; do x++; while (0); return x;", 10),
    "for_with_commas": ("long i, j, s = 0; for (i = 0, j = 10; i < j; i++, j--) s += j - i; return s;", 30),
    "for_without_parts": ("long i = 0; for (;;) { if (++i > 3) break; } return i;", 4),
    "continue": ("long i, s = 0; for (i = 0; i < 6; i++) { if (i % 2) continue; s += i; } return s;", 6),
    "continue_in_do": ("long i = 0, s = 0; do { i++; if (i == 2) continue; s += i; } while (i < 4); return s;", 8),
    "break_leaves_one_loop": (
        "long i, j, n = 0; for (i = 0; i < 3; i++) { for (j = 0; ; j++) { if (j == 2) break; n++; } } return n;",
        6,
    ),
    "switch_falls_through": ("long n = 0; switch (2) { case 1: n += 1; case 2: n += 2; case 3: n += 4; } return n;", 6),
    "switch_breaks": ("long n = 0; switch (1) { case 1: n = 1; break; case 2: n = 2; } return n;", 1),
    "switch_default": ("long n = 0; switch (9) { case 1: n = 1; break; default: n = 7; } return n;", 7),
    "switch_default_first": ("long n = 0; switch (9) { default: n = 7; break; case 1: n = 1; } return n;", 7),
    "switch_without_match": ("long n = 5; switch (9) { case 1: n = 1; } return n;", 5),
    "switch_of_return_codes": ("switch (-1) { case BI_SUCCESS: return 1; case BI_ERROR: return 2; } return 0;", 2),
    "switch_negative_case": ("switch (-2) { case -2: return 3; } return 0;", 3),
    "continue_inside_switch": (
        "long i, n = 0; for (i = 0; i < 3; i++) { switch (i) { case 1: continue; } n++; } return n;",
        2,
    ),
    "scopes_nest": ("long x = 1; { long x = 2; { long x = 3; } x++; } return x;", 1),
    "locals_start_as_zero": ("long x; float f; return x + f;", 0),
    "locals_start_again": ("long i, s = 0; for (i = 0; i < 3; i++) { long x; x += 5; s += x; } return s;", 15),
    "empty_statement": (";;; return 1;", 1),
    "return_in_a_loop": ("while (1) { return 4; }", 4),
    "a_missing_return_gives_zero": ("if (0) return 4;", 0),
    # Arrays.
    "array": ("long a[3]; a[0] = 1; a[1] = 2; a[2] = a[0] + a[1]; return a[2];", 3),
    "array_initialiser": ("long a[4] = { 1, 2, 3 }; return a[0] + a[2] + a[3];", 4),
    "array_length_from_initialiser": ("short a[] = { 5, 6 }; return a[1];", 6),
    "array_of_two_dimensions": ("long a[2][3]; a[1][2] = 7; a[0][2] = 1; return a[1][2] * 10 + a[0][2];", 71),
    "rows_one_after_the_other": ("long a[2][2] = { 1, 2, 3, 4 }; return a[1][0];", 3),
    "element_is_cut": ("unsigned char a[1]; a[0] = 257; return a[0];", 1),
    "element_compound": ("long a[2] = { 3, 4 }; long i = 0; a[i++] += 10; return a[0] * 10 + i;", 131),
    "element_increment": ("long a[1] = { 7 }; return a[0]++ * 10 + ++a[0];", 79),
    "characters": ('char s[8] = "abc"; return s[1] * 10 + s[3];', 980),
    "characters_are_a_text": ('char s[8]; s = "abcdefghij"; return strlen(s);', 7),
    "characters_joined": ('char s[8] = "ab"; s += "c"; return s == "abc";', 1),
    # Texts.
    "text_joins": ('DD_STRING s = "a"; s = s + "b" + "c"; return strlen(s);', 3),
    "text_compares": ('DD_STRING s = "abc"; return (s == "abc") + (s != "abc") + (s < "abd");', 2),
    "text_array": ('DD_STRING s[2]; s[1] = "xy"; return strlen(s[0] + s[1]);', 2),
    # Constants and parameters.
    "true_and_false": ("return TRUE * 10 + FALSE;", 10),
    "return_codes": ("return BI_ERROR + BLTIN_BAD_ID;", 1802),
    "parameter": ("return count * 2;", -6),
    "parameter_assigned": ("count = 12; return count;", 12),
    "parameter_compound": ("count += 10; count++; return count;", 8),
    "parameter_assigned_a_fraction": ("return (count = 2.9) + (count /= 0.4);", 7),
    "parameter_postfix": ("return count++ * 100 + count;", -302),
    "unsigned_parameter_stays_unsigned": ("return big > 2147483647;", 1),
    "array_element": ("return curve[1];", 20),
    "array_element_by_value": ("long i = 2; return curve[i];", 30),
    "array_element_assigned": ("long i = 0; curve[i + 1] = 5; return curve[1];", 5),
    "array_element_increment": ("long i = 0; curve[i++]++; return curve[0] * 10 + i;", 111),
    "reference_array": ("return chosen[4];", -3),
    "reference_array_by_value": ("long i = 4; return chosen[i];", -3),
    "collection_member": ("pair.A = 9; return pair.A + pair.C;", 29),
    "enumeration_is_a_number": ("return mode == 1;", 1),
    "enumeration_text": ('return mode(0) == "Off";', 1),
    "attribute_numbers": ("return level.MIN_VALUE * 2 + level.MAX_VALUE1;", 102),
    "attribute_default": ("return level.DEFAULT_VALUE;", 7),
    "attribute_texts": ('return (name.LABEL == "Name") + (name.HELP == "h");', 2),
    "attribute_validity": ("return level.VALIDITY + level.VISIBILITY;", 2),
    "attribute_of_an_array": ("return curve.NUMBER_OF_ELEMENTS;", 3),
    "list_starts_empty": ("return notes.COUNT * 10 + notes.CAPACITY;", 4),
    # FLOAT against a decimal literal counts in single precision (7.7); DOUBLE does not.
    "float_equals_literal": ("float f = 0.1; return f == 0.1;", 1),
    "float_differs_from_double": ("float f = 0.1; double d = 0.1; return f == d;", 0),
    "parameter_float_equals_literal": ("level = 2.3; return level == 2.3;", 1),
    "date_is_packed": ("return day == ((14 << 16) | (11 << 8) | 123);", 1),
    "block_roots": ("return PARAM.count;", -3),
    "response_code_starts_as_zero": ("return response_code + device_status;", 0),
}


@pytest.mark.parametrize(("code", "expected"), WHOLE.values(), ids=WHOLE.keys())
def test_whole_numbers_follow_c(code: str, expected: int) -> None:
    assert run_code(code, items=ITEMS, values=VALUES).value == expected


REAL = {
    "single_precision": ("float f = 1.0; f = f / 3.0; return f;", 0.3333333432674408),
    "float_sum_rounds": ("float a = 16777216.0; a = a + 1.0; return a;", 16777216.0),
    "double": ("return 1.0 / 3.0;", 1.0 / 3.0),
    "division_by_zero": ("double z; return 1.0 / z;", float("inf")),
    "integer_in_double": ("return 7 / 2 + 0.0;", 3.0),
    "ternary_takes_the_wider": ("return 1 ? 2 : 0.5;", 2.0),
    "increment": ("double d = 0.5; d++; return d;", 1.5),
    "negative": ("return -(2.5);", -2.5),
    "parameter": ("return exact * 2.0;", 0.2),
}


@pytest.mark.parametrize(("code", "expected"), REAL.values(), ids=REAL.keys())
def test_decimal_numbers_follow_c(code: str, expected: float) -> None:
    assert run_code(code, "DOUBLE", items=ITEMS, values=VALUES).value == expected


def test_nan_is_unequal_to_itself() -> None:
    assert run_code("double z; double n = z / z; return (n == n) * 10 + (n != n);").value == 1


def test_texts_choose_the_language_of_the_user() -> None:
    """eddl.md 1.2: requested language, else English, else the first."""
    code = 'DD_STRING s = "|en|Voltage|de|Spannung"; return s;'
    assert run_code(code, "ASCII", languages=("de-CH",)).value == "Spannung"
    assert run_code(code, "ASCII", languages=("fr",)).value == "Voltage"
    assert (
        run_code("return [hello];", "ASCII", dictionary='[1,1] hello "|en|Hi|de|Hallo"', languages=("de",)).value
        == "Hallo"
    )
    assert run_code("return mode(1);", "ASCII", items=ITEMS, languages=("de",)).value == "Ein"


CALLS = """
VARIABLE kept { LABEL "k"; CLASS DEVICE; TYPE INTEGER (4); }
METHOD square(long x) { TYPE INTEGER; DEFINITION { x = x * x; return x; } }
METHOD halves(long x, long &half, double &exact) { DEFINITION { half = x / 2; exact = x / 2.0; } }
METHOD fill(long a[], long n) { DEFINITION { long i; for (i = 0; i < n; i++) a[i] = i * i; } }
METHOD factorial(long n) { TYPE INTEGER; DEFINITION { return n < 2 ? 1 : n * factorial(n - 1); } }
METHOD even(long n) { TYPE INTEGER; DEFINITION { if (n == 0) return 1; return odd(n - 1); } }
METHOD odd(long n) { TYPE INTEGER; DEFINITION { if (n == 0) return 0; return even(n - 1); } }
METHOD twice_of(DD_ITEM &item) { TYPE INTEGER; DEFINITION { return ivar_value(item) * 2; } }
METHOD low_bits(long &x) { TYPE INTEGER; DEFINITION { x += 1; return x & 3; } }
METHOD join(DD_STRING a, DD_STRING &all) { DEFINITION { all = all + a; } }
"""
CALLED = {
    "by_value": ("long x = 5; return square(x) * 10 + x;", 255),
    "in_and_out": ("long h; double e; halves(7, h, &e); return h * 10 + e * 2;", 37),
    "out_into_a_parameter": ("double e; halves(9, kept, e); return kept;", 4),
    "out_into_an_element": ("long a[2]; double e; halves(9, a[1], e); return a[1];", 4),
    "arrays_are_shared": ("long a[4]; fill(a, 4); return a[3];", 9),
    "recursion": ("return factorial(10);", 3628800),
    "mutual_recursion": ("return even(10) * 10 + odd(10);", 10),
    "texts_in_and_out": ('DD_STRING s = "x"; join("yz", s); join("w", s); return strlen(s);', 4),
    "a_decimal_seen_as_whole": ("double d = 5.7; return low_bits(d) * 10 + d;", 26),
    "an_item": ("kept = 21; return twice_of(kept);", 42),
    "converted": ("return square(2.9);", 4),
}


@pytest.mark.parametrize(("code", "expected"), CALLED.values(), ids=CALLED.keys())
def test_methods_call_one_another(code: str, expected: int) -> None:
    assert run_code(code, items=CALLS).value == expected


def test_arguments_come_in_and_results_go_out() -> None:
    run = run_method(CALLS, "halves", (7, 0, 0.0))
    assert run.outcome.outputs == {"half": 3, "exact": 3.5}  # type: ignore[union-attr]


def test_a_slice_of_any_size_gives_the_same_result() -> None:
    code = "long i, s = 0; for (i = 0; i < 50; i++) s = s * 7 + i; return s;"
    results = {run_code(code, slice_steps=steps).value for steps in (1, 2, 3, 17, 2_000)}
    assert len(results) == 1
