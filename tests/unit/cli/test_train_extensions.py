import json
from pathlib import Path

import pytest

from services.cli.main import main


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["routing", "--parent", "voip"], "--from"),
        (["routing", "--from", "nowhere", "--agent", "surgery", "--profile", "paper-7"], "nowhere"),
        (["routing", "--from", "nowhere"], "nobody to onboard"),
        (["routing", "--from", "nowhere", "--agent", "surgery"], "surgery"),
        (["routing", "--from", "nowhere", "--agent", "surgery", "--backend", "ray"], "--backend local"),
        (["routing", "--profile", "mars"], "profile"),
        (["continual", "--from", "nowhere"], "nowhere"),
        (["continual", "--from", "nowhere", "--config", "fast"], "one profile"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    words: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words, "--out", str(tmp_path / "run"), "--json"]) == 2
    assert named in json.loads(capsys.readouterr().out)["error"]["message"]
    assert not (tmp_path / "run").exists()
