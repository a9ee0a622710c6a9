"""What a registry takes, what it refuses, and that a refusal changes nothing."""

import os
import threading
from pathlib import Path

import pytest

from ric_sim.domain.errors import (
    InvalidInput,
    NotFound,
    RegistryCorrupt,
    StageRefused,
    WeightsCorrupt,
    WeightsMismatch,
    WeightsMissing,
)
from ric_sim.network.episodes.space import FEATURE_VERSION
from ric_sim.network.policies.learned import Lineage, load_weights, save_weights, weight_files
from services.registry.model import Stage
from services.registry.registry import Registry
from tests.untrained import untrained_weights

TEAM = "routing-amarl"
VIDEO = "routing-amarl-video"


def _stages(registry, name=TEAM):
    return {each.version: str(each.stage) for each in registry.model(name).versions}


def _served(registry, name=TEAM, stage=Stage.PRODUCTION):
    """Digests of what the folder of a stage serves, by service, read as an xApp reads them."""
    folder = registry.serving(name, stage)
    services = [path.stem for path in (folder / "amarl").glob("*.safetensors")]
    found = weight_files("amarl", services, folder)
    return {key: load_weights(path, algorithm="amarl", service=key).sha256 for key, path in found.items()}


def _files(version):
    return {file.agent: file.sha256 for file in version.files}


def test_a_version_says_what_it_is_and_where_it_comes_from(registry, tmp_path):
    lineage = Lineage(seed=3, config_hash="c0ffee", git_commit="abc", steps=1_000, train_days=("paper/7",))
    path = tmp_path / "video.safetensors"
    save_weights(path, untrained_weights("video", seed=1, lineage=lineage))
    published = registry.publish(VIDEO, path, metrics={"gos_validation": 0.98})
    assert published.created
    again = Registry(registry.root).model(VIDEO).version(1)
    assert again == published.version
    assert (again.stage, again.parent, again.feature_version, again.collected) == (Stage.STAGED, None, FEATURE_VERSION, False)
    assert again.metrics == {"gos_validation": 0.98}
    (file,) = again.files
    assert (file.agent, file.lineage) == ("video", lineage)
    assert file.sha256 == load_weights(path, algorithm="amarl", service="video").sha256
    assert registry.verify() == []


def test_a_team_is_one_version_and_goes_to_production_at_once(registry, team):
    first = registry.publish(TEAM, team(0)).version
    second = registry.publish(TEAM, team(1)).version
    registry.promote(TEAM, 1)
    assert _served(registry) == _files(first)
    assert registry.promote(TEAM, 2).stage is Stage.PRODUCTION
    assert _served(registry) == _files(second) != _files(first)
    assert _stages(registry) == {1: "retired", 2: "production"}
    assert registry.publish(TEAM, team(2)).version.parent == 2


def test_a_rollback_goes_back_through_what_was_in_production(registry, team):
    versions = [registry.publish(TEAM, team(seed)).version for seed in range(3)]
    for version in (1, 2, 3):
        registry.promote(TEAM, version)
    assert registry.rollback(TEAM).version == 2
    assert _served(registry) == _files(versions[1])
    assert registry.rollback(TEAM).version == 1
    assert _stages(registry) == {1: "production", 2: "retired", 3: "retired"}
    with pytest.raises(StageRefused, match="no version was in production before"):
        registry.rollback(TEAM)
    assert _stages(registry) == {1: "production", 2: "retired", 3: "retired"}


def test_one_canary_at_a_time_with_a_folder_of_its_own(registry, team):
    first, second = (registry.publish(TEAM, team(seed)).version for seed in range(2))
    registry.promote(TEAM, 1, Stage.CANARY)
    assert _served(registry, stage=Stage.CANARY) == _files(first)
    registry.promote(TEAM, 2, Stage.CANARY)
    assert _served(registry, stage=Stage.CANARY) == _files(second)
    assert _stages(registry) == {1: "staged", 2: "canary"}
    registry.promote(TEAM, 2)
    assert not registry.serving(TEAM, Stage.CANARY).exists()
    assert _stages(registry) == {1: "staged", 2: "production"}


def test_the_same_content_is_the_same_version(registry, team):
    registry.publish(TEAM, team(0))
    registry.promote(TEAM, 1)
    again = registry.publish(TEAM, team(0), metrics={"other": 1.0})
    assert (again.created, again.version.version, again.version.stage) == (False, 1, Stage.PRODUCTION)
    assert again.version.metrics == {}
    assert list(_stages(registry)) == [1]


@pytest.mark.parametrize(
    ("before", "stage"),
    [
        (Stage.PRODUCTION, Stage.RETIRED),
        (Stage.PRODUCTION, Stage.CANARY),
        (Stage.PRODUCTION, Stage.STAGED),
        (Stage.RETIRED, Stage.PRODUCTION),
        (Stage.RETIRED, Stage.CANARY),
        (Stage.RETIRED, Stage.STAGED),
    ],
)
def test_stages_that_do_not_follow_are_refused(before, stage, registry, team):
    registry.publish(TEAM, team(0))
    registry.promote(TEAM, 1, before)
    index = (registry.root / "index.json").read_bytes()
    with pytest.raises(StageRefused, match=f"version 1 is {before}, and cannot become {stage}"):
        registry.promote(TEAM, 1, stage)
    assert (registry.root / "index.json").read_bytes() == index


