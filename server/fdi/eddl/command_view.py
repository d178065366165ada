"""COMMAND and RESPONSE_CODES constructs to the static view: data items, masks and codes are checked."""

from __future__ import annotations

from collections.abc import Iterable

from server.fdi.eddl.commands import DataItem, EddCommand, EddResponseCodes, EddTransaction, ResponseCode
from server.fdi.eddl.expressions import Integer, Reference, Unary
from server.fdi.eddl.nodes import Attribute, Conditional, Construct, Content, ItemList, ListItem, Transaction
from server.fdi.eddl.reading import Reader
from server.fdi.eddl.references import reference_of
from server.fdi.eddl.static_view import StaticView, groups, list_items, names_in
from server.fdi.eddl.texts import NO_TEXT
from server.fdi.eddl.writing import written

OPERATIONS = frozenset({"READ", "WRITE", "COMMAND", "DATA_EXCHANGE"})
CODE_TYPES = frozenset(
    {"SUCCESS", "MISC_WARNING", "DATA_ENTRY_WARNING", "DATA_ENTRY_ERROR", "MODE_ERROR", "PROCESS_ERROR", "MISC_ERROR"}
)


def command(reader: Reader) -> EddCommand:
    """The static view of a COMMAND."""
    view, findings = reader.view, reader.view.findings
    construct = reader.construct
    codes = response_codes(construct.attribute("RESPONSE_CODES"), reader)
    transactions: list[EddTransaction] = []
    for attribute in construct.attributes:
        if isinstance(attribute.value, Transaction):
            made = _transaction(attribute.value, codes, reader)
            if any(made.number == other.number for other in transactions):
                text = f"{reader.owner} has two TRANSACTIONs {made.number}"
                findings.add(attribute.position, "duplicate-value", text)
            transactions.append(made)
    operation = reader.word("OPERATION")
    if operation is not None and operation not in OPERATIONS:
        findings.warn(construct.position, "operation", f"{reader.owner}: OPERATION {operation} is not known")
    if not transactions:
        findings.warn(construct.position, "transaction", f"{reader.owner} has no TRANSACTION")
    return EddCommand(
        number=reader.whole("NUMBER"),
        operation=operation,
        transactions=tuple(transactions),
        response_codes=codes,
        slot=_address(view, construct, "SLOT"),
        subslot=_address(view, construct, "SUBSLOT"),
        index=_address(view, construct, "INDEX"),
        api=_address(view, construct, "API"),
        header=reader.string("HEADER"),
        block=reader.string("BLOCK"),
        module=reader.string("MODULE"),
        connection=reader.string("CONNECTION"),
        **reader.common(),
    )


def _address(view: StaticView, construct: Construct, name: str) -> int | None:
    value = view.value(construct.attribute(name), set())
    return value if isinstance(value, int) else None


def _transaction(transaction: Transaction, codes: tuple[ResponseCode, ...], reader: Reader) -> EddTransaction:
    parts = {attribute.name: attribute for attribute in transaction.attributes}
    number = reader.view.constant(transaction.number) if transaction.number is not None else 0
    if not isinstance(number, int):
        text = f"{reader.owner}: the number of a TRANSACTION must be a constant whole number"
        reader.view.findings.add(transaction.position, "number", text)
        number = 0
    if "REPLY" not in parts:
        reader.view.findings.warn(transaction.position, "transaction", f"{reader.owner}: a TRANSACTION has no REPLY")
    own = response_codes(parts.get("RESPONSE_CODES"), reader)
    actions = reader.view.items(list_items(parts.get("POST_RQSTRECEIVE_ACTIONS")))
    called = (reference_of(item) for item, _ in actions if isinstance(item, ListItem))
    return EddTransaction(
        number=number,
        request=_data_items(parts.get("REQUEST"), reader),
        reply=_data_items(parts.get("REPLY"), reader),
        response_codes=own or codes,
        actions=tuple(written(reference) for reference in called if reference is not None),
    )


def _data_items(attribute: Attribute | None, reader: Reader) -> tuple[DataItem, ...]:
    found: list[DataItem] = []
    for item, conditional in reader.view.items(list_items(attribute)):
        if not isinstance(item, ListItem):
            continue
        constant = _octet(item)
        reference = reference_of(item)
        if constant is None and reference is None:
            text = f"{reader.owner}: a message holds references and whole numbers only"
            reader.view.findings.add(item.position, "data-item", text)
            continue
        found.append(
            DataItem(
                target=written(reference) if reference is not None else None,
                constant=constant,
                mask=item.mask,
                info="INFO" in item.qualifiers,
                index="INDEX" in item.qualifiers,
                conditional=conditional,
                reference=reference,
            )
        )
    if attribute is not None:
        _masks(attribute, found, reader)
    return tuple(found)


def _octet(item: ListItem) -> int | None:
    match item.value:
        case Integer(value=value):
            return value
        case Unary(operator="-", operand=Integer(value=value)):
            return -value
    return None


def _masks(attribute: Attribute, items: Iterable[DataItem], reader: Reader) -> None:
    """Items that share octets may not share bits; the run ends with bit 0 or an item without a mask."""
    taken = 0
    for item in items:
        if item.mask is None or item.conditional:
            taken = 0
            continue
        if item.mask == 0 or item.mask & taken:
            what = "is empty" if item.mask == 0 else "overlaps the one before"
            text = f"{reader.owner}: the mask {item.mask:#x} of {item.target} in {attribute.name} {what}"
            position = item.reference.position if item.reference is not None else attribute.position
            reader.view.findings.add(position, "mask", text)
        taken = 0 if item.mask & 1 else taken | item.mask


def response_codes(attribute: Attribute | None, reader: Reader, depth: int = 0) -> tuple[ResponseCode, ...]:
    """The codes of an attribute: a table of its own, or the shared one it names."""
    if attribute is None:
        return ()
    if isinstance(attribute.value, ItemList):
        return _codes(attribute.value.items, reader)
    scalar = reader.view.scalar(attribute, reader.dynamic)
    named = scalar.values[0] if scalar is not None else None
    if not isinstance(named, Reference) or named.steps or depth:
        return ()
    table = reader.items.get(named.name)
    if not isinstance(table, Construct):
        return ()  # an unknown name is noted by the check of references
    if table.kind != "RESPONSE_CODES":
        text = f"{reader.owner}: {named.name} is a {table.kind}, not RESPONSE_CODES"
        reader.view.findings.add(named.position, "response-codes", text)
        return ()
    return response_codes(table.attribute("RESPONSE_CODES"), reader, depth + 1)


def _codes(items: tuple[Content, ...], reader: Reader) -> tuple[ResponseCode, ...]:
    view = reader.view
    found: list[ResponseCode] = []
    always: set[int] = set()
    for group, conditional in groups(list(view.items(items))):
        value = view.constant(group[0].value) if group and isinstance(group[0].value, Integer | Reference) else None
        types = names_in(group[1].value) if len(group) > 1 else []
        if not isinstance(value, int) or not types:
            place = group[0].position if group else reader.construct.position
            view.findings.add(place, "response-codes", f"{reader.owner}: an entry needs a number, a type and a text")
            continue
        if value in always and not conditional:
            text = f"{reader.owner} lists the response code {value} more than once"
            view.findings.add(group[0].position, "duplicate-value", text)
            continue
        if types[0] not in CODE_TYPES:
            text = f"{reader.owner}: {types[0]} is no known type of a response code"
            view.findings.warn(group[1].position, "response-codes", text)
        if not conditional:
            always.add(value)
        texts = [view.text_of(part.value) or NO_TEXT for part in group[2:4]]
        found.append(
            ResponseCode(
                value,
                types[0],
                texts[0] if texts else NO_TEXT,
                texts[1] if len(texts) > 1 else NO_TEXT,
                conditional,
            )
        )
    return tuple(found)


def shared_codes(reader: Reader) -> EddResponseCodes:
    """The static view of a shared table of response codes."""
    attribute = reader.attribute("RESPONSE_CODES")
    codes = response_codes(attribute, reader) if attribute is None or not _named(attribute) else ()
    return EddResponseCodes(codes=codes, **reader.common())


def _named(attribute: Attribute) -> bool:
    return not isinstance(attribute.value, ItemList | Conditional)
