import re

import pytest

from maskbus.config import Config, ConfigError, load

EMPTY: dict[str, str] = {}


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "maskbus.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def refused(file=None, environment=None, flags=None):
    with pytest.raises(ConfigError) as caught:
        load(file=file, environment=environment or EMPTY, flags=flags)
    return str(caught.value)


def test_defaults():
    effective = load(environment=EMPTY)
    assert effective.config == Config()
    assert set(effective.origin) == set(Config.__struct_fields__)
    assert set(effective.origin.values()) == {"default"}
    assert effective.warnings == []


def test_defaults_can_be_reached_from_this_machine_only():
    config = Config()
    assert all("127.0.0.1" in endpoint for endpoint in [*config.bind, *config.publish])
    assert not config.allow_remote


def test_the_first_of_the_models_that_are_named_is_the_default():
    effective = load(environment=EMPTY, flags={"models": ["mobile-sam", "echo"]})
    assert effective.config.default_model == "mobile-sam"
    assert effective.origin["default_model"] == "flag"
    assert load(environment=EMPTY, flags={"models": ["echo", "nano"]}).config.default_model == "nano"
    named = {"models": ["mobile-sam"], "default_model": "echo"}
    assert load(environment=EMPTY, flags=named).config.default_model == "echo"


def test_later_sources_win_and_every_value_knows_its_own(write):
    file = write('deadline_ms = 1\nqueue_length = 1\nthreads = 1\nlog_level = "debug"\n')
    effective = load(
        file=file,
        environment={"MASKBUS_QUEUE_LENGTH": "2", "MASKBUS_THREADS": "2", "MASKBUS_KEPT_BYTES": "2"},
        flags={"threads": 3, "image_bytes": 3},
    )
    config = effective.config
    assert (config.deadline_ms, config.queue_length, config.threads) == (1, 2, 3)
    assert (config.kept_bytes, config.image_bytes, config.topic_bytes) == (2, 3, Config().topic_bytes)
    origins = [effective.origin[name] for name in ("deadline_ms", "queue_length", "threads", "topic_bytes")]
    assert origins == [f"file {file}", "environment MASKBUS_QUEUE_LENGTH", "flag", "default"]


def test_what_may_be_none_at_all():
    names = ("threads", "kept_ttl_s", "embedding_ttl_s", "topic_bytes", "leased_bytes", "worker_memory_bytes")
    config = load(environment=EMPTY, flags=dict.fromkeys(names, 0)).config
    assert [getattr(config, name) for name in names] == [0] * len(names)
    assert "must be at least 0" in refused(flags={"embedding_ttl_s": -1.0})


def test_file_named_by_the_environment(write):
    file = write("threads = 4")
    effective = load(environment={"MASKBUS_CONFIG": file})
    assert effective.config.threads == 4
    assert effective.origin["threads"] == f"file {file}"


def test_file_named_by_the_caller_wins(write, tmp_path):
    file = write("threads = 4")
    assert load(file=file, environment={"MASKBUS_CONFIG": str(tmp_path / "none")}).config.threads == 4


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("MASKBUS_BIND", "tcp://127.0.0.1:1, ipc:///tmp/x ,", "bind", ["tcp://127.0.0.1:1", "ipc:///tmp/x"]),
        ("MASKBUS_PUBLISH", "", "publish", []),
        ("MASKBUS_PRELOAD", "echo,grabcut", "preload", ["echo", "grabcut"]),
        ("MASKBUS_PRELOAD", "", "preload", []),
        ("MASKBUS_IPC", "false", "ipc", False),
        ("MASKBUS_IPC", "1", "ipc", True),
        ("MASKBUS_HEARTBEAT_S", "0.5", "heartbeat_s", 0.5),
        ("MASKBUS_HEARTBEAT_S", "2", "heartbeat_s", 2.0),
        ("MASKBUS_LOG_LEVEL", " warning ", "log_level", "warning"),
    ],
)
def test_environment(variable, text, field, value):
    assert getattr(load(environment={variable: text}).config, field) == value


