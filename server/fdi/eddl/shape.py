"""Tokens made ready for the grammar: numbers and texts are read, brackets paired, and the limits are met first."""

from __future__ import annotations

from server.fdi.eddl.errors import Findings
from server.fdi.eddl.limits import EddLimits
from server.fdi.eddl.numbers import NumberError, read_number
from server.fdi.eddl.strings import decode
from server.fdi.eddl.tokens import Token

_PUNCTUATION = {
    "{": "LBRACE", "}": "_RBRACE", "(": "LPAR", ")": "_RPAR", "[": "LSQB", "]": "_RSQB",
    ",": "COMMA", ";": "SEMI", ":": "COLON", ".": "_DOT", "?": "_QMARK", "=": "EQUAL",
    "++": "INCDEC", "--": "INCDEC", "~": "UNOP", "!": "UNOP", "<": "BINOP", ">": "BINOP",
}  # fmt: skip
_SIGNS = frozenset("-+&")  # before an operand they are unary, after one binary: the parser sees which
_BINARY = frozenset(("||", "&&", "|", "^", "==", "!=", "<=", ">=", "<<", ">>", "*", "/", "%"))
_ASSIGNMENTS = frozenset(("+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="))
_PAIRS = {"}": "{", ")": "(", "]": "["}
_OPERATORS = frozenset(("BINOP", "UNOP", "INCDEC", "ASSIGNOP", "SIGN", "_QMARK", "EQUAL"))
CTYPES = ("unsigned", "signed", "char", "short", "int", "long", "float", "double", "DD_STRING")
UNPAIRED = -1


def prepare(tokens: list[Token], limits: EddLimits, findings: Findings) -> list[int]:
    """Narrow each token's type in place and return, per opening bracket, the index of its partner (else UNPAIRED).

    Notes what cannot be read; raises GivenUpError when a limit on nesting, operators or constructs is crossed.
    """
    partner = [UNPAIRED] * len(tokens)
    opened: list[tuple[int, int]] = []  # index of the bracket, operators on the path to it
    operators = 0
    constructs = 0
    text_chars = 0
    for at, token in enumerate(tokens):
        kind = _narrow(token, findings)
        token.type = kind
        text = token.text
        if kind == "STRING":
            text_chars += len(text)
            if text_chars > limits.string_chars:
                findings.give_up(token.position, "limit", f"this text has more than {limits.string_chars} characters")
            continue
        text_chars = 0
        if kind == "NAME":
            operators += text in CTYPES and at > 0 and tokens[at - 1].text == "("  # a cast
        elif text in ("{", "(", "["):
            if not opened:
                constructs += text == "{"
                if constructs > limits.constructs:
                    findings.give_up(token.position, "limit", f"the EDD has more than {limits.constructs} constructs")
            if text == "{" and (not opened or tokens[opened[-1][0]].text == "{"):
                operators = 0
            opened.append((at, operators))
            if len(opened) > limits.nesting:
                findings.give_up(
                    token.position, "limit", f"brackets are nested more than {limits.nesting} deep; simplify this part"
                )
        elif text in _PAIRS:
            while opened and tokens[opened[-1][0]].text != _PAIRS[text] and text == "}":
                opened.pop()  # a forgotten ')' or ']' does not swallow the rest of the construct
            if opened and tokens[opened[-1][0]].text == _PAIRS[text]:
                partner[opened[-1][0]] = at
                before = opened.pop()[1]
                operators = before if text == "}" else operators
        elif text in (",", ";"):
            operators = opened[-1][1] if opened else 0
        elif kind in _OPERATORS:
            operators += 1
        if operators > limits.operators:
            findings.give_up(
                token.position, "limit", f"an expression has more than {limits.operators} operators; split it"
            )
    return partner


def _narrow(token: Token, findings: Findings) -> str:
    kind, text = token.type, token.text
    if kind == "NAME":
        return kind
    if kind == "PUNCTUATION":
        return (
            _PUNCTUATION.get(text)
            or ("SIGN" if text in _SIGNS else None)
            or ("BINOP" if text in _BINARY else "ASSIGNOP" if text in _ASSIGNMENTS else "PUNCTUATION")
        )
    if kind == "STRING":
        token.value = decode(text)
        return kind
    if kind == "CHAR":
        code = decode(text)
        if len(code) != 1:
            findings.add(token.position, "character", f"{text[:20]} is not one character")
        token.value = ord(code[0]) if code else 0
        return kind
    try:
        number = read_number(text)
    except NumberError as error:
        findings.add(token.position, "number", str(error))
        token.value = 0
        return "INT"
    token.value = number.value
    return "INT" if isinstance(number.value, int) else "FLOAT"
