import pytest

from maskbus import environment_aliases
from maskbus.config import AUTO, ConfigError, load
from maskbus.environment_aliases import LONGEST_SIDE, SMOOTHED, of_gateway, of_node


def values(**environment):
    return {name: value for name, (value, _) in of_node(environment).values.items()}


def refused(read, **environment):
    with pytest.raises(ConfigError) as caught:
        read(environment)
    return str(caught.value)


def test_nothing_is_said_where_nothing_is_set():
    found = of_node({"HOME": "/root", "REDIS_PASSWORD": "x", "SAM_MODEL_PATH": "", "MAX_WORKERS": " "})
    assert (found.values, list(found.taken)) == ({}, [])
    assert of_gateway({"HOME": "/root"}) == environment_aliases.GatewayAliases(taken=[])


def test_what_is_usual_where_nothing_is_set():
    usual = environment_aliases.completed({"HOME": "/root", "MAX_CONTOURS": "3", "DEFAULT_CONF": " "})
    assert usual["HOME"] == "/root"
    found = of_gateway(usual)
    assert (found.port, found.max_side) == (5000, LONGEST_SIDE)
    assert (found.post.max_contours, found.post.smooth, found.box_nms_thresh) == (3, SMOOTHED.smooth, 0.8)
    assert values(**usual) == {
        "cache_ttl_s": 3600.0,
        "model": {"fastsam": {"options": {"conf": 0.4, "iou": 0.8}}, "nano": {"devices": ["cpu", "cpu"]}},
    }


def test_redis():
    assert values(REDIS_HOST="cache") == {"cache": "redis", "redis_url": "redis://cache:6379/0"}
    found = values(REDIS_HOST="10.0.0.1", REDIS_PORT="6380", REDIS_DB="2", REDIS_TTL="60")
    assert found == {"cache": "redis", "redis_url": "redis://10.0.0.1:6380/2", "cache_ttl_s": 60.0}
    assert values(REDIS_HOST="::1")["redis_url"] == "redis://[::1]:6379/0"
    # Where containers are linked, this is set to something else, and means nothing here.
    assert values(REDIS_PORT="tcp://10.0.0.1:6379") == {}
    assert values(REDIS_TTL="60") == {"cache_ttl_s": 60.0}


@pytest.mark.parametrize(
    ("file", "model"),
    [
        ("/w/mobile_sam.pt", "mobile-sam"),
        ("mobile_sam-forklifts.pt", "mobile-sam"),
        ("/w/sam_vit_b_01ec64.pth", "sam-vit-b"),
        ("/w/sam_vit_l_0b3195.pth", "sam-vit-l"),
        ("/w/sam_vit_h_4b8939.pth", "sam-vit-h"),
        ("sam2_hiera_tiny.pt", "sam2-hiera-tiny"),
        ("sam2_hiera_base_plus.pt", "sam2-hiera-base-plus"),
        ("sam2.1_hiera_large.pt", "sam2.1-hiera-large"),
        ("SAM2.1_Hiera_Small.pt", "sam2.1-hiera-small"),
    ],
)
def test_the_name_of_the_weights_tells_the_model(file, model):
    assert values(SAM_MODEL_PATH=file) == {
        "default_model": model,
        "model": {model: {"options": {"weights": file}}},
    }


@pytest.mark.parametrize(
    "file", ["/w/model.pt", "sam_vit_b.pt", "mobile_sam.pth", "sam2_hiera_huge.pt", "fastsam.onnx"]
)
def test_a_name_that_tells_nothing_is_refused(file):
    said = refused(of_node, SAM_MODEL_PATH=file)
    assert said.startswith("SAM_MODEL_PATH: ")
    assert "mobile_sam*.pt" in said


def test_fastsam():
    found = values(FASTSAM_MODEL_PATH="/w/FastSAM-s.onnx", DEFAULT_CONF="0.4", DEFAULT_IOU="0.8")
    assert found["model"] == {"fastsam": {"options": {"weights": "/w/FastSAM-s.onnx", "conf": 0.4, "iou": 0.8}}}
    assert found["route"]["auto"]["models"][0] == "fastsam"
    assert set(found["route"]["auto"]["models"]) == set(AUTO.models)
    theirs = values(FASTSAM_MODEL_PATH="/w/FastSAM-s.pt", DEFAULT_CONF="0.5")
    assert theirs["model"] == {"fastsam-ultralytics": {"options": {"weights": "/w/FastSAM-s.pt", "conf": 0.5}}}
    assert theirs["route"]["auto"]["models"][:1] == ["fastsam-ultralytics"]
    assert values(DEFAULT_CONF="0.3")["model"] == {"fastsam": {"options": {"conf": 0.3}}}
    assert "FASTSAM_MODEL_PATH" in refused(of_node, FASTSAM_MODEL_PATH="/w/FastSAM-s.bin")


