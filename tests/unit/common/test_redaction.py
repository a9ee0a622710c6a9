"""Secrets stay out of logs: of every process through its one logger."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from services.common.redaction import redact, redact_fields
from services.common.tokens import Role, create_token

KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("cannot reach redis://ricity:hunter2-long@store:6379/0", "hunter2-long"),
        ("redis://:hunter2-long@store:6379/0 is away", "hunter2-long"),
        ("header Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"),
        ("header Authorization: basic YWxpY2U6aHVudGVyMg==", "YWxpY2U6aHVudGVyMg=="),
        (f"read {KEY} from a file", "MIGHAgEAMBMGByqGSM49"),
    ],
)
def test_a_secret_in_a_text_is_hidden(text, secret):
    assert secret not in redact(text)
    assert "***" in redact(text)


def test_a_made_token_is_known_wherever_it_stands(tmp_path):
    bearer = create_token(tmp_path / "tokens.json", "alice", Role.VIEWER)
    assert redact(f"got {bearer}, refused") == "got ricity_***, refused"


@pytest.mark.parametrize(
    "text", ["redis://store:6379/0", "http://127.0.0.1:8080/A1-P/v2", "routing-video@0.1.0", "a bearer of news"]
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


def test_fields_named_after_secrets_are_hidden_however_deep():
    line = {"event": "x", "settings": {"token": "abc", "store_password": "def", "tokens_file": "certs/tokens.json", "ports": [1]}}
    hidden = redact_fields(line)
    assert hidden["settings"] == {"token": "***", "store_password": "***", "tokens_file": "certs/tokens.json", "ports": [1]}


def test_a_process_logs_no_secret():
    """The RIC's own start with a store that does not answer: the URL has a password."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("RICITY_")}
    env |= {
        "RICITY_STORE_URL": "redis://ricity:hunter2-long@127.0.0.1:1/0",
        "RICITY_STORE_PATIENCE_S": "0.1",
        "RICITY_GRPC_PORT": "0",
        "RICITY_PROFILE": "smoke",
    }
    done = subprocess.run([sys.executable, "-m", "services.ric.main"], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, done.stderr
    assert "store_unreachable" in done.stderr
    assert "hunter2-long" not in done.stdout + done.stderr


def test_a_log_line_hides_them():
    code = (
        "from services.common.logs import configure_logs\n"
        "log = configure_logs('t')\n"
        "try:\n    raise ValueError('redis://u:hunter2-long@h/0')\n"
        "except ValueError as error:\n    url = 'redis://u:hunter2-long@h/0'\n"
        "    log.error('x', url=url, token='hunter2-long', exc_info=error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert '"event": "x"' in done.stdout
    assert "hunter2-long" not in done.stdout