def test_unknown_variable_is_a_warning():
    effective = load(environment={"MASKBUS_THREAD": "3", "OTHER_THREADS": "1", "MASKBUS_ENDPOINT": "tcp://x:1"})
    assert effective.config == Config()
    assert len(effective.warnings) == 1
    assert "MASKBUS_THREAD" in effective.warnings[0]


def test_tables_of_models(write):
    file = write(
        '[model.mine]\nhandler = "package:Class"\ndevices = ["cuda:0"]\nthreads = 2\noptions = {a = 1}\n[model.b]\n'
    )
    models = load(file=file, environment=EMPTY).config.model
    assert (models["mine"].handler, models["mine"].devices, models["mine"].threads) == ("package:Class", ["cuda:0"], 2)
    assert models["mine"].options == {"a": 1}
    assert (models["b"].handler, models["b"].devices, models["b"].threads) == ("", ["cpu"], None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('threads = "many"', "threads"),
        ("threads = true", "threads"),
        ("threads = 1.5", "threads"),
        ('bind = "tcp://127.0.0.1:1"', "bind"),
        ("bind = [1]", "bind"),
        ("ipc = 1", "ipc"),
        ("thread = 3", "thread"),
        ("[model.mine]\nhandlr = 'x'", "model"),
        ("[model.mine]\nthreads = 'x'", "model"),
        ("model = 3", "model"),
        ("log_level = 'loud'", "log_level"),
        ("queue_length = 0", "queue_length"),
        ("image_bytes = -1", "image_bytes"),
        ("threads = -1", "threads"),
        ("heartbeat_s = 0.0", "heartbeat_s"),
        ("heartbeat_s = nan", "heartbeat_s"),
        ("stop_timeout_s = -0.1", "stop_timeout_s"),
        ("load_timeout_s = inf", "load_timeout_s"),
        ("heartbeat_timeout_s = inf", "heartbeat_timeout_s"),
        ("heartbeat_s = 6", "heartbeat_timeout_s"),
        ("bind = []", "bind"),
        ("bind = ['127.0.0.1:7710']", "bind"),
    ],
)
def test_wrong_value_in_a_file(write, text, name):
    file = write(text)
    message = refused(file)
    assert name in message
    if name != "heartbeat_timeout_s" or "timeout" in text:  # else its own origin is the default
        assert file in message


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MASKBUS_THREADS", "many"),
        ("MASKBUS_THREADS", ""),
        ("MASKBUS_IPC", "perhaps"),
        ("MASKBUS_QUEUE_LENGTH", "0"),
        ("MASKBUS_BIND", "tcp://0.0.0.0:7710"),
        ("MASKBUS_BIND", ","),
        ("MASKBUS_MODEL", "echo"),
        ("MASKBUS_LOG_LEVEL", "LOUD"),
    ],
)
def test_wrong_value_in_the_environment(variable, text):
    message = refused(environment={variable: text})
    assert variable.removeprefix("MASKBUS_").lower() in message
    assert variable in message


def test_wrong_flag():
    assert re.match(r"queue_length \(flag\): must be more than 0; it is 0\.", refused(flags={"queue_length": 0}))


@pytest.mark.parametrize("text", ["threads = ", "= 3", "threads = 1\nthreads = 2", b"threads = \xff\xfe"])
def test_file_that_is_not_toml(write, text):
    file = write(text)
    assert file in refused(file)


def test_file_that_is_not_there(tmp_path):
    assert "none.toml" in refused(str(tmp_path / "none.toml"))
    assert str(tmp_path) in refused(str(tmp_path))


@pytest.mark.parametrize(
    "endpoint",
    [
        "127.0.0.1:7710",
        "http://127.0.0.1:7710",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://:7710",
        "tcp://",
        "udp://x:1",
        "",
    ],
)
@pytest.mark.parametrize("name", ["bind", "publish"])
def test_what_is_no_endpoint(name, endpoint):
    message = refused(flags={name: [endpoint]})
    assert message.startswith(f"{name} (flag)")
    assert repr(endpoint) in message


REMOTE = [
    "tcp://0.0.0.0:7710",
    "tcp://*:7710",
    "tcp://192.168.1.5:7710",
    "tcp://eth0:7710",
    "tcp://[::]:7710",
    "tcp://robot:1",
]