def test_a_team_must_route_what_production_routes(registry, team, tmp_path):
    seven = team(0)
    save_weights(seven / "surgery.safetensors", untrained_weights("surgery", seed=9))
    registry.publish(TEAM, seven)
    registry.promote(TEAM, 1)
    registry.publish(TEAM, team(1))
    with pytest.raises(StageRefused, match="no agent for surgery"):
        registry.promote(TEAM, 2)
    assert "surgery" in _served(registry)


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda path: path.unlink(), WeightsMissing),
        (lambda path: path.write_bytes(b"damaged"), WeightsCorrupt),
        (lambda path: os.truncate(path, path.stat().st_size // 2), WeightsCorrupt),
        (lambda path: save_weights(path, untrained_weights("ar", seed=1)), WeightsMismatch),
        (lambda path: save_weights(path, untrained_weights("voip", seed=1, algorithm="sarl")), WeightsMismatch),
        (
            lambda path: save_weights(path, untrained_weights("voip", seed=1, feature_version=FEATURE_VERSION + 1)),
            WeightsMismatch,
        ),
    ],
    ids=["gone", "damaged", "cut", "service", "algorithm", "features"],
)
def test_weights_that_do_not_fit_are_refused_whole(damage, error, registry, team):
    source = team(0)
    damage(source / "voip.safetensors")
    with pytest.raises(error):
        registry.publish(TEAM, source)
    assert registry.models() == {}
    assert not list(registry.root.glob("blobs/*"))


@pytest.mark.parametrize("name", ["", "routing", "routing-ppo", "routing-amarl-", "../routing-amarl", "Routing-amarl", "x" * 300])
def test_a_name_says_what_it_holds(name, registry, team):
    with pytest.raises(InvalidInput, match="expected routing-<algorithm>"):
        registry.publish(name, team(0))


def test_other_unusable_input(registry, team):
    with pytest.raises(InvalidInput, match="gos"):
        registry.publish(TEAM, team(0), metrics={"gos": float("nan")})
    with pytest.raises(NotFound, match="none yet"):
        registry.model(TEAM)
    with pytest.raises(NotFound):
        registry.promote(TEAM, 1)
    registry.publish(TEAM, team(0))
    with pytest.raises(NotFound, match="no version 7"):
        registry.promote(TEAM, 7)
    with pytest.raises(NotFound, match="no version 7"):
        registry.publish(TEAM, team(1), parent=7)
    with pytest.raises(InvalidInput, match="keep_retired"):
        registry.collect(keep_retired=-1)
    assert list(_stages(registry)) == [1]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 2, "models": {}}', b'{"format": 1, "models": {"a": 1}}'])
def test_a_damaged_index_is_told_and_left_alone(content, registry, team):
    registry.publish(TEAM, team(0))
    (registry.root / "index.json").write_bytes(content)
    for operation in (registry.models, lambda: registry.publish(TEAM, team(1)), registry.collect):
        with pytest.raises(RegistryCorrupt, match=r"index\.json"):
            operation()
    assert (registry.root / "index.json").read_bytes() == content


def test_verify_finds_what_was_tampered_with_and_promote_refuses_it(registry, team):
    version = registry.publish(TEAM, team(0)).version
    registry.publish(TEAM, team(1))
    registry.promote(TEAM, 2)
    blob = registry.root / "blobs" / f"{_files(version)['iot']}.safetensors"
    save_weights(blob, untrained_weights("iot", seed=99))
    (found,) = registry.verify()
    assert "routing-amarl version 1 (staged)" in found
    with pytest.raises(WeightsCorrupt, match="other weights than were published"):
        registry.promote(TEAM, 1)
    assert _stages(registry) == {1: "staged", 2: "production"}
    blob.unlink()
    with pytest.raises(WeightsMissing):
        registry.promote(TEAM, 1)
    link = registry.serving(TEAM)
    link.unlink()
    assert any(str(link) in line for line in registry.verify())
    assert registry.publish(TEAM, team(0)).version.version == 1
    assert registry.verify() == []


def test_gc_keeps_what_is_referred_to_and_drops_old_retired_files_when_told(registry, team):
    for seed in range(4):
        registry.publish(TEAM, team(seed))
    registry.promote(TEAM, 1)
    registry.promote(TEAM, 2)
    registry.retire(TEAM, 3)
    registry.retire(TEAM, 4)
    (registry.root / "blobs" / "0000.safetensors.77.part").write_bytes(b"left by a crash")
    swept = registry.collect()
    assert swept.removed == ("blobs/0000.safetensors.77.part",)
    assert swept.freed_bytes == 15
    swept = registry.collect(keep_retired=1)
    assert swept.collected == ("routing-amarl version 3",)
    assert len([name for name in swept.removed if name.startswith("blobs/")]) == 6
    assert [each.collected for each in registry.model(TEAM).versions] == [False, False, True, False]
    assert registry.verify() == []
    assert registry.rollback(TEAM).version == 1
    assert not registry.publish(TEAM, team(2)).created
    assert not registry.model(TEAM).version(3).collected
    assert registry.verify() == []


def test_many_publish_at_a_time(registry, team):
    sources = [team(seed) for seed in range(6)]
    threads = [threading.Thread(target=Registry(registry.root).publish, args=(TEAM, source)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = registry.model(TEAM).versions
    assert [each.version for each in versions] == list(range(1, 7))
    assert len({each.sha256 for each in versions}) == 6
    assert registry.verify() == []


def test_a_registry_moves_with_its_folder(registry, team, tmp_path):
    version = registry.publish(TEAM, team(0)).version
    registry.promote(TEAM, 1)
    moved = Registry(registry.root.rename(tmp_path / "elsewhere"))
    assert _served(moved) == _files(version)
    assert moved.verify() == []
    assert isinstance(moved.view(TEAM, 1), Path)
