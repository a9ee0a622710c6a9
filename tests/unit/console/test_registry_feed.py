import pytest

from ric_sim.domain.errors import PartUnreachable
from services.console.registry_feed import MOST_VERSIONS, models_section


def version(number, stage="retired"):
    file = {
        "agent": "video",
        "sha256": "0" * 64,
        "size_bytes": 1,
        "lineage": {"seed": 0, "git_commit": "", "train_days": ["a/1"]},
    }
    known = {"created": "2026-01-01T00:00:00Z", "feature_version": 1, "metrics": {"gos": 0.9}, "parent": None, "collected": False}
    return {"version": number, "stage": stage, "sha256": "ab" * 32, "files": [file], **known}


def test_the_newest_versions_come_first_and_what_is_served_is_never_left_out():
    versions = [version(1, "production"), *(version(number) for number in range(2, MOST_VERSIONS + 10))]
    section = models_section([{"name": "routing-amarl-video", "versions": versions, "served": [1]}])
    (model,) = section["models"]
    shown = [each["version"] for each in model["versions"]]
    assert shown == [*range(MOST_VERSIONS + 9, 9, -1), 1]
    assert (model["total"], model["can_roll_back"]) == (MOST_VERSIONS + 9, False)
    assert model["versions"][-1]["agents"] == ["video"]
    assert model["versions"][-1]["lineage"] == {"seed": 0, "train_days": ["a/1"]}


def test_a_registry_without_models_has_an_empty_list():
    assert models_section([]) == {"connected": True, "offered": True, "models": [], "total": 0}


@pytest.mark.parametrize("answer", [None, {"models": []}, [{"name": "x"}], [{"name": "x", "versions": [{}], "served": []}]])
def test_another_answer_is_said_to_be_none_of_a_registry(answer):
    with pytest.raises(PartUnreachable, match="expected a list of models"):
        models_section(answer)
