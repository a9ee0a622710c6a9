import pytest

from ric_sim.domain.errors import InvalidInput
from ric_sim.store.keys import StoreKeys


def test_keys_are_named_after_what_they_hold_and_share_the_hash_tag():
    keys = StoreKeys.of("run.2026-11_a")
    assert keys.state == "ricity:{run.2026-11_a}:state"
    assert keys.all == tuple(
        f"ricity:{{run.2026-11_a}}:{name}"
        for name in ("state", "limits", "expiry", "commits", "log", "conflicts", "conflict_counts", "meta")
    )


@pytest.mark.parametrize("namespace", ["", "a" * 65, "a}b", "a{b", "a b", "ü", "a:b", "a\n", "*"])
def test_a_namespace_that_could_touch_other_keys_is_refused(namespace):
    with pytest.raises(InvalidInput, match="1 to 64"):
        StoreKeys.of(namespace)
