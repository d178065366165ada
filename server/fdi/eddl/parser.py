"""EDD source to tree: the preprocessor's tokens are fed to the LALR grammar one top-level construct at a time.

After an error reading goes on at the next construct, so that one look lists several mistakes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from server.fdi.eddl import tables
from server.fdi.eddl.errors import EddError, Findings, GivenUpError, Problem
from server.fdi.eddl.expression_tree import BuildError
from server.fdi.eddl.keywords import KEYWORDS, Place, starts_construct
from server.fdi.eddl.lalr import END, Machine, UnexpectedError
from server.fdi.eddl.limits import DEFAULT_LIMITS, EddLimits
from server.fdi.eddl.nodes import Construct, Edd, HeaderEntry, Import, Item, Position, Removal
from server.fdi.eddl.preprocess import Preprocessor
from server.fdi.eddl.shape import prepare
from server.fdi.eddl.tokens import Token
from server.fdi.eddl.whereabouts import standing_in

__all__ = ["EddError", "EddLimits", "Problem", "parse"]

IDENTIFICATION: Final = ("MANUFACTURER", "DEVICE_TYPE", "DEVICE_REVISION", "DD_REVISION")
_SPELLED: Final = {
    "NAME": "a name", "INT": "a number", "FLOAT": "a number", "CHAR": "a character", "STRING": "a text",
    "LBRACE": "'{'", "_RBRACE": "'}'", "LPAR": "'('", "_RPAR": "')'", "LSQB": "'['", "_RSQB": "']'", "COMMA": "','",
    "SEMI": "';'",
    "COLON": "':'", "_DOT": "'.'", "EQUAL": "'='", "_QMARK": "'?'", "BINOP": "an operator", "UNOP": "a sign",
    "_ELSE": "ELSE", "_LIKE": "LIKE", "_OF": "OF", "_C_ELSE": "else", "C_WHILE": "while",
}  # fmt: skip
_SHOWN_EXPECTATIONS = 5


@functools.cache
def grammar() -> Any:
    """The grammar's tables, read once a process; stateless, so all parses share them."""
    text = tables.source()
    return tables.load(text) or tables.build(text)


def parse(
    source: str | bytes,
    *,
    file: str = "device.ddl",
    include: Callable[[str], bytes] | None = None,
    dictionary: Mapping[str, Mapping[str, str]] | None = None,
    limits: EddLimits = DEFAULT_LIMITS,
) -> Edd:
    """The tree of an EDD source (bytes: UTF-8, else ISO 8859-1).

    `include` gives the bytes of a file named in `#include` and raises LookupError or OSError when there is none;
    without it nothing can be included. `dictionary` maps identifiers to text by language. Raises EddError with all
    problems found.
    """
    sources: dict[str, str] = {}
    findings = Findings(sources, limits.problems)
    reader: _Reader | None = None
    try:
        tokens = Preprocessor(findings, limits, include, sources).tokens(source, file)
        partner = prepare(tokens, limits, findings)
        reader = _Reader(tokens, partner, limits, findings)
        reader.read(file)
    except GivenUpError:
        raise EddError(findings.problems) from None
    findings.raise_if_any()
    items: dict[str, Item] = {}
    for item in reader.declarations:
        if not isinstance(item, Removal):
            items.setdefault(item.name, item)
    return Edd(
        identification=MappingProxyType(reader.identification),
        imports=tuple(reader.imports),
        declarations=tuple(reader.declarations),
        items=MappingProxyType(items),
        dictionary=dictionary,
        file=file,
        sources=MappingProxyType(sources),
        warnings=tuple(findings.warnings),
    )


class _SyntaxError(Exception):
    def __init__(self, at: int, position: Position, text: str) -> None:
        super().__init__(text)
        self.at = at
        self.position = position
        self.text = text


