import json

import pytest

from ric_sim.domain.errors import InvalidInput
from services.common.json_text import check_text, writable

HALF = json.loads('"\\ud800"')


@pytest.mark.parametrize("document", [HALF, {"a": [HALF]}, {HALF: 1}, f"text{HALF}"])
def test_half_of_a_surrogate_pair_is_refused_wherever_it_is(document):
    with pytest.raises(InvalidInput, match="surrogate"):
        check_text(document)


@pytest.mark.parametrize("document", ["Montréal", json.loads('"\\ud83d\\ude00"'), {"a": [None, 1.5, "\x00"]}])
def test_whole_text_is_taken(document):
    check_text(document)


def test_a_message_that_quotes_it_can_be_written():
    assert writable(f"key {HALF}!") == "key ?!"
