import pytest
import redis

from ric_sim.domain.errors import CertificateUnusable, InvalidInput
from ric_sim.store.access import StoreAccess


@pytest.fixture
def password_file(tmp_path):
    path = tmp_path / "password"
    path.write_text("hunter2-long\n")
    return path


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://u:p@[::1]:6379/2",
        "rediss://store.lab:6380/0",
        "unix:///run/s.sock",
        "redis+sentinel://a:26379,b:26380,c/city",
        "rediss+sentinel://u:p@[::1]:26379/city/3?sentinel_auth=no",
    ],
)
def test_urls_of_stores_pass(url):
    assert StoreAccess(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "redis://",
        "unix://",
        "unix://relative",
        "redis://h:99999",
        "redis://h:0",
        "redis://[",
        "redis://h/first",
        "redis://h/0?socket_timeout=soon",
        "redis://a:1,b:2/0",
        "",
        "redis+sentinel://",
        "redis+sentinel://a:26379",
        "redis+sentinel://a:26379/",
        "redis+sentinel://a:26379,/city",
        "redis+sentinel://a:0/city",
        "redis+sentinel://a:x/city",
        "redis+sentinel://a/city/first",
    ],
)
def test_other_urls_are_refused_and_the_message_says_what_is_expected(url):
    with pytest.raises(InvalidInput, match=r"expected redis://.*redis\+sentinel://"):
        StoreAccess(url)


@pytest.mark.parametrize("scheme", ["redis+cluster", "rediss+cluster", "redis-cluster"])
def test_a_cluster_is_refused_and_the_message_says_why(scheme):
    with pytest.raises(InvalidInput, match="one hash slot"):
        StoreAccess(f"{scheme}://a:7000,b:7000/0")


def test_neither_address_nor_messages_nor_repr_show_credentials():
    access = StoreAccess("redis+sentinel://user:p@ss@a:1,b:2/city/2?sentinel_auth=no")
    assert access.address == "redis+sentinel://a:1,b:2/city/2"
    assert "p@ss" not in repr(access)
    with pytest.raises(InvalidInput) as caught:
        StoreAccess("redis://user:p@ss@host:nothing")
    assert "p@ss" not in str(caught.value)


def test_a_sentinel_url_names_hosts_service_database_and_identity():
    with StoreAccess("redis+sentinel://me:secret@a:1,b/my%20city/3").client(patience_s=0) as client:
        pool = client.connection_pool
        asked = [sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels]
        assert [(each["host"], each["port"]) for each in asked] == [("a", 1), ("b", 26379)]
        assert {(each["username"], each["password"]) for each in asked} == {("me", "secret")}
        assert pool.service_name == "my city"
        assert {"db": 3, "username": "me", "password": "secret"}.items() <= pool.connection_kwargs.items()


def test_tls_goes_to_sentinels_and_servers(tmp_path):
    for name in ("ca.crt", "tls.crt", "tls.key"):
        (tmp_path / name).touch()
    with StoreAccess("rediss+sentinel://a/city", tls_dir=tmp_path).client(patience_s=0) as client:
        pool = client.connection_pool
        (asked,) = pool.sentinel_manager.sentinels
        for each in (pool, asked.connection_pool):
            assert issubclass(each.connection_class, redis.SSLConnection)
            assert each.connection_kwargs["ssl_ca_certs"] == str(tmp_path / "ca.crt")
            assert each.connection_kwargs["ssl_certfile"] == str(tmp_path / "tls.crt")
            assert each.connection_kwargs["ssl_keyfile"] == str(tmp_path / "tls.key")


def test_sentinels_without_a_password_are_not_sent_one():
    with StoreAccess("redis+sentinel://:secret@a/city?sentinel_auth=no").client(patience_s=0) as client:
        (asked,) = client.connection_pool.sentinel_manager.sentinels
        assert asked.connection_pool.connection_kwargs["password"] is None
        assert client.connection_pool.connection_kwargs["password"] == "secret"


def test_a_password_in_url_and_file_contradict_each_other(password_file):
    with pytest.raises(InvalidInput, match="give one of them"):
        StoreAccess("redis://:other@h/0", password_file)


@pytest.mark.parametrize("content", [None, "", " \n", b"\xff\xfe"])
def test_a_password_file_has_to_hold_a_password(tmp_path, content):
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidInput, match=r"expected"):
        StoreAccess("redis://h/0", path)


def test_tls_takes_the_three_files_of_the_folder(tmp_path):
    for name in ("ca.crt", "tls.crt"):
        (tmp_path / name).touch()
    with pytest.raises(CertificateUnusable, match=r"tls\.key"):
        StoreAccess("rediss://h:6380/0", tls_dir=tmp_path)
    StoreAccess("redis://h:6380/0", tls_dir=tmp_path)  # plain text needs none of them
