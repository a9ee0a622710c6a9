import pytest

from ric_sim.network.near_match import did_you_mean


@pytest.mark.parametrize(
    ("word", "options", "expected"),
    [
        ("capcity", ["capacity", "latency"], ", did you mean 'capacity'?"),
        ("ru-00O", [f"ru-{number:03d}" for number in range(300)], ", did you mean 'ru-000'?"),
        ("zebra", ["capacity", "latency"], ""),
        ("x" * 10_000, ["capacity"], ""),
        ("anything", [], ""),
        ("", [], ""),
    ],
)
def test_the_most_similar_option_is_suggested(word: str, options: list[str], expected: str) -> None:
    assert did_you_mean(word, options) == expected
