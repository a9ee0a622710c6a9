import inspect

import pytest
from redis import exceptions

from ric_sim.domain.errors import InvalidInput, RicityError, StoreCorrupt, StoreUnreachable
from ric_sim.store.connection import TranslatedErrors, retry_plan

LIBRARY_ERRORS = [
    error for _, error in inspect.getmembers(exceptions, inspect.isclass) if issubclass(error, exceptions.RedisError)
]


def _raised(error):
    with pytest.raises(RicityError) as caught, TranslatedErrors("unix:///x"):
        raise error
    return caught.value


@pytest.mark.parametrize("error", LIBRARY_ERRORS, ids=lambda error: error.__name__)
def test_every_error_of_the_library_becomes_one_of_ours(error):
    instance = Exception.__new__(error)
    Exception.__init__(instance, "why")
    ours = _raised(instance)
    assert isinstance(ours, StoreUnreachable | StoreCorrupt | InvalidInput)
    assert ours.__cause__ is instance


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (exceptions.ConnectionError("refused"), StoreUnreachable),
        (exceptions.TimeoutError("late"), StoreUnreachable),
        (exceptions.BusyLoadingError("loading"), StoreUnreachable),
        (exceptions.AuthenticationError("wrong password"), StoreUnreachable),
        (exceptions.NoPermissionError("no"), StoreUnreachable),
        (exceptions.ReadOnlyError("a replica"), StoreUnreachable),
        (exceptions.OutOfMemoryError("full"), StoreUnreachable),
        (exceptions.ResponseError("MISCONF cannot write"), StoreUnreachable),
        (exceptions.ResponseError("NOREPLICAS not enough good replicas"), StoreUnreachable),
        (exceptions.MasterDownError("link with the primary is down"), StoreUnreachable),
        (exceptions.ResponseError("WRONGTYPE Operation"), StoreCorrupt),
        (exceptions.DataError("a dict"), InvalidInput),
    ],
)
def test_errors_mean_what_they_should(error, ours):
    assert type(_raised(error)) is ours


def test_other_exceptions_pass_and_so_does_success():
    with pytest.raises(KeyError), TranslatedErrors("x"):
        raise KeyError("ours to see")
    with TranslatedErrors("x"):
        pass


@pytest.mark.parametrize("patience_s", [0.0, 0.05, 1.0, 5.0, 30.0])
def test_patience_is_what_the_waits_add_up_to(patience_s):
    backoff, retries = retry_plan(patience_s)
    waited_s = sum(backoff.compute(failures) for failures in range(1, retries + 1))
    assert patience_s <= waited_s <= patience_s + 0.25
