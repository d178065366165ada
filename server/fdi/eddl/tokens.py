"""Source text to tokens: comments and line splices fall away, every token keeps its place in the file.

Directives are not tokens: the scanner hands each `#` line out whole, for the preprocessor.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from server.fdi.eddl.nodes import Position

NO_NAMES: frozenset[str] = frozenset()

_GAP = r"(?P<gap>(?:[\s\x1a\ufeff]++|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+)"
_PIECES = (
    r"(?P<NAME>[A-Za-z_]\w*+)"
    r"|(?P<NUMBER>(?:0[xX][0-9a-fA-F]++|0[bB][01]++|(?:\d++\.\d*+|\.\d++|\d++)(?:[eE][+-]?\d++)?)\w*+)"
    r"|(?P<STRING>\"(?:[^\"\\]++|\\.)*+\")"
    r"|(?P<CHAR>'(?:[^'\\\n]|\\[^\n])[^'\n]*+')"
    r"|(?P<OPEN_COMMENT>/\*)"
    r"|(?P<PUNCTUATION><<=|>>=|\+\+|--|\+=|-=|\*=|/=|%=|&=|\|=|\^=|<<|>>|<=|>=|==|!=|&&|\|\||##"
    r"|[-+*/%&|^~!<>=?:;,.()\[\]{}#])"
    r"|(?P<END>\Z)"
    r"|(?P<BAD>.)"
)
_TOKEN = re.compile(_GAP + "(?:" + _PIECES + ")", re.ASCII | re.DOTALL)
_SPLICE = re.compile(r"\\[ \t]*\n")
# Comments and texts that are never closed run to the end here; whoever reads the line says so.
_COMMENT_OR_TEXT = r"/\*(?:[^*]++|\*(?!/))*+(?:\*/)?+|//[^\n]*+|\"(?:[^\"\\\n]++|\\[^\n])*+\"?+"
_DIRECTIVE_REST = re.compile(rf"(?:{_COMMENT_OR_TEXT}|[^\n])*+", re.DOTALL)
_SKIPPED = re.compile(rf"{_COMMENT_OR_TEXT}|\n|[^/\"\n]++|.", re.DOTALL)
_HASH = re.compile(r"[ \t\r\f\v]*+#")

_MESSAGES = {
    "OPEN_COMMENT": ("comment", "this comment is never closed; add '*/'"),
    '"': ("string", "this text has no closing quotation mark"),
    "'": ("character", "this character constant is not closed or is empty"),
}


class Token:
    """A piece of source; `type` is NAME, NUMBER, STRING, CHAR, PUNCTUATION or END until the parser narrows it."""

    __slots__ = ("column", "file", "hidden", "line", "text", "type", "value")

    def __init__(self, type_: str, text: str, file: str, line: int, column: int) -> None:
        self.type = type_
        self.text = text
        self.file = file
        self.line = line
        self.column = column
        self.hidden = NO_NAMES  # macros that may not expand this token again
        self.value: int | float | str = text

    @property
    def position(self) -> Position:
        """Where the token stands."""
        return Position(self.file, self.line, self.column)

    def moved(self, to: Token) -> Token:
        """A copy that stands where `to` stands, for tokens a macro brings in."""
        return Token(self.type, self.text, to.file, to.line, to.column)

    def __repr__(self) -> str:
        return f"Token({self.type}, {self.text!r}, {self.file}:{self.line}:{self.column})"


class LexicalError(Exception):
    """A character or a text that cannot be read."""

    def __init__(self, position: Position, rule: str, text: str) -> None:
        super().__init__(text)
        self.position = position
        self.rule = rule
        self.text = text


class Scanner:
    """Walks one file; `position` of every token counts physical lines, before splicing."""

    def __init__(self, text: str, file: str, first_line: int = 1, first_column: int = 1) -> None:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        self.file = file
        self._starts: list[int] = [0]  # offsets in the spliced text at which a physical line starts
        self._line_shift = first_line - 1
        self._column_shift = first_column - 1
        self._text = self._splice(text)
        self._at = 0

    def _splice(self, text: str) -> str:
        pieces = _SPLICE.split(text) if "\\" in text else [text]
        offset = 0
        starts = self._starts
        for number, piece in enumerate(pieces):
            if number:
                starts.append(offset)
            newline = piece.find("\n")
            while newline >= 0:
                starts.append(offset + newline + 1)
                newline = piece.find("\n", newline + 1)
            offset += len(piece)
        return "".join(pieces)

    def renumber(self, line_here: int, line_wanted: int, file: str | None) -> None:
        """`#line`: from the line after `line_here` on, count from `line_wanted`."""
        self._line_shift += line_wanted - (line_here + 1)
        if file is not None:
            self.file = file

    def place(self, offset: int) -> tuple[int, int]:
        """(line, column) of an offset in the spliced text."""
        row = bisect_right(self._starts, offset) - 1
        column = offset - self._starts[row] + 1 + (self._column_shift if row == 0 else 0)
        return row + 1 + self._line_shift, column

    def here(self, offset: int) -> Position:
        """The position of an offset in the spliced text."""
        return Position(self.file, *self.place(offset))

    def tokens(self) -> Iterator[Token]:
        """Tokens from where the scanner stands; a directive comes as one token of type DIRECTIVE with its text.

        Raises LexicalError; the scanner then stands after what it could not read.
        """
        match_at = _TOKEN.match
        text, starts = self._text, self._starts
        rows = len(starts)
        row = bisect_right(starts, self._at) - 1
        while True:
            match = match_at(text, self._at)
            if match is None:  # cannot happen: BAD takes any character and END the rest
                return
            kind = match.lastgroup or "BAD"
            start = match.end("gap")
            piece = text[start : match.end()]
            if kind == "PUNCTUATION" and piece in ("#", "##") and self._opens_line(match.start(), start):
                rest = _DIRECTIVE_REST.match(text, start + 1)
                end = rest.end() if rest else start + 1
                self._at = end
                line, column = self.place(start)
                yield Token("DIRECTIVE", text[start + 1 : end], self.file, line, column)
                row = bisect_right(starts, self._at) - 1
                continue
            self._at = match.end()
            if kind == "END":
                return
            if kind in ("BAD", "OPEN_COMMENT"):
                if kind == "OPEN_COMMENT":
                    self._at = len(text)
                raise self._unreadable(kind, piece, start)
            while row + 1 < rows and starts[row + 1] <= start:
                row += 1
            column = start - starts[row] + 1 + (self._column_shift if row == 0 else 0)
            yield Token(kind, piece, self.file, row + 1 + self._line_shift, column)

    def _opens_line(self, gap_start: int, start: int) -> bool:
        return gap_start == 0 or "\n" in self._text[gap_start:start]

    def _unreadable(self, kind: str, piece: str, start: int) -> LexicalError:
        if piece == '"':
            self._at = len(self._text)
        rule, message = _MESSAGES.get(
            kind, _MESSAGES.get(piece, ("character", f"the character {piece!r} has no meaning here"))
        )
        return LexicalError(self.here(start), rule, message)

    def skip_to_directive(self) -> Token | None:
        """The next line that opens with `#`, over text that is left out; None at the end of the file."""
        text = self._text
        fresh = self._at == 0
        while self._at < len(text):
            if fresh and (hashed := _HASH.match(text, self._at)):
                rest = _DIRECTIVE_REST.match(text, hashed.end())
                self._at = rest.end() if rest else hashed.end()
                line, column = self.place(hashed.end() - 1)
                return Token("DIRECTIVE", text[hashed.end() : self._at], self.file, line, column)
            skipped = _SKIPPED.match(text, self._at)
            if skipped is None:
                return None
            fresh = skipped.group() == "\n"
            self._at = skipped.end()
        return None


def scan_line(text: str, at: Token) -> list[Token]:
    """The tokens of a directive's text, placed by the directive's line and column.

    Raises LexicalError.
    """
    scanner = Scanner(text, at.file, at.line, at.column + 1)
    return [token for token in scanner.tokens() if token.type != "DIRECTIVE"]
