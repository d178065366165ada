"""Macro expansion by the rules of C: arguments first, then the body again, never a macro inside itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.fdi.eddl.limits import EddLimits
from server.fdi.eddl.nodes import Position
from server.fdi.eddl.tokens import LexicalError, Scanner, Token

_PASTE = "PASTE"  # type of a '##' that pastes
_NOTHING = "NOTHING"  # type of what stands for an empty argument beside a '##'
EXPANSION_DEPTH = 64  # macro calls as arguments of macro calls


class MacroError(Exception):
    """A macro that is defined or used wrongly, or that grows past the limits."""

    def __init__(self, position: Position, rule: str, text: str) -> None:
        super().__init__(text)
        self.position = position
        self.rule = rule
        self.text = text


@dataclass(frozen=True, slots=True)
class Macro:
    """A definition; `parameters` is None for an object-like macro."""

    name: str
    parameters: tuple[str, ...] | None
    body: tuple[Token, ...]
    variadic: bool = False  # what stands past the parameters is __VA_ARGS__


# Macros whose value is the place where they are used.
PLACES = {name: Macro(name, None, ()) for name in ("__LINE__", "__FILE__")}
_REST = "__VA_ARGS__"
_COMMA_REST = [("PUNCTUATION", ","), (_PASTE, "##"), ("NAME", _REST)]


def read_definition(line: Sequence[Token], text: str) -> Macro:
    """The macro that the tokens after `define` describe; `text` is the directive as written.

    Raises MacroError. A `(` right after the name makes the macro function-like.
    """
    name = line[0]
    rest = list(line[1:])
    if not rest or rest[0].text != "(" or not _adjacent(name, rest[0]):
        return Macro(name.text, None, _body(rest))
    parameters: list[str] = []
    at = 1
    if at < len(rest) and rest[at].text == ")":
        return Macro(name.text, (), _body(rest[2:]))
    while at + 1 < len(rest) and rest[at].type == "NAME" and rest[at + 1].text in (",", ")"):
        if rest[at].text in parameters:
            raise MacroError(rest[at].position, "macro", f"the parameter {rest[at].text} stands twice in {name.text}")
        parameters.append(rest[at].text)
        if rest[at + 1].text == ")":
            return Macro(name.text, tuple(parameters), _body(rest[at + 2 :]))
        at += 2
    if [token.text for token in rest[at : at + 4]] == [".", ".", ".", ")"]:
        return Macro(name.text, (*parameters, _REST), _body(rest[at + 4 :]), variadic=True)
    raise MacroError(name.position, "macro", f"{name.text} needs names between commas: {text.strip()}")


def _body(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """The tokens of a definition; a `##` among them pastes, one that comes with an argument does not.

    Raises MacroError.
    """
    for token in tokens:
        if token.text == "##" and token.type == "PUNCTUATION":
            token.type = _PASTE
    for end in (*tokens[:1], *tokens[-1:]):
        if end.type == _PASTE:
            raise MacroError(end.position, "macro", "'##' needs a token on either side")
    return tuple(tokens)


def _adjacent(left: Token, right: Token) -> bool:
    return right.line == left.line and right.column == left.column + len(left.text)


class Expander:
    """Expands tokens with the macros defined at that moment; counts what it brings in."""

    def __init__(self, macros: dict[str, Macro], limits: EddLimits) -> None:
        self._macros = macros
        self._limits = limits
        self.brought_in = 0

    def expand(self, tokens: Sequence[Token], depth: int = 0) -> list[Token]:
        """A finished list of tokens with macros expanded. Raises MacroError."""
        if depth > EXPANSION_DEPTH and tokens:
            raise MacroError(
                tokens[0].position, "limit", f"macro calls stand more than {EXPANSION_DEPTH} deep in each other"
            )
        source = iter(tokens)
        found: list[Token] = []
        for token in source:
            if token.type == "NAME" and token.text in self._macros:
                found.extend(self.call(token, source, depth))
            else:
                found.append(token)
        return found

    def call(self, first: Token, source: Iterator[Token], depth: int = 0) -> Iterator[Token]:
        """What the macro name `first` becomes; arguments are taken from `source`. Raises MacroError."""
        pending = [first]  # a stack: the next token is the last
        while pending:
            token = pending.pop()
            macro = self._macros.get(token.text) if token.type == "NAME" else None
            if macro is None or macro.name in token.hidden:
                yield token
                continue
            if macro.parameters is None:
                hidden = token.hidden | {macro.name}
                if token.text in PLACES:
                    body = [_place(token.text, first)]
                else:
                    body = self._pasted([part.moved(first) for part in macro.body])
            else:
                opening = pending.pop() if pending else next(source, None)
                if opening is None or opening.text != "(" or opening.type != "PUNCTUATION":
                    if opening is not None:
                        pending.append(opening)
                    yield token
                    continue
                arguments, closing = self._arguments(token, pending, source)
                body = self._pasted(self._substituted(macro, arguments, first, depth))
                hidden = (token.hidden & closing.hidden) | {macro.name}
            self.brought_in += len(body) + 1
            if self.brought_in > self._limits.expansions:
                raise MacroError(
                    first.position,
                    "limit",
                    f"macros bring in more than {self._limits.expansions} tokens",
                )
            for part in body:
                part.hidden = part.hidden | hidden
            pending.extend(reversed(body))

    def _arguments(self, name: Token, pending: list[Token], source: Iterator[Token]) -> tuple[list[list[Token]], Token]:
        arguments: list[list[Token]] = [[]]
        depth = 0
        while True:
            token = pending.pop() if pending else next(source, None)
            if token is None:
                raise MacroError(name.position, "macro", f"the arguments of {name.text} have no closing ')'")
            if token.type == "PUNCTUATION":
                if token.text == "(":
                    depth += 1
                elif token.text == ")":
                    if depth == 0:
                        return arguments, token
                    depth -= 1
                elif token.text == "," and depth == 0:
                    arguments.append([])
                    continue
            arguments[-1].append(token)

    def _substituted(self, macro: Macro, arguments: list[list[Token]], at: Token, depth: int) -> list[Token]:
        parameters = macro.parameters or ()
        if arguments == [[]] and len(parameters) == macro.variadic:
            arguments = []
        if macro.variadic and len(arguments) >= len(parameters) - 1:
            arguments = [*arguments[: len(parameters) - 1], _with_commas(arguments[len(parameters) - 1 :], at)]
        if len(arguments) != len(parameters):
            raise MacroError(
                at.position, "macro", f"{macro.name} takes {len(parameters)} arguments, here stand {len(arguments)}"
            )
        raw = dict(zip(parameters, arguments, strict=True))
        expanded: dict[str, list[Token]] = {}
        found: list[Token] = []
        body = macro.body
        position = 0
        while position < len(body):
            part = body[position]
            following = body[position + 1] if position + 1 < len(body) else None
            if macro.variadic and [(token.type, token.text) for token in body[position : position + 3]] == _COMMA_REST:
                if not raw[_REST]:  # the comma goes with the arguments that are not there
                    position += 3
                    continue
                found.append(part.moved(at))
                position += 2
                part, following = body[position], None
            if part.text == "#" and following is not None and following.text in raw:
                found.append(_stringized(raw[following.text], at))
                position += 2
                continue
            if part.type == "NAME" and part.text in raw:
                pasted = bool(found) and found[-1].type == _PASTE
                pasted = pasted or (following is not None and following.type == _PASTE)
                if pasted:
                    value = raw[part.text] or [Token(_NOTHING, "", at.file, at.line, at.column)]
                else:
                    if part.text not in expanded:
                        expanded[part.text] = self.expand(raw[part.text], depth + 1)
                    value = expanded[part.text]
                for token in value:
                    copy = token.moved(at)
                    copy.hidden = token.hidden
                    found.append(copy)
                if len(found) > self._limits.expansions:
                    raise MacroError(at.position, "limit", f"{macro.name} grows past {self._limits.expansions} tokens")
            else:
                found.append(part.moved(at))
            position += 1
        return found

    @staticmethod
    def _pasted(tokens: list[Token]) -> list[Token]:
        if not any(token.type in (_PASTE, _NOTHING) for token in tokens):
            return tokens
        found: list[Token] = []
        position = 0
        while position < len(tokens):
            token = tokens[position]
            if token.type == _PASTE and found and position + 1 < len(tokens):
                left, right = found.pop(), tokens[position + 1]
                found.append(_glued(left, right))
                position += 2
            else:
                found.append(token)
                position += 1
        return [token for token in found if token.type != _NOTHING]


def _with_commas(arguments: list[list[Token]], at: Token) -> list[Token]:
    found: list[Token] = []
    for number, argument in enumerate(arguments):
        if number:
            last = found[-1] if found else at
            found.append(Token("PUNCTUATION", ",", last.file, last.line, last.column + len(last.text)))
        found.extend(argument)
    return found


def _place(name: str, at: Token) -> Token:
    if name == "__LINE__":
        return Token("NUMBER", str(at.line), at.file, at.line, at.column)
    return Token("STRING", '"' + _escaped(at.file) + '"', at.file, at.line, at.column)


def _glued(left: Token, right: Token) -> Token:
    if _NOTHING in (left.type, right.type):
        return right if left.type == _NOTHING else left
    text = left.text + right.text
    try:
        made = list(Scanner(text, left.file).tokens())
    except LexicalError as error:
        raise MacroError(left.position, "macro", f"'##' makes {text!r}, which cannot be read") from error
    if len(made) != 1:
        raise MacroError(left.position, "macro", f"'##' makes {text!r}, which is not one token")
    return made[0].moved(left)


def _stringized(tokens: list[Token], at: Token) -> Token:
    """The tokens as one text; a space stands between those that do not touch in the source."""
    text = ""
    for number, token in enumerate(tokens):
        apart = number and not (_adjacent(tokens[number - 1], token) and token.file == tokens[number - 1].file)
        text += " " * bool(apart) + token.text
    return Token("STRING", f'"{_escaped(text)}"', at.file, at.line, at.column)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
