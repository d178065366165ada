"""The four doors that take bytes of strangers: what goes in, how it is damaged, what must not come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz import mutations, seeds
from tests.fuzz.container_cases import one_catalog_case, one_container_case
from tests.fuzz.eddl_cases import one_edd_case
from tests.fuzz.logic_cases import one_logic_case
from tests.fuzz.method_cases import one_method_case
from tests.fuzz.mutations import Mutator
from tests.fuzz.program_cases import one_program_case


@dataclass(frozen=True)
class Target:
    """One door. `case` raises only for a defect of ours; what it answers is how the case ended."""

    case: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    damaged: Mutator


def _container(data: bytes) -> str:
    one_container_case(data)
    return "held"


def _catalog(data: bytes) -> str:
    one_catalog_case(data)
    return "held"


def _edd(data: bytes) -> str:
    one_edd_case(data)
    return one_logic_case(data)


def _method(data: bytes) -> str:
    return one_program_case(data[1:]) if data[:1] == seeds.WRITTEN else one_method_case(data[1:])


def _method_damaged(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    damage = mutations.words if data[:1] == seeds.WRITTEN else mutations.octets
    same = [other[1:] for other in others if other[:1] == data[:1]]
    return data[:1] + damage(data[1:], random, same)


TARGETS = {
    "container": Target(_container, seeds.packages, mutations.package),
    "catalog": Target(_catalog, seeds.catalogs, mutations.xml),
    "edd": Target(_edd, seeds.edds, mutations.words),
    "method": Target(_method, seeds.methods, _method_damaged),
}
