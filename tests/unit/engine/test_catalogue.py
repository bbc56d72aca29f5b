import sys

import pytest

from maskbus.config import Config, ConfigError, ModelConfig
from maskbus.engine import catalogue
from maskbus.handlers.echo import EchoHandler
from maskbus.interfaces import Availability, ModelInfo

GOOD = """
from maskbus.handlers.echo import EchoHandler
class Mine(EchoHandler):
    pass
"""

BROKEN = {
    "import_error": "import a_package_that_nobody_has",
    "syntax_error": "class Mine(",
    "system_exit": "raise SystemExit(0)",
    "exits": "import os; os._exit(0)",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "no_class": "pass",
    "no_handler": "class Mine: pass",
    "no_info": "from maskbus.interfaces import Handler\nclass Mine(Handler): pass",
    "bad_availability": GOOD + "    availability = classmethod(lambda cls, context: 1 / 0)",
    "not_json": GOOD + "    info = __import__('dataclasses').replace(EchoHandler.info, title=object())",
}


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write modules that the probe can import, and return the configuration that names them."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(sources, **settings):
        for name, source in sources.items():
            (tmp_path / f"plugin_{name}.py").write_text(source)
        models = {name: ModelConfig(handler=f"plugin_{name}:Mine") for name in sources}
        return Config(model=models, models=list(sources), **settings)

    return write


def test_built_in_models():
    found = catalogue.read(Config())
    assert {"echo", "grabcut"} <= set(found.cards)
    assert found.broken == {}
    echo = found.cards["echo"]
    assert echo.target == "maskbus.handlers.echo:EchoHandler"
    assert (echo.ready, echo.has_logits, echo.multimask, echo.devices) == (True, True, False, ("cpu",))
    assert (echo.finds_everything, echo.tracks) == (True, True)
    assert "none" in echo.prompts


def test_models_that_are_not_offered_have_to_be_named():
    assert "failing" not in catalogue.read(Config()).cards
    assert "failing" in catalogue.read(Config(), everything=True).cards
    assert set(catalogue.read(Config(models=["failing"])).cards) == {"failing"}
    assert {"failing", "echo"} <= set(catalogue.read(Config(model={"failing": ModelConfig()})).cards)


def test_models_limit_what_is_offered():
    assert set(catalogue.read(Config(models=["echo"])).cards) == {"echo"}


def test_another_name_for_a_handler():
    models = {"fast": ModelConfig(handler="echo", devices=["cuda:0", "cuda:1"], threads=2, options={"a": [1]})}
    found = catalogue.read(Config(model=models, models=["echo", "fast"], threads=7))
    fast, echo = found.cards["fast"], found.cards["echo"]
    assert fast.target == echo.target
    assert (fast.devices, fast.threads, fast.options) == (("cuda:0", "cuda:1"), 2, {"a": [1]})
    assert (echo.devices, echo.threads, echo.options) == (("cpu",), 7, {})


def test_zero_threads_of_a_model_win_over_the_node_s():
    found = catalogue.read(Config(model={"echo": ModelConfig(threads=0)}, models=["echo"], threads=7))
    assert found.cards["echo"].threads == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"models": ["nothing"]}, ["models", "'nothing'", "echo"]),
        ({"model": {"mine": ModelConfig()}}, ["model.mine", "handler"]),
        ({"model": {"mine": ModelConfig(handler="nothing")}}, ["model.mine.handler", "'nothing'"]),
    ],
)
def test_names_that_nothing_has(settings, words):
    with pytest.raises(ConfigError) as caught:
        catalogue.read(Config(**settings))
    assert all(word in str(caught.value) for word in words)


def test_broken_plugins_are_left_out_and_harm_no_other(plugin):
    sources = {}
    for name, source in BROKEN.items():  # a good one behind each broken one
        sources[name] = source
        sources[f"good_after_{name}"] = GOOD
    found = catalogue.read(plugin(sources))
    assert set(found.broken) == set(BROKEN)
    assert set(found.cards) == {f"good_after_{name}" for name in BROKEN}
    assert "a_package_that_nobody_has" in found.broken["import_error"]
    assert "SyntaxError" in found.broken["syntax_error"]
    assert "ended the process" in found.broken["exits"]
    assert "not a subclass" in found.broken["no_handler"]
    assert "has no info" in found.broken["no_info"]
    assert all("\n" not in reason for reason in found.broken.values())


def test_plugins_that_print_do_not_garble_the_answers(plugin):
    noisy = GOOD + "import os, sys\nprint('{}')\nsys.stdout.flush()\nos.write(1, b'{}')\nsys.__stdout__.write('[]')\n"
    found = catalogue.read(plugin({"noisy": noisy, "good": GOOD}))
    assert set(found.cards) == {"noisy", "good"}
    assert found.broken == {}


def test_plugin_whose_thread_outlives_its_import(plugin, monkeypatch):
    lingering = GOOD + "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n"
    real = catalogue.threading.Timer

    class Timer(real):
        def __init__(self, seconds, act):
            super().__init__(seconds, lambda: (timed_out.append(seconds), act()))

    timed_out = []
    monkeypatch.setattr(catalogue, "_PATIENCE", 5.0)
    monkeypatch.setattr(catalogue.threading, "Timer", Timer)
    found = catalogue.read(plugin({"lingering": lingering, "good": GOOD}))
    assert set(found.cards) == {"lingering", "good"}
    assert timed_out == []


def test_plugin_that_takes_too_long(plugin, monkeypatch):
    monkeypatch.setattr(catalogue, "_PATIENCE", 1.0)
    found = catalogue.read(plugin({"slow": "import time; time.sleep(600)"}))
    assert "1 s to import" in found.broken["slow"]


def test_nothing_of_a_plugin_is_imported_into_this_process(plugin):
    catalogue.read(plugin({"good": GOOD}))
    assert "plugin_good" not in sys.modules


def test_availability_sees_the_model_s_own_table():
    models = {"broken": ModelConfig(handler="failing", options={"unavailable": "Weights are missing."})}
    card = catalogue.read(Config(model=models, models=["broken"])).cards["broken"]
    assert (card.ready, card.missing) == (False, "Weights are missing.")


def test_classes_at_hand():
    class Mine(EchoHandler):
        info = ModelInfo(title="Mine", prompts=frozenset({"text"}), licence="MIT", offered=False, multimask=True)

        @classmethod
        def availability(cls, context):
            return Availability(False, f"{context.device} {context.options['a']}", "missing")

    config = Config(model={"mine": ModelConfig(devices=["cuda:3"], options={"a": 5})})
    card = catalogue.of({"mine": Mine}, config).cards["mine"]
    assert (card.title, card.prompts, card.multimask, card.has_logits) == ("Mine", frozenset({"text"}), True, False)
    assert (card.ready, card.missing, card.weights) == (False, "cuda:3 5", "missing")


def test_a_plugin_that_reads_and_prints_while_it_is_imported(plugin):
    """It takes neither the questions about the others nor mixes with the answers."""
    noisy = "import sys; print('{}'); sys.stdin.read()\n" + GOOD
    found = catalogue.read(plugin({"aa_noisy": noisy, "zz_quiet": GOOD}))
    assert set(found.cards) == {"aa_noisy", "zz_quiet"}


def test_current_directory_holds_no_modules_of_ours(plugin, tmp_path_factory, monkeypatch):
    planted = tmp_path_factory.mktemp("planted")
    (planted / "msgspec.py").write_text("raise SystemExit('planted')")
    monkeypatch.chdir(planted)
    if sys.version_info >= (3, 11):
        assert set(catalogue.read(plugin({"good": GOOD})).cards) == {"good"}
