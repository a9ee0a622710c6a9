import json

import pytest

from ric_sim.domain.errors import MalformedFile
from services.console.descriptor_text import descriptor_json


def test_yaml_and_json_are_the_same_document():
    document = {"xapp_name": "routing-{service}", "version": "1.0.0", "services": ["ar", "voip"], "resources": {"cpus": 1.5}}
    as_yaml = b"xapp_name: routing-{service}\nversion: 1.0.0\nservices: [ar, voip]\nresources: {cpus: 1.5}\n"
    assert (
        json.loads(descriptor_json(as_yaml)) == json.loads(descriptor_json(json.dumps(document, indent=2).encode())) == document
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"xapp_name: [", "line 1, column 13"),
        (b"a: 1\n  b: 2\n", "line 2, column 4"),
        (b"a: &a [x, x]\nb: [*a, *a]\n", "alias"),
        (b"a: !!python/object:os.system {}\n", "could not determine a constructor"),
        (b"version: 2026-01-01\n", "not JSON serializable"),
        (b"cpus: .inf\n", "Out of range"),
        (b"{? [a] : b}\n", "unhashable"),
        (b"\xff", "neither YAML nor JSON"),
        (b"a: \x00", "neither YAML nor JSON"),
        (b"[" * 5_000, "neither YAML nor JSON"),
    ],
)
def test_what_cannot_be_read_is_said(text, said):
    with pytest.raises(MalformedFile, match=r"^descriptor: ") as refused:
        descriptor_json(text)
    assert said in str(refused.value)
