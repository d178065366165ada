"""An EDD that runs, made from a string, over values held in a dictionary."""

from __future__ import annotations

from server.core.values import Scalar
from server.fdi.eddl.expressions import Expression
from server.fdi.eddl.nodes import Scalar as ScalarNode
from server.fdi.logic.type_logic import TypeLogic
from server.fdi.parameters import translate_parameters
from tests.kit.edd import construct, model


class Held(dict[str, Scalar | None]):
    """Values by name; those that are not there are unknown."""

    def value(self, name: str) -> Scalar | None:
        return self.get(name)


def held(**values: Scalar | None) -> Held:
    return Held(values)


def logic(body: str) -> TypeLogic:
    """The logic of a short EDD."""
    edd = model(body)
    shown, hidden = translate_parameters(edd, part="device.ddl")
    return TypeLogic(edd, {**shown, **hidden})


def expression(text: str) -> Expression:
    """An expression as it stands in an attribute."""
    attribute = construct(f"VARIABLE x {{ TYPE FLOAT; VALIDITY {text}; }}").attribute("VALIDITY")
    assert attribute is not None
    assert isinstance(attribute.value, ScalarNode)
    return attribute.value.values[0]
