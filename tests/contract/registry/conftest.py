import pytest

from tests.harness import ric_on_embedded_store


@pytest.fixture
async def ric():
    async with ric_on_embedded_store() as running:
        yield running
