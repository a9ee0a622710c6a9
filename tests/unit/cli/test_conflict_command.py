from ricity.e2.v1 import conflict_pb2
from services.cli.conflict_command import conflict_row
from services.cli.main import main


def test_a_row_is_what_the_rest_interface_says_in_the_same_order():
    conflict = conflict_pb2.Conflict(
        at_ms=1_700_000_000_123, kind="direct", parameter="du_3/urllc.min", winner="one", loser="two", reason="held", id="1-0"
    )
    assert list(conflict_row(conflict).items()) == [
        ("at", "2023-11-14T22:13:20.123+00:00"),
        ("kind", "direct"),
        ("parameter", "du_3/urllc.min"),
        ("winner", "one"),
        ("loser", "two"),
        ("reason", "held"),
    ]


def test_a_negative_count_is_refused_before_anybody_is_asked(capsys):
    assert main(["conflict", "watch", "--count", "-1", "--ric", "127.0.0.1:1"]) == 2
    assert "expected 0 or more" in capsys.readouterr().err