@pytest.mark.parametrize("endpoint", REMOTE)
@pytest.mark.parametrize("name", ["bind", "publish"])
def test_endpoints_that_others_can_reach_need_permission(name, endpoint):
    message = refused(flags={name: ["tcp://127.0.0.1:1", endpoint]})
    assert message.startswith(f"{name} (flag)")
    assert "allow_remote" in message
    assert getattr(load(environment=EMPTY, flags={name: [endpoint], "allow_remote": True}).config, name) == [endpoint]


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://127.0.0.1:7710", "tcp://127.0.0.1:*", "tcp://localhost:1", "tcp://[::1]:1", "ipc:///tmp/x", "inproc://x"],
)
def test_local_endpoints(endpoint):
    assert load(environment=EMPTY, flags={"bind": [endpoint]}).config.bind == [endpoint]


def test_host_name_that_only_begins_like_this_machine_s_address():
    assert "allow_remote" in refused(flags={"bind": ["tcp://127.evil.example:7710"]})


def test_settings_of_streams(write):
    config = load(
        file=write("streams = 3\nstream_idle_s = 0.5\n"),
        environment={"MASKBUS_STREAM_BYTES": "1000", "MASKBUS_TRACKER_BYTES": "2000"},
    ).config
    assert (config.streams, config.stream_idle_s, config.stream_bytes, config.tracker_bytes) == (3, 0.5, 1000, 2000)


@pytest.mark.parametrize("name", ["streams", "stream_idle_s", "stream_bytes", "tracker_bytes"])
def test_settings_of_streams_are_more_than_nothing(name):
    assert name in refused(flags={name: 0})
    assert name in refused(flags={name: -1})


def test_routes_and_kept_answers(write):
    config = load(
        file=write(
            'breaker_failures = 2\ncache = "none"\n[route.quick]\nmodels = ["a", "b"]\nshare = 0.3\n'
            "[model.a.post]\nsmooth = 1.5\n"
        ),
        environment={"MASKBUS_CACHE_BYTES": "1000"},
    ).config
    assert (config.breaker_failures, config.cache, config.cache_bytes) == (2, "none", 1000)
    assert list(config.routes) == ["auto", "quick"]
    assert (config.routes["quick"].models, config.routes["quick"].share) == (["a", "b"], 0.3)
    assert config.model["a"].post.smooth == 1.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[model.a.post]\nsmoth = 2", "[model.a.post] smoth"),
        ("[model.a.post]\nsmooth = 65", "[model.a] post.smooth: Smooth is 0 to 64"),
        ('[model.a]\nweights = "b"', "a model's own options stand in its options"),
        ('[route.q]\nmodel = ["a"]', "[route.q] model"),
        ("[route.q]\nmodels = []", "at least one model"),
        ('[route.q]\nmodels = ["a", "a"]', "twice"),
        ('[route.q]\nmodels = ["a"]\nshare = 0', "share is more than 0"),
        ('[route.q]\nmodels = ["a"]\nmin_predicted_iou = 2', "min_predicted_iou is 0 to 1"),
        ('cache = "disk"', "cache"),
        ("cache_bytes = 0", "cache_bytes"),
    ],
)
def test_what_is_wrong_in_tables(write, text, words):
    assert words in refused(file=write(text))


def test_aliases_come_below_all_else_and_tables_are_merged(write):
    aliases = {
        "cache_ttl_s": (60.0, "environment REDIS_TTL"),
        "cache_bytes": (5, "environment X"),
        "model": ({"a": {"options": {"weights": "/w", "conf": 0.4}}}, "environment SAM_MODEL_PATH"),
    }
    found = load(
        file=write("cache_bytes = 7\n[model.a.options]\nconf = 0.5\n[model.b]\nthreads = 2\n"),
        environment=EMPTY,
        aliases=aliases,
    )
    assert (found.config.cache_ttl_s, found.config.cache_bytes) == (60.0, 7)
    assert found.origin["cache_ttl_s"] == "environment REDIS_TTL"
    assert found.config.model["a"].options == {"weights": "/w", "conf": 0.5}
    assert found.config.model["b"].threads == 2
