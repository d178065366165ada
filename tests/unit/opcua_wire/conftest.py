"""Each test of this folder that asks for `twin` runs with both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.twins import TWINS, require


@pytest.fixture(params=TWINS)
def twin(request: pytest.FixtureRequest) -> Any:
    """Point, Item, Group, Ready, join_values and put_scalars of one twin."""
    return require(request.param)