class _Reader:
    """Walks the tokens of one EDD, construct by construct."""

    def __init__(self, tokens: list[Token], partner: list[int], limits: EddLimits, findings: Findings) -> None:
        self._tokens = tokens
        self._partner = partner
        self._limits = limits
        self._findings = findings
        self._at = 0
        self.identification: dict[str, HeaderEntry] = {}
        self.imports: list[Import] = []
        self.declarations: list[Item] = []

    def read(self, file: str) -> None:
        """Read everything; problems are noted. Raises GivenUpError when their list is full."""
        self._header(file)
        tokens = self._tokens
        while self._at < len(tokens):
            if tokens[self._at].type == "SEMI":
                self._at += 1
                continue
            start = self._at
            try:
                self._keep(self._run("toplevel", start, self._end_of_item))
            except _SyntaxError as problem:
                self._findings.add(problem.position, "syntax", problem.text)
                self._at = self._resume(start, problem.at)

    def _keep(self, item: Any) -> None:
        if isinstance(item, Import):
            self.imports.append(item)
        else:
            self.declarations.append(item)
            if isinstance(item, Construct) and len(self.declarations) > self._limits.constructs:
                self._findings.give_up(
                    item.position, "limit", f"the EDD has more than {self._limits.constructs} constructs"
                )

    def _header(self, file: str) -> None:
        tokens = self._tokens
        first = tokens[0].position if tokens else Position(file, 1, 1)
        if not tokens or tokens[0].text not in IDENTIFICATION:
            self._findings.add(first, "identification", "the EDD must begin with " + ", ".join(IDENTIFICATION))
            return
        try:
            entries = self._run("header", 0, self._end_of_header)
        except _SyntaxError as problem:
            self._findings.add(problem.position, "syntax", problem.text)
            self._at = self._resume(0, problem.at)
            return
        for entry in entries:
            if entry.name in self.identification:
                self._findings.add(entry.position, "identification", f"{entry.name} stands twice")
            self.identification[entry.name] = entry
        missing = [name for name in IDENTIFICATION if name not in self.identification]
        if missing:
            self._findings.add(first, "identification", f"the identification lacks {', '.join(missing)}")

    # ---- one start rule over a run of tokens

    def _run(self, rule: str, start: int, is_last: Callable[[int, int], bool]) -> Any:
        """The tree of one header or construct; `_at` then stands after it. Raises _SyntaxError."""
        machine = Machine(grammar().parser.parser.parser, rule)
        states, stack, feed = machine.states, machine.stack, machine.feed
        tokens = self._tokens
        depth = 0
        at = start
        last = len(tokens)
        try:
            while at < last:
                token = tokens[at]
                kind = token.type
                if kind == "NAME":
                    if token.text in KEYWORDS:
                        self._classify(token, at, machine)
                elif kind == "SIGN":
                    token.type = "BINOP" if "BINOP" in states[stack[-1]] else "UNOP"
                elif token.text == "<":
                    self._mask(token, at, states[stack[-1]])
                if token.type == "MASK":
                    feed(token)
                    at += 3
                    continue
                feed(token)
                if kind == "LBRACE":
                    depth += 1
                elif kind == "_RBRACE":
                    depth -= 1
                if len(stack) > self._limits.open_rules:
                    self._findings.give_up(token.position, "limit", "this construct is nested too deep; simplify it")
                at += 1
                if depth == 0 and is_last(at, start):
                    break
            result = machine.finish()
        except UnexpectedError as error:
            raise self._unexpected(error, start, min(at, last - 1), at >= last) from None
        except BuildError as error:
            raise _SyntaxError(at, error.position, error.text) from None
        self._at = at
        return result

    def _end_of_item(self, at: int, start: int) -> bool:
        return self._tokens[at - 1].type in ("_RBRACE", "SEMI")

    def _end_of_header(self, at: int, start: int) -> bool:
        """An entry is complete and no comma follows."""
        tokens = self._tokens
        if at - start < 2 or tokens[at - 1].type == "COMMA" or tokens[at - 2].type not in ("NAME", "COMMA"):
            return False
        complete = (at - start) % 3 == 2
        return complete and (at >= len(tokens) or tokens[at].type != "COMMA")

    def _classify(self, token: Token, at: int, machine: Machine) -> None:
        """Make the word a keyword where the grammar takes the keyword and what follows fits it."""
        terminal, look_ahead = KEYWORDS[token.text]
        accepted = machine.states[machine.stack[-1]]
        if terminal in accepted and look_ahead(Place(self._tokens, self._partner, at)) and machine.takes(terminal):
            token.type = terminal

    def _mask(self, token: Token, at: int, accepted: Mapping[str, Any]) -> None:
        """`< number >` after an item of a list is one token."""
        tokens = self._tokens
        if "MASK" not in accepted or at + 2 >= len(tokens):
            return
        if tokens[at + 1].type == "INT" and tokens[at + 2].text == ">":
            token.type = "MASK"
            token.value = tokens[at + 1].value

    def _unexpected(self, error: UnexpectedError, start: int, at: int, at_end: bool) -> _SyntaxError:
        expected = sorted({_SPELLED.get(word, word) for word in error.expected if word != END})
        token = self._tokens[at]
        if len(expected) > _SHOWN_EXPECTATIONS:
            wanted = ""
        else:
            wanted = "; expected " + " or ".join(expected)
        inside = standing_in(self._tokens, start, at + 1 if at_end else at)
        if at_end:
            text, inside = f"the source ends inside {inside or 'this construct'}", ""
        elif error.kind == END:
            text = "this construct is not complete"
        elif token.type == "PUNCTUATION":
            text = f"{token.text!r} has no meaning in EDDL"
        else:
            text = f"{token.text[:40]!r} is not expected here"
        return _SyntaxError(at, token.position, text + (f" in {inside}" if inside else "") + wanted)

    def _resume(self, start: int, wrong: int) -> int:
        """Where to go on after an error: the next construct, or the end of this one."""
        tokens, partner = self._tokens, self._partner
        end = len(tokens)
        at = start
        while at < len(tokens):
            if tokens[at].type == "LBRACE":
                at = partner[at]
                if at < 0:
                    break
            if tokens[at].type == "_RBRACE" or (tokens[at].type == "SEMI" and at >= wrong):
                end = at + 1
                break
            at += 1
        if tokens[start].text == "IMPORT" and end < len(tokens):
            return max(end, start + 1)
        for candidate in range(max(start + 1, wrong - 4), end):
            if starts_construct(tokens, candidate):
                return candidate
        return max(end, start + 1)
