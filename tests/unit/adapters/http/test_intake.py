"""Bodies of every kind, and what is wrong with them, without a server."""

import base64
import json
import os
import random
from contextlib import suppress

import numpy as np
import pytest

from maskbus.adapters.http import intake, multipart, text_fields, translation
from maskbus.adapters.http.bodies import EmbedBody, EverythingOptions, MaskInput, PostProcessing, SegmentBody
from maskbus.adapters.http.problems import Refused, refusal
from maskbus.adapters.http.prompting import prompt_of
from maskbus.adapters.http.settings import Additions
from maskbus_wire.errors import WireError
from maskbus_wire.requests import Embed, Everything, Route, Segment
from maskbus_wire.rle import encode as encode_rle
from support.gateway import file

PNG = file()


def take(data, media="application/json", query=(), kind=SegmentBody):
    return intake.take(data, media, query, kind)


def refused(call, *arguments, **named):
    with pytest.raises((Refused, WireError)) as caught:
        call(*arguments, **named)
    found = refusal(caught.value)
    return found.status, found.problem.code, found.problem.path


def form(*fields, boundary="edge"):
    parts = []
    for name, data, *file_name in fields:
        disposition = f'form-data; name="{name}"' + (f'; filename="{file_name[0]}"' if file_name else "")
        data = data.encode() if isinstance(data, str) else data
        parts.append(f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + data + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f'multipart/form-data; boundary="{boundary}"'


def ask(body, image=PNG, mask=None, additions=Additions(), encodings=("polygon",)):  # noqa: B008
    return translation.question_of(body, image, mask, additions, list(encodings))


def test_text_means_what_json_means():
    query = [
        ("points", "320,240"),
        ("labels", "1"),
        ("text", "a cup, red"),
        ("text", "a plate"),
        ("encoding", "rle, png"),
        ("post.smooth", "2.5"),
        ("post.fill_holes", "9"),
        ("settings", '{"points_per_side": 4}'),
        ("multimask", "true"),
        ("deadline_ms", "1500"),
        ("options.mode", "fast"),
        ("options.depth", "3"),
    ]
    body, image, mask = take(PNG, "image/png", query)
    assert (image, mask) == (PNG, None)
    assert body == SegmentBody(
        points=[320, 240],
        labels=[1],
        text=["a cup, red", "a plate"],
        encoding=["rle", "png"],
        post=PostProcessing(smooth=2.5, fill_holes=9),
        settings=EverythingOptions(points_per_side=4),
        multimask=True,
        deadline_ms=1500,
        options={"mode": "fast", "depth": 3},
    )


@pytest.mark.parametrize(
    ("text", "rows"),
    [("1,2", [1, 2]), ("[1,2]", [1, 2]), ("[1,2],[3,4]", [[1, 2], [3, 4]]), ("[[1,2,true]]", [[1, 2, True]])],
)
def test_rows_in_text(text, rows):
    assert text_fields.plain_of([("points", text)]) == {"points": rows}


@pytest.mark.parametrize(
    "query",
    [
        [("model", "a"), ("model", "b")],
        [("points", "1,x")],
        [("post", "{")],
        [("post.smooth", "1"), ("post", "{}")],
        [("post.smooth", "1"), ("post.smooth", "2")],
        [("nonsense", "1")],
        [("deadline_ms", "soon")],
        [("multimask", "perhaps")],
    ],
)
def test_text_that_is_refused(query):
    status, code, path = refused(take, PNG, "image/png", query)
    assert (status, code) == (400, "invalid_field")
    assert path in {query[0][0], query[-1][0], ""}


def test_a_form_and_the_address_together():
    data, media = form(("image", PNG, "a.png"), ("points", "[[1,2,1]]"), ("request", '{"model": "m", "stamp": 5}'))
    body, image, _ = take(data, media, [("seq", "7")])
    assert image == PNG
    assert (body.points, body.model, body.stamp, body.seq) == ([[1, 2, 1]], "m", 5, 7)
    data, media = form(("image", base64.b64encode(PNG)), ("mask", PNG, "m.png"))
    body, image, mask = take(data, media)
    assert (image, mask) == (PNG, PNG)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([("image", PNG, "a"), ("image", PNG, "b")], "invalid_field"),
        ([("image", PNG, "a"), ("image", base64.b64encode(PNG))], "invalid_field"),
        ([("file", PNG, "a")], "invalid_field"),
        ([("request", "[1]")], "invalid_field"),
        ([("request", '{"model": 5}')], "invalid_field"),
        ([("model", b"\xff\xfe")], "invalid_field"),
        ([("request", '{"model": "a"}'), ("model", "b")], "invalid_field"),
        ([("seq", "1")] * 70, "too_large"),
    ],
)
def test_forms_that_are_refused(fields, code):
    assert refused(take, *form(*fields))[1] == code


