import sys

import pytest

from maskbus.results import RedisStore, StoreError
from maskbus.results.redis_line import CannotAsk, RedisLine

pytest.importorskip("redis")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://127.0.0.1", "redis://127.0.0.1:6379/0"),
        ("redis://:secret@example.org:7000/3", "redis://example.org:7000/3"),
        ("rediss://user:secret@[::1]:7000/", "rediss://[::1]:7000/0"),
        ("redis://127.0.0.1?password=secret", "redis://127.0.0.1:6379/0"),
        ("rediss://127.0.0.1?ssl_cert_reqs=required", "rediss://127.0.0.1:6379/0"),
        ("unix://user:secret@/run/redis.sock?db=2", "unix:///run/redis.sock"),
        ("redis://:s%2Fecret%40@127.0.0.1/1", "redis://127.0.0.1:6379/1"),
    ],
)
def test_the_name_is_the_url_without_what_is_secret(url, name):
    assert RedisLine(url).name == name


@pytest.mark.parametrize(
    "url",
    [
        "",
        "secret",
        "http://127.0.0.1/secret",
        "redis://",
        "redis:///0",
        "unix://",
        "redis://127.0.0.1:port",
        "redis://127.0.0.1:99999999",
        "redis://127.0.0.1/secret",
        "redis://:se/cret@127.0.0.1:6379/0",
        "redis://u:1/secret@127.0.0.1:6379/0",
        "redis://u:1#secret@127.0.0.1:6379/0",
        "redis://:se[cret@127.0.0.1",
        "unix://user:se/cret@/run/redis.sock",
        "redis://127.0.0.1?nothing=secret",
        "redis://127.0.0.1?db=secret",
    ],
)
def test_a_url_that_is_none_gets_one_sentence(url):
    with pytest.raises(StoreError, match="redis_url") as caught:
        RedisLine(url)
    assert "secret" not in str(caught.value)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("option", ["socket_timeout=100", "decode_responses=1", "retry_on_timeout=1", "protocol=3"])
def test_what_the_store_relies_on_cannot_be_changed(option):
    line = RedisLine(f"redis://127.0.0.1?{option}")
    wanted = {"socket_timeout": 1.0, "decode_responses": False, "retry_on_timeout": False, "protocol": 2}
    told = line._client.connection_pool.connection_kwargs
    assert {name: told[name] for name in wanted} == wanted


def test_without_the_package_it_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(StoreError, match=r"pip install 'maskbus\[redis\]'"):
        RedisStore("redis://127.0.0.1", lambda _: None, 1000)


def test_nobody_there_is_a_sentence(tmp_path):
    line = RedisLine(f"unix://{tmp_path}/nobody.sock")
    for ask in (line.probe, lambda: line.read("a"), lambda: line.write("a", b"x", 1.0)):
        with pytest.raises(CannotAsk) as caught:
            ask()
        assert "\n" not in str(caught.value)
        assert str(caught.value)
    line.close()
