import json

import msgspec
import pytest
import zmq
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route

from maskbus.adapters.http import app, docs_page, openapi
from maskbus.adapters.http.bodies import EmbedBody, SegmentBody
from maskbus.adapters.http.gateway import Gateway
from maskbus.adapters.http.line import Line
from maskbus.adapters.http.node_metrics import NodeFamilies
from maskbus.adapters.http.settings import Settings
from maskbus_wire.replies import CacheStats, ModelStats, Statistics, StreamCounts, StreamInfo, WorkerStats


@pytest.fixture(scope="module")
def document():
    return json.loads(msgspec.json.encode(openapi.document()))


def test_it_describes_every_path_and_no_other(document):
    nowhere = Line(zmq.Context.instance(), "tcp://127.0.0.1:1", 1)
    routes = app.routes(Gateway(nowhere, Settings())).routes
    served = {
        (route.path, method.lower())
        for route in routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert served == {(path, verb) for path, verbs in document["paths"].items() for verb in verbs}


def test_every_reference_leads_somewhere(document):
    schemas = document["components"]["schemas"]
    used = set()

    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                head, _, name = node["$ref"].rpartition("/")
                assert head == "#/components/schemas"
                assert name in schemas
                used.add(name)
            for one in node.values():
                walk(one)
        elif isinstance(node, list):
            for one in node:
                walk(one)

    walk(document)
    assert used == set(schemas)


def test_it_has_what_the_specification_wants(document):
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(document["info"])
    for path, verbs in document["paths"].items():
        for operation in verbs.values():
            assert operation["responses"]
            assert all("description" in answer for answer in operation["responses"].values())
        named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        found = {one["name"] for operation in verbs.values() for one in operation.get("parameters", ())}
        assert named == found


@pytest.mark.parametrize("kind", [SegmentBody, EmbedBody])
def test_every_field_is_described(document, kind):
    properties = document["components"]["schemas"][kind.__name__]["properties"]
    assert set(properties) == {field.encode_name for field in msgspec.structs.fields(kind)}
    assert all(one["description"] for one in properties.values())


def test_every_schema_has_words(document):
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for field, one in schema.get("properties", {}).items():
            assert one.get("description"), (name, field)


def test_the_page_has_every_path_and_structure(document):
    page = docs_page.page("http://here")
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page
    for name in document["components"]["schemas"]:
        assert f"id='{name}'" in page
    assert "http://here/segment" in page


def test_the_metrics_of_a_node():
    stats = Statistics(
        node="n",
        version="1",
        uptime_s=5,
        models=[ModelStats(name='a"b', queued={"batch": 2}, running=1, answered=7, errors={"busy": 3}, left_out_s=4)],
        workers=[WorkerStats(model="a", device="cpu", state="busy", cache_hits=5, cache_misses=1, rss_bytes=9)],
        cache=CacheStats(store="memory", hits=6, misses=2),
        images=3,
    )
    stream = StreamInfo(
        stream="front",
        model="a",
        topic="t",
        policy="newest",
        counts=StreamCounts(received=10, answered=4, dropped={"replaced": 6}),
    )
    found = read(NodeFamilies(stats, [stream]))
    assert found["maskbus_up",] == 1
    assert found["maskbus_queued", 'a"b', "batch"] == 2
    assert found["maskbus_errors_total", 'a"b', "busy"] == 3
    assert found["maskbus_embedding_cache_hits_total", "0", "a", "cpu"] == 5
    assert found["maskbus_answer_cache_hits_total", "memory"] == 6
    assert found["maskbus_stream_dropped_total", "front", "replaced"] == 6
    assert found["maskbus_worker_up", "0", "a", "cpu"] == 1
    assert found["maskbus_images",] == 3
    assert read(NodeFamilies(None)) == {("maskbus_up",): 0}


def read(families):
    registry = CollectorRegistry()
    registry.register(families)
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }
