"""Directives: macros, conditions and includes are worked off here; what comes out are the tokens of one EDD."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from server.fdi.eddl.condition import ConditionError, holds
from server.fdi.eddl.errors import Findings
from server.fdi.eddl.limits import EddLimits
from server.fdi.eddl.macros import PLACES, Expander, Macro, MacroError, read_definition
from server.fdi.eddl.nodes import Position
from server.fdi.eddl.strings import decode, decode_bytes
from server.fdi.eddl.tokens import LexicalError, Scanner, Token, scan_line

TOKENIZER_VERSION = 1000  # what sources find in __TOKVER__
_FIXED = frozenset({"defined", *PLACES})
_CONDITIONS = ("if", "ifdef", "ifndef", "elif", "else", "endif")


@dataclass(slots=True)
class _Open:
    """An `#if` that waits for its `#endif`."""

    opened: Position
    taken: bool  # some branch was chosen already
    outside: bool  # what stands around it counts
    saw_else: bool = False


class Preprocessor:
    """Turns one source and what it includes into tokens; notes problems instead of stopping where it can."""

    def __init__(
        self,
        findings: Findings,
        limits: EddLimits,
        include: Callable[[str], bytes] | None,
        sources: dict[str, str],
    ) -> None:
        self._findings = findings
        self._limits = limits
        self._include = include
        self._sources = sources
        self._bytes = 0
        self._read = 0
        version = Token("NUMBER", str(TOKENIZER_VERSION), "", 0, 0)
        self._macros: dict[str, Macro] = {"__TOKVER__": Macro("__TOKVER__", None, (version,)), **PLACES}
        self._expander = Expander(self._macros, limits)

    def tokens(self, source: str | bytes, file: str) -> list[Token]:
        """All tokens after expansion. Raises GivenUpError when a limit is crossed."""
        found: list[Token] = []
        stream = self._file(source, file, 0)
        most = self._limits.tokens
        macros = self._macros
        for token in stream:
            if token.type == "NAME" and token.text in macros:
                try:
                    for part in self._expander.call(token, stream):
                        found.append(part)
                        if len(found) > most:
                            break
                except MacroError as error:
                    self._macro_problem(error)
            else:
                found.append(token)
            if len(found) > most:
                self._findings.give_up(token.position, "limit", f"the EDD has more than {most} tokens")
        return found

    def _macro_problem(self, error: MacroError) -> None:
        if error.rule == "limit":
            self._findings.give_up(error.position, error.rule, error.text)
        self._findings.add(error.position, error.rule, error.text)

    def _file(self, source: str | bytes, file: str, depth: int) -> Iterator[Token]:
        size = len(source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass"))
        self._bytes += size
        if self._bytes > self._limits.source_bytes:
            self._findings.give_up(
                Position(file, 1, 1), "limit", f"the EDD has more than {self._limits.source_bytes} octets"
            )
        text = decode_bytes(source) if isinstance(source, bytes) else source
        self._sources[file] = text.replace("\r\n", "\n").replace("\r", "\n")
        scanner = Scanner(text, file)
        opened: list[_Open] = []
        pieces = scanner.tokens()
        while True:
            try:
                token = next(pieces, None)
            except LexicalError as error:
                self._findings.add(error.position, error.rule, error.text)
                pieces = scanner.tokens()
                continue
            if token is None:
                break
            if token.type != "DIRECTIVE":
                yield token
                continue
            skipping, inserted = self._directive(token, scanner, opened, depth)
            if inserted is not None:
                yield from inserted
            while skipping:
                following = scanner.skip_to_directive()
                if following is None:
                    break
                skipping = self._skipped(following, opened)
            pieces = scanner.tokens()
        for left in opened:
            self._findings.add(left.opened, "preprocessor", "this condition has no #endif")

    # ---- directives that count

    def _directive(
        self, token: Token, scanner: Scanner, opened: list[_Open], depth: int
    ) -> tuple[bool, Iterator[Token] | None]:
        word, argument = _split(token.text)
        add = self._findings.add
        if word in _CONDITIONS:
            return self._condition(word, argument, token, opened), None
        match word:
            case "" | "pragma" | "ident":
                return False, None
            case "error":
                add(token.position, "preprocessor", f"#error {argument.strip()}")
                return False, None
            case "warning":
                self._findings.warn(token.position, "preprocessor", f"#warning {argument.strip()}")
                return False, None
        line = self._line(argument, token)
        if line is None:
            return False, None
        if word == "include":
            return False, self._included(line, argument, token, depth)
        if word == "line":
            self._renumber(line, token, scanner)
        elif word in ("define", "undef"):
            if not line or line[0].type != "NAME":
                add(token.position, "preprocessor", f"#{word} needs a name")
            elif line[0].text in _FIXED:
                add(line[0].position, "macro", f"{line[0].text} may not be defined or taken back")
            elif word == "undef":
                self._macros.pop(line[0].text, None)
            else:
                self._define(line, argument)
        else:
            add(token.position, "preprocessor", f"#{word} is not a directive")
        return False, None

    def _line(self, text: str, token: Token) -> list[Token] | None:
        lead = len(token.text) - len(text)
        at = Token("DIRECTIVE", "", token.file, token.line, token.column + lead)
        try:
            return scan_line(text, at)
        except LexicalError as error:
            self._findings.add(error.position, error.rule, error.text)
            return None

    def _define(self, line: list[Token], text: str) -> None:
        try:
            macro = read_definition(line, text)
        except MacroError as error:
            self._macro_problem(error)
            return
        if macro.name in self._macros and not _alike(macro, self._macros[macro.name]):
            self._findings.warn(line[0].position, "macro", f"{macro.name} was defined before with another meaning")
        self._macros[macro.name] = macro
        if len(self._macros) > self._limits.macros:
            self._findings.give_up(line[0].position, "limit", f"the EDD defines more than {self._limits.macros} macros")

    def _expanded(self, line: list[Token]) -> list[Token]:
        try:
            return self._expander.expand(line)
        except MacroError as error:
            self._macro_problem(error)
            return []

    def _renumber(self, line: list[Token], token: Token, scanner: Scanner) -> None:
        line = self._expanded(line)
        if not line or not line[0].text.isdigit() or len(line[0].text) > 9:
            self._findings.add(token.position, "preprocessor", "#line needs a line number")
            return
        file = decode(line[1].text) if len(line) > 1 and line[1].type == "STRING" else None
        scanner.renumber(token.line, int(line[0].text), file)

    def _included(self, line: list[Token], text: str, token: Token, depth: int) -> Iterator[Token] | None:
        add = self._findings.add
        if line and line[0].type == "NAME":
            line = self._expanded(line)
            text = "".join(part.text for part in line)
        if line and line[0].type == "STRING":
            name = line[0].text[1:-1]
        elif line and line[0].text == "<" and ">" in text:
            name = text[text.index("<") + 1 : text.index(">")].strip()
        else:
            add(token.position, "include", '#include needs "file" or <file>')
            return None
        self._read += 1
        if depth + 1 > self._limits.include_depth:
            self._findings.give_up(
                token.position, "limit", f"files include each other more than {self._limits.include_depth} deep"
            )
        if self._read > self._limits.includes:
            self._findings.give_up(token.position, "limit", f"more than {self._limits.includes} files are included")
        if self._include is None:
            add(token.position, "include", f"{name} cannot be included: this EDD was given without further files")
            return None
        try:
            content = self._include(name)
        except (LookupError, OSError, ValueError) as error:
            add(token.position, "include", f"{name} cannot be included: {error}")
            return None
        return self._file(content, name, depth + 1)

    # ---- conditions

    def _condition(self, word: str, argument: str, token: Token, opened: list[_Open]) -> bool:
        """Whether what follows is left out, after a directive in text that counts."""
        if word in ("if", "ifdef", "ifndef"):
            chosen = self._chosen(word, argument, token)
            opened.append(_Open(token.position, chosen, True))
            return not chosen
        if not opened:
            self._findings.add(token.position, "preprocessor", f"#{word} without #if")
            return False
        if word == "endif":
            opened.pop()
            return False
        self._second_else(word, token, opened[-1])
        return True  # the branch before was taken

    def _skipped(self, token: Token, opened: list[_Open]) -> bool:
        """Whether what follows is still left out, after a directive in text that is left out."""
        word, argument = _split(token.text)
        if word in ("if", "ifdef", "ifndef"):
            if len(opened) >= self._limits.nesting * 4:
                self._findings.give_up(token.position, "limit", "conditions are nested too deep")
            opened.append(_Open(token.position, True, False))
        elif word == "endif":
            return not opened.pop().outside
        elif word in ("elif", "else"):
            current = opened[-1]
            self._second_else(word, token, current)
            if current.outside and not current.taken and (word == "else" or self._chosen("if", argument, token)):
                current.taken = True
                return False
        return True

    def _second_else(self, word: str, token: Token, current: _Open) -> None:
        if current.saw_else:
            self._findings.add(token.position, "preprocessor", f"#{word} after #else")
        current.saw_else = current.saw_else or word == "else"

    def _chosen(self, word: str, argument: str, token: Token) -> bool:
        line = self._line(argument, token)
        if line is None:
            return False
        if word in ("ifdef", "ifndef"):
            if not line or line[0].type != "NAME":
                self._findings.add(token.position, "preprocessor", f"#{word} needs a name")
                return False
            return (line[0].text in self._macros) == (word == "ifdef")
        try:
            return holds(self._expander.expand(self._defined(line)))
        except MacroError as error:
            self._macro_problem(error)
        except ConditionError as error:
            self._findings.add(token.position, "preprocessor", str(error))
        return False

    def _defined(self, line: list[Token]) -> list[Token]:
        found: list[Token] = []
        at = 0
        while at < len(line):
            token = line[at]
            if token.text != "defined":
                found.append(token)
                at += 1
                continue
            bracket = at + 1 < len(line) and line[at + 1].text == "("
            name = line[at + 1 + bracket] if at + 1 + bracket < len(line) else None
            if name is None or name.type != "NAME" or (bracket and [t.text for t in line[at + 3 : at + 4]] != [")"]):
                raise ConditionError("'defined' needs a name")
            found.append(Token("NUMBER", str(int(name.text in self._macros)), token.file, token.line, token.column))
            at += 4 if bracket else 2
        return found


def _alike(one: Macro, other: Macro) -> bool:
    """Whether two definitions mean the same: a second one is then no mistake."""
    return one.parameters == other.parameters and [t.text for t in one.body] == [t.text for t in other.body]


def _split(text: str) -> tuple[str, str]:
    stripped = text.lstrip()
    length = 0
    while length < len(stripped) and (stripped[length].isalpha() or stripped[length] == "_"):
        length += 1
    return stripped[:length], stripped[length:]