def test_no_form_brings_the_parser_down():
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    rng = random.Random(seed)
    whole, media = form(("image", PNG, "a.png"), ("points", "[[1,2]]"), ("request", '{"model": "m"}'))
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            how, at = rng.randrange(3), rng.randrange(len(data))
            if how == 0:
                data[at] = rng.randrange(256)
            elif how == 1:
                del data[at : at + rng.randrange(1, 40)]
            else:
                data[at:at] = rng.choice([b"\r\n", b"--edge", b"--edge--\r\n", b"\x00", b'"', b":"])
        with suppress(Refused):
            take(bytes(data), media)


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"model": "\xb4"}', b"\xff", b'{"options": ' + b'{"a": ' * 50_000, b"nul", b"{} {}"]
)
def test_what_is_no_json(body):
    assert refused(take, body)[:2] == (400, "malformed")
    assert refused(take, body, query=[("seq", "1")])[:2] == (400, "malformed")
    data, media = form(("request", body))
    assert refused(take, data, media) == (400, "invalid_field", "request")


def test_a_form_that_stops_early():
    whole, media = form(("image", PNG, "a.png"))
    for cut in (10, len(whole) // 2, len(whole) - 6):
        assert refused(multipart.parts_of, whole[:cut], media)[1] == "malformed"


@pytest.mark.parametrize(
    ("fields", "models", "least"),
    [
        ([("route", "grabcut")], ["grabcut"], None),
        ([("route", "mobile-sam, grabcut")], ["mobile-sam", "grabcut"], None),
        ([("route", '["a", "b"]')], ["a", "b"], None),
        ([("route", '{"models": ["a"], "min_predicted_iou": 0.5}')], ["a"], 0.5),
        ([("route.models", "a,b"), ("route.min_predicted_iou", "0.5")], ["a", "b"], 0.5),
        ([("route.models", '["a"]')], ["a"], None),
    ],
)
def test_routes_in_text(fields, models, least):
    for kind in (SegmentBody, EmbedBody):
        for body in (take(PNG, "image/png", fields, kind)[0], take(*form(("image", PNG, "a"), *fields), kind=kind)[0]):
            route = ask(body)[0].route
            assert (route.models, route.min_predicted_iou) == (models, least)


def test_routes_in_json():
    assert ask(take(b'{"route": ["a", "b"]}')[0])[0].route == Route(models=["a", "b"])
    assert ask(take(b'{"route": {"min_predicted_iou": 0.5}}')[0])[0].route.min_predicted_iou == 0.5
    for body in (b'{"route": []}', b'{"route": {"models": [""]}}', b'{"route": ["a", "a"]}'):
        assert refused(ask, take(body)[0])[:2] == (422, "invalid_value")
    assert refused(take, b'{"route": "a"}') == (400, "invalid_field", "route")


def test_an_answers_rle_is_a_mask():
    counts = encode_rle(np.eye(48, 64, dtype=np.bool_))
    for said in ({"size": [48, 64], "counts": counts}, {"counts": counts}, {"encoding": "rle", "counts": counts}):
        text = json.dumps(said)
        for body in (take(f'{{"mask": {text}}}'.encode())[0], take(PNG, "image/png", [("mask", text)])[0]):
            mask = ask(body)[0].prompt.mask
            assert (mask.encoding, mask.counts, mask.base64) == ("rle", counts, None)
    wrong = SegmentBody(mask=MaskInput(size=(64, 48), counts=counts))
    assert refused(ask, wrong) == (422, "invalid_value", "mask.size")
    assert refused(ask, SegmentBody(mask=MaskInput(size=(48, 64), base64="aGk=")))[2] == "mask.size"
    assert refused(ask, SegmentBody(mask=MaskInput(encoding="bits", counts=counts)))[0] == 400
    assert refused(ask, SegmentBody(mask=MaskInput()))[0] == 400


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_a_png_in_text_is_a_mask(prefix):
    text = prefix + base64.b64encode(PNG).decode()
    for mask in (text, MaskInput(base64=text), MaskInput(encoding="png", base64=text)):
        found = ask(SegmentBody(mask=mask))[0].prompt.mask
        assert (found.encoding, found.data) == ("png", PNG)


@pytest.mark.parametrize("name", ["points", "boxes", "text"])
def test_a_list_that_is_there_is_not_empty(name):
    for body in (take(f'{{"{name}": []}}'.encode())[0], take(PNG, "image/png", [(name, "[]")])[0]):
        assert refused(ask, body) == (422, "invalid_value", name)
    with_others, _, _ = take(f'{{"labels": [], "mask": {{"counts": "a"}}, "{name}": []}}'.encode())
    assert refused(ask, with_others) == (422, "invalid_value", name)
    assert refused(ask, take(PNG, "image/png", [(name, "")])[0])[0] == 422


@pytest.mark.parametrize(
    ("body", "path", "word"),
    [
        ({"lane": "bogus"}, "lane", "interactive"),
        ({"encoding": "bogus"}, "encoding", "polygon"),
        ({"encodings": ["rle", "bogus"]}, "encodings[1]", "polygon"),
        ({"text_options": {"select": "bogus"}}, "text_options.select", "cosine"),
        ({"mask": {"encoding": "bogus"}}, "mask.encoding", "bits+zlib"),
    ],
)
def test_the_words_that_a_field_may_be_are_named(body, path, word):
    with pytest.raises(Refused) as caught:
        take(json.dumps(body).encode())
    problem = caught.value.problem
    assert problem.path == path
    assert "'bogus'" in problem.error
    assert word in problem.error


def test_points_and_labels():
    prompt = prompt_of(SegmentBody(points=[[1, 2, True], [3, 4, 0]]), None)
    assert (prompt.points, prompt.labels) == ([(1, 2), (3, 4)], [1, 0])
    prompt = prompt_of(SegmentBody(points=[1, 2], labels=[False], text="cup"), None)
    assert (prompt.points, prompt.labels, prompt.text) == ([(1, 2)], [0], ["cup"])
    for body in (
        SegmentBody(points=[[1, True]]),
        SegmentBody(points=[[1, 2], 3]),
        SegmentBody(points=[[1]]),
        SegmentBody(boxes=[[1, 2, 3, True]]),
        SegmentBody(mask="?"),
    ):
        assert refused(prompt_of, body, None)[0] == 400
    assert refused(prompt_of, SegmentBody(mask="aGk="), 1)[2] == "mask"


def test_what_is_asked_of_the_node():
    request, attachments = ask(SegmentBody(boxes=[1, 2, 3, 4], frame_id="f", encoding="rle", fresh=True))
    assert isinstance(request, Segment)
    assert (request.frame_id, request.encodings, request.fresh, request.deadline_ms) == ("f", ["rle"], True, None)
    assert (request.image.attachment, request.image.encoding, attachments) == (0, "png", [PNG])
    request, attachments = ask(SegmentBody(), mask=PNG)
    assert isinstance(request, Segment)
    assert request.prompt.mask is not None
    assert (request.prompt.mask.attachment, len(attachments)) == (1, 2)
    request, attachments = ask(EmbedBody(image_id="i"), image=None)
    assert isinstance(request, Embed)
    assert (request.image.image_id, attachments) == ("i", [])
    assert refused(ask, EmbedBody(image_id="i"))[2] == "image_id"


def test_additions_are_for_those_who_say_nothing():
    additions = Additions(
        max_side=1536, post=PostProcessing(smooth=1), everything=EverythingOptions(box_nms_thresh=0.8)
    )
    request, _ = ask(SegmentBody(), additions=additions)
    assert isinstance(request, Everything)
    assert (request.max_side, request.post, request.settings.box_nms_thresh) == (1536, additions.post, 0.8)
    assert (request.preset, request.deadline_ms) == ("default", 600_000)
    own = SegmentBody(max_side=0, post=PostProcessing(), settings=EverythingOptions(box_nms_thresh=0.5, max_masks=1))
    request, _ = ask(own, additions=additions)
    assert isinstance(request, Everything)
    assert (request.max_side, request.post) == (0, PostProcessing())
    assert (request.settings.box_nms_thresh, request.settings.max_masks) == (0.5, 1)
    assert ask(SegmentBody(points=[1, 2]))[0].post is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"post": {"smoth": 1}}',
        b'{"settings": {"points": 1}}',
        b'{"route": {"model": "a"}}',
        b'{"text_options": {"k": 1}}',
        b'{"imge": ""}',
    ],
)
def test_a_slip_is_an_error(body):
    assert refused(take, body)[:2] == (400, "invalid_field")


@pytest.mark.parametrize("name", ["multimask", "options", "text_options"])
def test_what_goes_with_a_prompt_only(name):
    body, _, _ = take(b'{"multimask": true}' if name == "multimask" else f'{{"{name}": {{"top": 1}}}}'.encode())
    assert refused(ask, body) == (422, "invalid_value", name)
