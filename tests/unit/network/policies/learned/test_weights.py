"""Weight files: what is written is read, and nothing else passes for it."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange, WeightsCorrupt, WeightsMismatch, WeightsMissing
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.episodes.space import FEATURE_VERSION
from ric_sim.network.policies.learned import Lineage, Weights, Widths, load_weights, save_weights, weight_files
from ric_sim.network.policies.learned.weights import widths_of
from tests.untrained import NARROW, untrained_weights

LINEAGE = Lineage(seed=7, config_hash="c0ffee", git_commit="abc", steps=1_000_000, train_days=("paper/1", "stress/1001"))
RULES = MaskRules("idle", {"ar": 4, "voip": 0.5}, revisits=False)
TINY = Widths(graph=1, context=1, trunk=(2, 1), pointer=1)


def _weights(**changes):
    return untrained_weights("ar", seed=1, **{"widths": TINY, "mask": RULES, "lineage": LINEAGE, **changes})


@pytest.fixture
def path(tmp_path):
    save_weights(tmp_path / "ar.safetensors", _weights())
    return tmp_path / "ar.safetensors"


def _load(path, algorithm="amarl", service="ar"):
    return load_weights(path, algorithm=algorithm, service=service)


def test_what_is_written_is_read(path):
    written, read = _weights(), _load(path)
    assert read.spec == written.spec
    assert read.sha256 == written.sha256
    assert set(read.tensors) == set(written.tensors)
    for name, values in written.tensors.items():
        assert np.array_equal(read.tensors[name], values)
    assert widths_of(read.tensors) == TINY


def test_the_spec_is_plain_json_in_the_metadata(path):
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    spec = json.loads(header["__metadata__"]["ricity"])
    assert (spec["format"], spec["feature_version"], spec["algorithm"], spec["service"]) == (1, FEATURE_VERSION, "amarl", "ar")
    assert spec["mask"] == {
        "lookahead": "idle",
        "detour_ms": {"ar": 4.0, "voip": 0.5},
        "revisits": False,
        "regret_ms": None,
        "decline": False,
    }
    assert spec["lineage"]["train_days"] == ["paper/1", "stress/1001"]
    assert spec["sha256"] == _weights().sha256


def test_the_digest_covers_spec_and_tensors():
    digests = {_weights().sha256, _weights(mask=MaskRules()).sha256, _weights(lineage=Lineage()).sha256}
    digests.add(untrained_weights("ar", seed=2, widths=TINY, mask=RULES, lineage=LINEAGE).sha256)
    assert len(digests) == 4


def test_no_changed_byte_passes(path):
    content = path.read_bytes()
    for index in range(0, len(content), 7):
        path.write_bytes(content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :])
        with pytest.raises((WeightsCorrupt, WeightsMismatch)):
            _load(path)


def test_no_part_of_a_file_passes(path):
    content = path.read_bytes()
    for size in [*range(0, 64), *range(64, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(WeightsCorrupt):
            _load(path)


@pytest.mark.parametrize("content", [b"\x80\x04K\x01.", b"\xff" * 4096, b"{}", json.dumps({"a": 1}).encode() * 99])
def test_other_content_is_corrupt(path, content):
    path.write_bytes(content)
    with pytest.raises(WeightsCorrupt, match="export, install or send"):
        _load(path)


def test_a_file_far_too_large_is_not_read(path):
    os.truncate(path, 2**30)
    with pytest.raises(WeightsCorrupt, match="at most"):
        _load(path)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(WeightsMissing, match="ricity train routing"):
        _load(tmp_path / "ar.safetensors")
    (tmp_path / "ar.safetensors").mkdir()
    with pytest.raises(WeightsCorrupt, match="cannot be read"):
        _load(tmp_path / "ar.safetensors")


def test_other_features_are_a_mismatch(path):
    save_weights(path, _weights(feature_version=FEATURE_VERSION + 1))
    with pytest.raises(WeightsMismatch, match=f"features {FEATURE_VERSION + 1}.*takes format 1 and features {FEATURE_VERSION}"):
        _load(path)


def test_weights_of_another_algorithm_or_service_are_a_mismatch(path):
    with pytest.raises(WeightsMismatch, match="'amarl', expected 'sarl'"):
        _load(path, algorithm="sarl")
    with pytest.raises(WeightsMismatch, match="service 'ar', expected 'voip'"):
        _load(path, service="voip")


def test_weights_for_all_services_fit_each(tmp_path):
    save_weights(tmp_path / "all.safetensors", untrained_weights("all", seed=1, algorithm="sarl"))
    assert _load(tmp_path / "all.safetensors", algorithm="sarl", service="voip").spec.widths == NARROW


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda tensors: tensors.pop("score.weight"), WeightsMismatch, "score.weight"),
        (lambda tensors: tensors.update(extra=tensors["score.weight"]), WeightsMismatch, "extra"),
        (
            lambda tensors: tensors.update({"score.weight": np.zeros((1, 9), np.float32)}),
            WeightsMismatch,
            r"expected float32 \(1, 1\)",
        ),
        (lambda tensors: tensors.update({"score.weight": np.zeros((1, 1))}), WeightsMismatch, "float64"),
        (lambda tensors: tensors["trunk_in.bias"].fill(np.nan), WeightsCorrupt, "not finite"),
        (lambda tensors: tensors["trunk_in.bias"].fill(np.inf), WeightsCorrupt, "not finite"),
    ],
)
def test_tensors_that_are_not_those_of_the_spec_are_not_written(change, error, message, tmp_path):
    weights = _weights()
    change(weights.tensors)
    with pytest.raises(error, match=message):
        save_weights(tmp_path / "ar.safetensors", weights)
    assert not list(tmp_path.iterdir())


def test_other_shapes_than_stated_are_a_mismatch(path):
    """A file as another release might write it: the digest is right, the shapes are not."""
    narrow = _weights()
    wide = Weights(replace(narrow.spec, widths=replace(TINY, pointer=2)), narrow.tensors)
    with pytest.raises(WeightsMismatch, match="expected float32"):
        save_weights(path, wide)
    content = path.read_bytes()
    stated, claimed = b'\\"pointer\\": 1', b'\\"pointer\\": 2'
    assert stated in content
    path.write_bytes(content.replace(stated, claimed))
    with pytest.raises(WeightsMismatch, match="expected float32"):
        _load(path)


def test_where_files_lie(tmp_path):
    assert weight_files("amarl", ["ar", "voip"], tmp_path) == {
        "ar": tmp_path / "ar.safetensors",
        "voip": tmp_path / "voip.safetensors",
    }
    (tmp_path / "sarl").mkdir()
    assert set(weight_files("sarl", ["ar", "voip"], tmp_path).values()) == {tmp_path / "sarl" / "all.safetensors"}
    assert weight_files("amarl", ["ar"])["ar"].parts[-3:] == ("shipped", "amarl", "ar.safetensors")


@pytest.mark.parametrize("broken", [{"lookahead": "far"}, {"detour_ms": {"ar": -1.0}}, {"detour_ms": {"ar": float("nan")}}])
def test_rules_outside_their_range_are_refused(broken):
    with pytest.raises(OutOfRange):
        MaskRules(**broken)