def test_workers_are_those_of_the_models_that_are_named():
    assert values(MAX_WORKERS="3")["model"] == {"nano": {"devices": ["cpu"] * 3}}
    assert of_node({"MAX_WORKERS": "2"}, default_model="echo").values["model"][0] == {"echo": {"devices": ["cpu"] * 2}}
    found = values(MAX_WORKERS="2", SAM_MODEL_PATH="/w/mobile_sam.pt", FASTSAM_MODEL_PATH="/w/f.onnx")["model"]
    assert set(found) == {"mobile-sam", "fastsam"}
    assert all(table["devices"] == ["cpu", "cpu"] for table in found.values())
    assert found["mobile-sam"]["options"] == {"weights": "/w/mobile_sam.pt"}
    assert of_node({"MAX_WORKERS": "2"}).taken[-1].endswith("nano has 2 worker processes.")
    both = of_node({"MAX_WORKERS": "2", "SAM_MODEL_PATH": "mobile_sam.pt", "FASTSAM_MODEL_PATH": "f.onnx"})
    assert both.taken[-1].endswith("mobile-sam and fastsam have 2 worker processes.")


def test_models_that_are_not_offered_are_passed_over():
    variables = {"SAM_MODEL_PATH": "mobile_sam.pt", "FASTSAM_MODEL_PATH": "f.onnx", "DEFAULT_CONF": "0.5"}
    found = of_node(variables, offered=["echo"])
    assert found.values == {}
    assert [sentence.split()[0] for sentence in found.taken] == ["SAM_MODEL_PATH", "FASTSAM_MODEL_PATH"]
    assert all("passed over" in sentence for sentence in found.taken)


def test_the_gateways_own():
    found = of_gateway(
        {"PORT": "8080", "MEMORY_OPTIMIZATION": "True", "MASK_POST_PROCESSING": "1", "DEFAULT_IOU": "0.8"}
    )
    assert (found.port, found.max_side, found.post, found.box_nms_thresh) == (8080, LONGEST_SIDE, SMOOTHED, 0.8)
    assert len(found.taken) == 4
    off = of_gateway({"MEMORY_OPTIMIZATION": "False", "MASK_POST_PROCESSING": "no"})
    assert (off.max_side, off.post, list(off.taken)) == (0, None, [])
    contours = of_gateway({"MAX_CONTOURS": "10"}).post
    assert (contours.max_contours, contours.smooth, contours.fill_holes) == (10, 0, 0)
    both = of_gateway({"MAX_CONTOURS": "10", "MASK_POST_PROCESSING": "true"}).post
    assert (both.max_contours, both.smooth) == (10, SMOOTHED.smooth)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REDIS_TTL", "-1"),
        ("REDIS_TTL", "1.5"),
        ("MAX_WORKERS", "0"),
        ("MAX_WORKERS", "two"),
        ("DEFAULT_CONF", "40"),
        ("DEFAULT_CONF", "nan"),
        ("DEFAULT_IOU", "x"),
        ("REDIS_HOST", "redis://x"),
    ],
)
def test_a_bad_value_of_the_nodes_names_its_variable(variable, value):
    said = refused(of_node, **{variable: value})
    assert said.startswith(f"{variable}: ")
    assert said.endswith(".")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("MAX_CONTOURS", "0"),
        ("MASK_POST_PROCESSING", "maybe"),
        ("MEMORY_OPTIMIZATION", "2"),
        ("DEFAULT_IOU", "-0.1"),
    ],
)
def test_a_bad_value_of_the_gateways_names_its_variable(variable, value):
    assert refused(of_gateway, **{variable: value}).startswith(f"{variable}: ")


def test_bad_redis_numbers_beside_a_host():
    assert refused(of_node, REDIS_HOST="a", REDIS_PORT="tcp://x").startswith("REDIS_PORT: ")
    assert refused(of_node, REDIS_HOST="a", REDIS_DB="x").startswith("REDIS_DB: ")


def test_all_else_goes_before_them(tmp_path):
    file = tmp_path / "node.toml"
    file.write_text('cache_ttl_s = 5\n[model.mobile-sam]\nthreads = 3\noptions = { weights = "mine.pt" }\n')
    variables = {"REDIS_TTL": "60", "SAM_MODEL_PATH": "mobile_sam.pt", "MAX_WORKERS": "2", "REDIS_HOST": "cache"}
    aliases = of_node(variables)
    effective = load(
        file=str(file),
        environment={"MASKBUS_REDIS_URL": "redis://other:1/0"},
        flags={"default_model": "echo"},
        aliases=aliases.values,
    )
    config = effective.config
    assert (config.cache_ttl_s, config.cache, config.redis_url) == (5, "redis", "redis://other:1/0")
    assert config.default_model == "echo"
    table = config.model["mobile-sam"]
    assert (table.threads, table.devices, table.options["weights"]) == (3, ["cpu", "cpu"], "mine.pt")
    assert effective.origin["cache"] == "environment REDIS_HOST"
