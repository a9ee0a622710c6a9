"""`ricity certs` and `ricity token` as typed."""

from __future__ import annotations

import json

import yaml

from services.cli.main import main
from services.common.tokens import TokenBook
from xapps.sdk.descriptor import find_descriptors


def run_json(capsys, *words: str):
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_every_xapp_gets_a_certificate_and_the_scope_of_its_descriptor(tmp_path, capsys):
    out = tmp_path / "certs"
    code, made = run_json(capsys, "certs", "create", "--out", str(out), "--days", "30")
    assert code == 0
    names = {row["name"] for row in made["certificates"]}
    xapps = {each.xapp_name for descriptor in find_descriptors().values() for each in descriptor.instances()}
    assert names >= xapps | {"ric", "radio", "nodes", "manager", "registry", "console", "cli", "trainer"}
    assert all(row["left_days"] in (29, 30) and row["outcome"] == "made" for row in made["certificates"])
    scopes = yaml.safe_load((out / "scopes.yaml").read_text())
    assert scopes["ricity://xapp/routing-voip"] == {"verbs": ["attach"], "services": ["voip"], "nodes": ["*"]}
    assert scopes["ricity://xapp/slicing-du-2"] == {"verbs": ["slice", "learn"], "dus": ["2"]}
    for server in ("ric", "radio", "critic"):
        assert (out / server / "scopes.yaml").read_text() == (out / "scopes.yaml").read_text()
    _, again = run_json(capsys, "certs", "create", "--out", str(out), "--days", "30")
    assert {row["outcome"] for row in again["certificates"]} == {"kept"}
    _, shown = run_json(capsys, "certs", "show", "--out", str(out))
    assert {row["name"] for row in shown["certificates"]} == names | {"ca"}
    _, parts = run_json(capsys, "certs", "parts")
    assert set(parts["parts"]) == names


def test_a_scope_changed_by_hand_is_kept_until_told_otherwise(tmp_path, capsys):
    out = tmp_path / "certs"
    assert main(["certs", "create", "--out", str(out)]) == 0
    path, uri = out / "scopes.yaml", "ricity://xapp/routing-voip"
    scopes = yaml.safe_load(path.read_text())
    scopes[uri]["nodes"] = ["gnbd_001_001_000001_0"]
    path.write_text(yaml.safe_dump(scopes))
    capsys.readouterr()
    _, kept = run_json(capsys, "certs", "create", "--out", str(out))
    assert kept["scopes_kept"] == [uri]
    assert yaml.safe_load((out / "ric" / "scopes.yaml").read_text())[uri]["nodes"] == ["gnbd_001_001_000001_0"]
    _, renewed = run_json(capsys, "certs", "create", "--out", str(out), "--renew-scopes")
    assert renewed["scopes_kept"] == []
    assert yaml.safe_load((out / "ric" / "scopes.yaml").read_text())[uri]["nodes"] == ["*"]


def test_an_xapp_from_elsewhere_gets_one_too(tmp_path, capsys):
    descriptor = tmp_path / "xapp.yaml"
    descriptor.write_text(
        "xapp_name: watcher\nversion: 0.1.0\ndescription: Watches.\nmodule: mine.main\n"
        "subscriptions: {reports: [{measurements: [RRU.PrbTotDl], period_ms: 1000}]}\n"
    )
    code, made = run_json(capsys, "certs", "create", "--out", str(tmp_path / "certs"), "--descriptor", str(descriptor))
    assert code == 0
    assert "ricity://xapp/watcher" in {row["identity"] for row in made["certificates"]}
    code, refused = run_json(
        capsys,
        "certs",
        "create",
        "--out",
        str(tmp_path / "certs"),
        "--descriptor",
        str(descriptor),
        "--descriptor",
        str(descriptor),
    )
    assert (code, refused["error"]["code"]) == (2, "conflict")


def test_what_cannot_be_is_refused(tmp_path, capsys):
    code, refused = run_json(capsys, "certs", "create", "--out", str(tmp_path / "certs"), "--days", "0")
    assert (code, refused["error"]["code"]) == (2, "out_of_range")
    code, refused = run_json(capsys, "certs", "show", "--out", str(tmp_path / "absent"))
    assert (code, refused["error"]["code"]) == (2, "not_found")


def test_a_token_is_made_listed_and_revoked(tmp_path, capsys):
    file = str(tmp_path / "tokens.json")
    assert main(["token", "create", "--name", "alice", "--role", "operator", "--file", file]) == 0
    bearer = capsys.readouterr().out.strip()
    assert TokenBook(tmp_path / "tokens.json").find(bearer).role == "operator"
    _, listed = run_json(capsys, "token", "list", "--file", file)
    assert listed == {"tokens": [{"name": "alice", "role": "operator"}]}
    code, _ = run_json(capsys, "token", "revoke", "alice", "--file", file)
    assert code == 0
    code, refused = run_json(capsys, "token", "revoke", "alice", "--file", file)
    assert (code, refused["error"]["code"]) == (2, "not_found")
