"""A new xApp from the template: names, refusals. That it runs is shown in tests/contract/xapps/test_new_xapp_runs.py."""

import ast

import pytest
import yaml

from ric_sim.domain.errors import Conflict, InvalidInput
from xapps.sdk.descriptor import find_descriptors
from xapps.sdk.new_xapp import create_xapp, main


@pytest.mark.parametrize("name", ["load_balancer", "load-balancer"])
def test_every_form_of_the_name_is_set(tmp_path, name):
    made = create_xapp(name, root=tmp_path)
    folder = tmp_path / "xapps" / "load_balancer"
    assert folder / "main.py" in made
    assert made[-1] == tmp_path / "tests" / "contract" / "xapps" / "test_load_balancer.py"
    assert yaml.safe_load((folder / "xapp.yaml").read_text())["xapp_name"] == "load-balancer"
    assert "class LoadBalancerAgent" in (folder / "agent.py").read_text()
    for path in made:
        assert "template" not in path.read_text().lower().replace("templating", "")
        if path.suffix == ".py":
            ast.parse(path.read_text())
    assert list(find_descriptors(tmp_path / "xapps")) == ["load_balancer"]


@pytest.mark.parametrize("name", ["", "Load", "9lives", "a b", "../up", "_x", "x_", "a__b", "import", "x" * 33, "näme"])
def test_a_name_that_will_not_do_is_refused_and_nothing_written(tmp_path, name):
    with pytest.raises(InvalidInput, match="expected"):
        create_xapp(name, root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_existing_xapp_is_not_overwritten(tmp_path):
    create_xapp("watcher", root=tmp_path)
    agent = tmp_path / "xapps" / "watcher" / "agent.py"
    agent.write_text("mine")
    with pytest.raises(Conflict, match="xapps/watcher exists"):
        create_xapp("watcher", root=tmp_path)
    assert agent.read_text() == "mine"


def test_an_existing_test_is_not_overwritten(tmp_path):
    test = tmp_path / "tests" / "contract" / "xapps" / "test_watcher.py"
    test.parent.mkdir(parents=True)
    test.write_text("mine")
    with pytest.raises(Conflict, match="test_watcher"):
        create_xapp("watcher", root=tmp_path)
    assert not (tmp_path / "xapps").exists()


@pytest.mark.parametrize("arguments", [[], [""], ["a", "b"], ["routing"], ["NO"]])
def test_the_command_says_what_is_wrong_and_exits_with_2(capsys, arguments):
    assert main(arguments) == 2
    assert capsys.readouterr().err.strip()
