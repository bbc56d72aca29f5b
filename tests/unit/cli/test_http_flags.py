import argparse

import pytest

from maskbus.cli import http_gateway, http_line
from maskbus.cli.failure import CommandFailed
from maskbus.cli.http_flags import ANYWHERE, address
from maskbus.cli.http_line import HttpLine
from maskbus.cli.parser import build
from maskbus.config import Config


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("8080", "127.0.0.1", 8080),
        (":8080", "127.0.0.1", 8080),
        ("localhost:0", "127.0.0.1", 0),
        ("127.0.0.2", "127.0.0.2", None),
        ("[::1]:80", "::1", 80),
        ("[::1]", "::1", None),
        ("0.0.0.0:5000", "0.0.0.0", 5000),
        ("*:5000", "0.0.0.0", 5000),
    ],
)
def test_addresses(text, host, port):
    assert address(text) == (host, port)


@pytest.mark.parametrize("text", ["nobody.example:80", "127.0.0.1:99999", "127.0.0.1:http", "1.2.3:4", "::1:80x"])
def test_what_is_no_address(text):
    with pytest.raises(argparse.ArgumentTypeError):
        address(text)


def test_a_port_that_is_named_goes_before_the_environments():
    assert address("127.0.0.1:80").with_port(5000).port == 80
    assert address("127.0.0.1").with_port(8080).with_port(5000).port == 8080
    assert str(ANYWHERE) == "127.0.0.1:5000"
    assert str(address("[::1]:80")) == "[::1]:80"
    assert address("[::1]").is_local
    assert not address("*:1").is_local


@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:0", "127.0.0.2:5000"])
def test_an_address_as_a_flag_leaves_the_port_to_the_environment_where_it_names_none(text):
    assert address(text).as_flag == text


def test_the_commands_take_them():
    assert build().parse_args(["serve"]).http is None
    assert build().parse_args(["serve", "--http"]).http == ANYWHERE
    assert build().parse_args(["serve", "--http", "8080"]).http.port == 8080
    parsed = build().parse_args(["http", "--max-body", "1MiB"])
    assert (parsed.module, parsed.max_body, parsed.listen) == ("maskbus.cli.http_command", 1 << 20, ANYWHERE)


def test_the_ready_line():
    line = HttpLine("1.0", "http://127.0.0.1:5000", "ipc:///run/a b")
    assert http_line.parse(f"{line}\n") == line
    assert http_line.parse("maskbus 1.0 ready: tcp://127.0.0.1:7710 (topics none) models: none") is None


@pytest.mark.parametrize(
    ("endpoints", "way"),
    [
        (["tcp://127.0.0.1:7710"], "tcp://127.0.0.1:7710"),
        (["tcp://0.0.0.0:7710"], "tcp://127.0.0.1:7710"),
        (["tcp://[::]:7710"], "tcp://[::1]:7710"),
        (["tcp://10.0.0.1:7710", "ipc:///run/x"], "ipc:///run/x"),
    ],
)
def test_the_way_to_the_node(endpoints, way):
    assert http_gateway.way_to(endpoints) == way


def test_the_keys_of_a_gateway(tmp_path):
    from zmq.auth import create_certificates, load_certificate

    _, secret = create_certificates(tmp_path, "node")
    variables = {"MASKBUS_SERVER_KEY": "another node's", "HOME": "/root"}
    assert http_gateway.environment(variables, Config()) == {"HOME": "/root"}
    locked = Config(secret_key_file=secret)
    assert http_gateway.environment(variables, locked) == {
        "HOME": "/root",
        "MASKBUS_SERVER_KEY": load_certificate(secret)[0].decode(),
    }
    listed = Config(secret_key_file=secret, client_keys_dir=str(tmp_path))
    with pytest.raises(CommandFailed, match="MASKBUS_CLIENT_KEY"):
        http_gateway.environment(variables, listed)
    assert http_gateway.environment({"MASKBUS_CLIENT_KEY": "own"}, listed)["MASKBUS_CLIENT_KEY"] == "own"


@pytest.mark.parametrize(
    "flags", [["--max-body", "0"], ["--max-body", "9999GiB"], ["--max-requests", "0"], ["--max-requests", "9999999"]]
)
def test_absurd_limits(flags, capsys):
    with pytest.raises(SystemExit):
        build().parse_args(["http", *flags])
    assert " is wanted, not " in capsys.readouterr().err.splitlines()[-1]
