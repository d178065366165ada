"""The EDD of one device type ready to run: what depends on what, and what its attributes are for given values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from server.core import status
from server.core.status import StatusCode
from server.core.texts import Texts
from server.core.values import Scalar
from server.fdi.eddl.commands import EddCommand
from server.fdi.eddl.expressions import Expression
from server.fdi.eddl.model import EddArray, EddMethod, EddModel, EddVariable
from server.fdi.eddl.nodes import Construct, TypeSpec
from server.fdi.logic.actions import ActionCall, actions_of
from server.fdi.logic.attributes import Recipe, bound_names, recipe
from server.fdi.logic.commands import Commands
from server.fdi.logic.context import Compiled, Context, Dependency, ValueSource, scalar_of
from server.fdi.logic.dependencies import Dependencies
from server.fdi.logic.errors import EvaluationError
from server.fdi.logic.menus import Menus, MenuView, flag
from server.fdi.logic.orders import DOWNLOAD, UPLOAD, download_order, transfer_menu, upload_order
from server.fdi.logic.places import Places
from server.fdi.logic.relations import Relations
from server.fdi.logic.table import AttributeTable, text_in
from server.model.device_type import ParameterSpec
from server.pipeline.commands import check_value

__all__ = ["ActionCall", "EvaluationError", "MenuView", "TypeLogic", "ValueSource"]

MENU: Final = "menu:"
METHOD: Final = "method:"
"""What stands before the names of items that are no parameters, in answers of `dependents`."""
_VARIANTS: Final = 16
"""Specifications of one parameter that are kept to be shared by devices."""
_EXPRESSIONS: Final = 10_000
"""Expressions of others that are kept compiled."""


class TypeLogic:
    """Made once per installed version of a device type; keeps no state of devices, so all of them share it."""

    def __init__(self, model: EddModel, parameters: Mapping[str, ParameterSpec]) -> None:
        """`parameters`: the static specifications of all parameters, PRIVATE ones included."""
        self.model = model
        self.parameters = parameters
        self.evaluations = 0
        """Specifications worked out so far."""
        self._places = Places(model)
        self._table = AttributeTable(model, self._places)
        self._relations = Relations(model, parameters)
        self._commands = Commands(model)
        self._menus = Menus(model, self._places, self._table)
        self._recipes = self._made_recipes()
        self.dynamic: frozenset[str] = frozenset(self._recipes)
        """Parameters with at least one attribute that depends on values."""
        self._dependencies = Dependencies(self._items(), self._table.compiled, self._places.sets)
        self.watched: frozenset[str] = self._dependencies.roots
        """Parameters that something depends on."""
        self._variants: dict[str, list[ParameterSpec]] = {}
        self._compiled: dict[int, tuple[Expression, Compiled]] = {}
        self._download: tuple[str, ...] | None = None
        self._upload: tuple[str, ...] | None = None

    def _made_recipes(self) -> dict[str, Recipe]:
        found: dict[str, Recipe] = {}
        with_units = self._relations.with_units()
        for name in self.parameters:
            element = self._places.array_of.get(name)
            array = self.model.arrays[element[0]] if element is not None else None
            variable = self.model.variables.get((array.element or "") if array is not None else name)
            if variable is None:
                continue
            conditional = variable.conditional if array is None else variable.conditional | self._of_array(array)
            if not conditional and name not in with_units:
                continue
            unit_from = self._relations.unit_variable(name) if name in with_units else None
            made = recipe(name, variable, self._bounds(variable), conditional, unit_from)
            if made is not None:
                found[name] = made
        return found

    def _of_array(self, array: EddArray) -> frozenset[str]:
        """Attributes that the elements of a value array take from it."""
        construct = self.model.constructs.get(array.name)
        validity = isinstance(construct, Construct) and construct.attribute("VALIDITY") is not None
        return array.conditional & {"LABEL", "HELP"} | ({"VALIDITY"} if validity else set())

    def _bounds(self, variable: EddVariable) -> dict[str, None]:
        """Names of the MIN_VALUE and MAX_VALUE attributes of a VARIABLE, those of all branches."""
        construct = self.model.constructs.get(variable.name)
        if not isinstance(construct, Construct):
            return {}
        typed = construct.attribute("TYPE")
        contents = typed.value.items if typed is not None and isinstance(typed.value, TypeSpec) else ()
        return bound_names((*contents, *construct.attributes))

    def _items(self) -> dict[str, Iterable[Dependency]]:
        items: dict[str, Iterable[Dependency]] = {name: made.reads for name, made in self._recipes.items()}
        items.update((MENU + name, reads) for name, reads in self._menus.reads.items())
        for name in self.model.methods:
            items[METHOD + name] = [(name, attribute) for attribute in ("VALIDITY", "VISIBILITY", "LABEL", "HELP")]
        return items

    # ---- what depends on what

    def dependents(self, names: Iterable[str]) -> frozenset[str]:
        """Parameters, `menu:<name>` and `method:<name>` whose attributes these values have a part in."""
        return frozenset().union(*(self._dependencies.of(name) for name in names))

    def dominants(self, name: str) -> frozenset[str]:
        """What dominates a parameter by UNIT and REFRESH relations."""
        return self._relations.dominants(name)

    def dependants(self, name: str) -> frozenset[str]:
        """What a parameter dominates by UNIT and REFRESH relations."""
        return self._relations.dependants(name)

    def unit_dependents(self, name: str) -> frozenset[str]:
        """Parameters whose unit this one names."""
        return self._relations.dependants(name, ("UNIT",))

    def refresh_dependents(self, name: str) -> frozenset[str]:
        """Parameters to read again when this one changes."""
        return self._relations.dependants(name, ("REFRESH",))

    def write_together(self, name: str) -> tuple[str, ...]:
        """What must be edited and written with a parameter, itself included; () for nothing."""
        return self._relations.together(name)

    # ---- what attributes are

    def context(self, values: ValueSource, this: Scalar | None = None) -> Context:
        """For several questions about the same values: what one worked out serves the others."""
        return Context(self._table, self.parameters, values, this)

    def spec(self, name: str, values: ValueSource) -> ParameterSpec:
        """What a parameter means for these values; the static specification itself when nothing differs.

        Raises:
            KeyError: no such parameter.
        """
        return self._effective(name, self.context(values)) if name in self._recipes else self.parameters[name]

    def specs(self, names: Iterable[str], values: ValueSource) -> dict[str, ParameterSpec]:
        """The same for several parameters; names of something else are left out."""
        context = self.context(values)
        return {name: self._effective(name, context) for name in names if name in self._recipes}

    def _effective(self, name: str, context: Context) -> ParameterSpec:
        self.evaluations += 1
        static = self.parameters[name]
        made = self._recipes[name].effective(static, context)
        if made is static:
            return static
        # Devices in the same state share one specification, and a device that comes back to a state its old one.
        variants = self._variants.setdefault(name, [])
        for known in variants:
            if known == made:
                return known
        if len(variants) == _VARIANTS:
            variants.pop(0)
        variants.append(made)
        return made

    def evaluate(self, expression: Expression, values: ValueSource, *, this: Scalar | None = None) -> Scalar:
        """The value of an expression, a text in its default language; `this`: the value an action is about.

        Raises:
            EvaluationError: it is wrong, or needs a value that is not known.
        """
        context = self.context(values, this)
        return scalar_of(context.run(self._ready(expression)))

    def text(self, expression: Expression, values: ValueSource) -> Texts:
        """The text of an expression in all its languages.

        Raises:
            EvaluationError: it is a number, wrong, or needs a value that is not known.
        """
        return text_in(self.context(values).run(self._ready(expression)))

    def _ready(self, expression: Expression) -> Compiled:
        found = self._compiled.get(id(expression))
        if found is not None and found[0] is expression:
            return found[1]
        compiler = self._table.compiler()
        compiled = compiler.finished(compiler.run(expression))
        if len(self._compiled) < _EXPRESSIONS:
            self._compiled[id(expression)] = (expression, compiled)
        return compiled

    def check(self, name: str, value: Scalar, values: ValueSource) -> StatusCode:
        """Good, or why a value must not be written: HANDLING and VALIDITY (BadNotWritable), TYPE (BadTypeMismatch),
        ranges, enumerators and the legal indexes of an INDEX (BadOutOfRange).

        Raises:
            KeyError: no such parameter.
        """
        spec = self.spec(name, values)
        if not spec.writable or not spec.valid:
            return status.BAD_NOT_WRITABLE
        code = check_value(spec, value)
        if not status.is_good(code):
            return code
        return code if self._legal_index(name, value) else status.BAD_OUT_OF_RANGE

    def _legal_index(self, name: str, value: Scalar) -> bool:
        variable = self.model.variables.get(name)
        if variable is None or variable.index_of not in self.model.arrays:
            return True
        return isinstance(value, int | float) and int(value) in self._places.elements(variable.index_of or "")

    # ---- MENUs, METHODs, actions

    def menu(self, name: str, values: ValueSource) -> MenuView:
        """A MENU as it is for these values.

        Raises:
            KeyError: no such MENU.
        """
        view = self._menus.view(name, self.context(values))
        if view is None:
            raise KeyError(name)
        return view

    def method(self, name: str) -> EddMethod:
        """A METHOD. Raises KeyError when there is none."""
        return self.model.methods[name]

    def method_valid(self, name: str, values: ValueSource) -> bool:
        """Whether a METHOD may be run now; true while its VALIDITY cannot be told."""
        return flag(self.context(values), (name, "VALIDITY"))

    def actions(self, item: str, kind: str, values: ValueSource | None = None) -> tuple[ActionCall, ...]:
        """The actions of an item: `PRE_WRITE_ACTIONS`, `POST_EDIT_ACTIONS` … Without values conditions are unknown.

        Raises:
            EvaluationError: a condition around them cannot be told.
        """
        construct = self._places.construct(item)
        if construct is None or construct.attribute(kind) is None:
            return ()
        return actions_of(construct, kind, self._table.compiler(), self.context(values or _NOTHING))

    # ---- communication

    def command(self, number: int) -> EddCommand | None:
        """The COMMAND of a NUMBER."""
        return self._commands.numbered(number)

    @property
    def commands_named(self) -> Mapping[str, EddCommand]:
        """All COMMANDs by name."""
        return self.model.commands

    def read_command(self, parameter: str) -> EddCommand | None:
        """The COMMAND that reads a parameter."""
        return self._commands.reading(parameter)

    def write_command(self, parameter: str) -> EddCommand | None:
        """The COMMAND that writes a parameter."""
        return self._commands.writing(parameter)

    def download_order(self) -> tuple[str, ...]:
        """Parameters in the order in which a transfer sends them to the device."""
        if self._download is None:
            self._download = download_order(self.model, self.parameters, self._relations)
        return self._download

    def transfer_actions(self, kind: str, values: ValueSource) -> tuple[ActionCall, ...]:
        """What runs around a transfer as a whole: the actions of its MENU, `PRE_WRITE_ACTIONS` and `POST_WRITE_ACTIONS`
        of the download's, `PRE_READ_ACTIONS` and `POST_READ_ACTIONS` of the upload's.

        Raises:
            EvaluationError: a condition around them cannot be told.
        """
        menu = transfer_menu(self.model, DOWNLOAD if kind.endswith("WRITE_ACTIONS") else UPLOAD)
        return self.actions(menu, kind, values) if menu is not None else ()

    def upload_order(self) -> tuple[str, ...]:
        """Parameters in the order in which a transfer reads them from the device."""
        if self._upload is None:
            self._upload = upload_order(self.model, self.parameters)
        return self._upload


class _Nothing:
    def value(self, _name: str) -> Scalar | None:
        return None


_NOTHING: Final = _Nothing()
