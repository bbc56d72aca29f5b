"""The C++ client against the golden messages.

One run of `maskbus_conformance` answers all of them; each test looks at what it said of each one of a group.
"""

import json
import subprocess

import pytest
from msgspec.structs import replace

from maskbus_wire import frames
from maskbus_wire.base64_text import decode as from_base64
from maskbus_wire.requests import OPERATIONS
from maskbus_wire.version import VERSION
from support import cpp

# Invalid requests that the client's functions can express and must refuse themselves: a check that is lost shows here.
REFUSED = """
content-box-above content-box-outside content-logits-nan content-logits-size content-mask-bits-size
content-mask-raw-size content-mask-rle-noise content-mask-rle-size content-other-format content-point-below
content-point-left content-point-right content-raw-empty content-raw-long content-raw-short content-step-short
everything-box-nms-thresh-high everything-box-nms-thresh-low everything-crop-n-layers-high everything-crop-n-layers-low
everything-crop-n-points-downscale-factor-high everything-crop-n-points-downscale-factor-low
everything-crop-nms-thresh-high everything-crop-nms-thresh-low everything-crop-overlap-ratio-high
everything-crop-overlap-ratio-low everything-encoding-twice everything-grid everything-grid-of-preset everything-logits
everything-max-masks-high everything-max-masks-low everything-min-area-low everything-min-mask-region-area-low
everything-offset-infinite everything-offset-zero everything-overlap-whole everything-points-per-batch-high
everything-points-per-batch-low everything-points-per-side-high everything-points-per-side-low
everything-pred-iou-thresh-high everything-pred-iou-thresh-low everything-publish-colon
everything-stability-score-offset-high everything-stability-score-offset-low everything-stability-score-thresh-high
everything-stability-score-thresh-low everything-threshold-nan image-file-pixels image-file-width image-pixels
image-step-file image-step-huge image-step-small image-width-large image-width-zero max-side-everything max-side-large
max-side-negative max-side-small post-everything post-fill-holes-low post-max-contours-high post-max-contours-low
post-max-error-high post-max-error-infinite post-max-error-low post-min-area-low post-remove-islands-low
post-smooth-high post-smooth-low post-smooth-nan prompt-box-infinite prompt-box-nan prompt-box-no-width
prompt-box-x-order prompt-box-y-order prompt-boxes-and-points prompt-boxes-many prompt-label-negative prompt-label-two
prompt-labels-alone prompt-labels-long prompt-labels-short prompt-logits-shape-large prompt-logits-shape-zero
prompt-mask-counts prompt-mask-no-bytes prompt-mask-rle-bytes prompt-mask-rle-no-counts prompt-negative-empty
prompt-negative-long prompt-negative-many prompt-negative-text-alone prompt-point-infinite prompt-point-minus-infinite
prompt-point-nan prompt-points-many prompt-text-blank prompt-text-empty prompt-text-long prompt-text-many route-embed
route-everything route-iou-high route-iou-infinite route-iou-low route-iou-nan route-many route-name-empty
route-name-long route-name-twice route-share-high route-share-minus-zero route-share-nan route-share-negative
route-share-zero stream-close-long stream-close-name stream-frame-frame-id-long stream-frame-held stream-frame-long
stream-frame-name stream-frame-slot stream-name-colon stream-name-control stream-name-empty stream-name-line
stream-name-no-break-space stream-name-slash stream-name-space stream-object-box stream-object-boxes
stream-object-by-text stream-object-empty-prompt stream-object-high stream-object-labels stream-object-mask-box
stream-object-mask-counts stream-object-mask-points stream-object-negative stream-object-no-prompt stream-object-point
stream-objects-many stream-objects-twice stream-open-deadline-ms-high stream-open-deadline-ms-negative
stream-open-deadline-ms-zero stream-open-encoding-twice stream-open-id-long stream-open-idle-ms-high
stream-open-idle-ms-negative stream-open-idle-ms-zero stream-open-long stream-open-mask stream-open-max-age-ms-high
stream-open-max-age-ms-negative stream-open-max-age-ms-zero stream-open-max-side stream-open-model-long
stream-open-objects stream-open-post stream-open-prompt stream-open-prompt-labels stream-open-rate
stream-open-rate-every stream-open-rate-high stream-open-rate-infinite stream-open-rate-nan stream-open-rate-negative
stream-open-rate-zero stream-open-sample stream-open-text-options stream-open-top stream-open-track-max-side
stream-open-track-min-area stream-open-track-prompt stream-open-track-text-options stream-open-waiting-many
stream-open-waiting-none
stream-open-waiting-unused stream-update-age-high stream-update-age-negative stream-update-encoding-twice
stream-update-long stream-update-mask stream-update-name stream-update-object stream-update-object-negative
stream-update-prompt stream-update-rate-nan stream-update-rate-zero stream-update-remove-many text-options-cosine-high
text-options-cosine-low text-options-margin-nan text-options-margin-negative text-options-margin-wide
text-options-no-prompt text-options-no-text text-options-softmax-high text-options-softmax-low
text-options-threshold-nan text-options-threshold-top text-options-top-cosine text-options-top-many
text-options-top-negative text-options-top-unsaid text-options-top-zero text-options-unsaid-low value-deadline-long
value-deadline-negative value-deadline-zero value-encoding-twice value-frame-id-long value-id-long value-image-id-long
value-model-long value-publish-colon value-publish-empty value-publish-long value-release-long value-stream-long
value-target-empty value-target-long
""".split()  # noqa: SIM905
# Found by whoever decodes the image or the mask, which the client does not.
UNDECODED = """
content-jpeg-cut content-jpeg-noise content-mask-png-size content-mask-zlib content-other-width content-png-checksum
content-png-cut content-turned-size content-webp-cut
""".split()  # noqa: SIM905
# The client leaves an empty prompt out, which these bytes have as an empty map.
WRITTEN_SHORTER = {"prompt-none"}
DECODED = ("rle", "bits", "bits+zlib", "polygon", "raw", "labels")


@pytest.fixture(scope="session")
def told(vectors_folder):
    """Return what the client says of each message, by folder and name."""
    program = cpp.binary("maskbus_conformance")
    paths = [*sorted((vectors_folder / "valid").glob("*.json")), *sorted((vectors_folder / "invalid").glob("*.json"))]
    vectors = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    asked = [
        json.dumps({key: vector[key] for key in ("kind", "frames", "limits") if key in vector}) for vector in vectors
    ]
    done = subprocess.run(
        [program], input="\n".join(asked) + "\n", capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return {(path.parent.name, path.stem): answer for path, answer in zip(paths, answers, strict=True)}


def test_valid_messages_are_read_or_written(every, told):
    def check(valid):
        answer = told["valid", valid["name"]]
        if valid["kind"] == "request":
            if sayable(valid):
                assert_written(valid, answer)
            else:
                assert "unsayable" in answer
            return
        header = dict(valid["message"])
        assert header.pop("reply") is not None
        header.pop("maskbus")
        assert answer["message"] == resolve(header, split(valid)[1:])
        if "masks" in valid:
            assert_masks(valid, answer)
        assert answer.get("logits") == valid.get("logits")

    every("valid", check)


def test_invalid_messages_are_refused(every, told):
    def check(invalid):
        answer = told["invalid", invalid["name"]]
        error = {key: answer["error"][key] for key in ("code", "path")} if "error" in answer else None
        if invalid["kind"] == "reply" or error is not None:
            assert error == invalid["error"]
            assert 0 < len(answer["error"]["message"]) <= 400
        elif invalid["name"] in UNDECODED:
            assert "encoded" in answer
        else:
            assert "unsayable" in answer
        if invalid["name"] in REFUSED:
            assert error is not None

    every("invalid", check)


def test_the_list_of_refused_requests_is_of_vectors_that_exist(vectors_folder):
    names = {path.stem for path in (vectors_folder / "invalid").glob("*.json")}
    assert names >= {*REFUSED, *UNDECODED}


def test_headers_are_refused_before_they_are_read(told, vectors_folder):
    """Whatever the operation: a client's reader of headers finds what a node's does."""
    count = 0
    for path in sorted((vectors_folder / "invalid").glob("*.json")):
        vector = json.loads(path.read_text(encoding="utf-8"))
        if vector["error"]["path"] == "":
            found = told["invalid", path.stem]
            assert found["error"]["code"] == vector["error"]["code"], path.stem
            count += 1
    assert count >= 30


@pytest.mark.parametrize("seed", range(1, 5))
def test_replies_changed_at_random_are_read_or_refused(vectors_folder, seed):
    program = cpp.binary("maskbus_conformance")
    replies = []
    for path in sorted((vectors_folder / "valid").glob("*.json")):
        vector = json.loads(path.read_text(encoding="utf-8"))
        if vector["kind"] != "request":
            replies.append(json.dumps({"kind": vector["kind"], "frames": vector["frames"]}))
    rounds = 5000
    done = subprocess.run(
        [program, "--fuzz", str(seed), str(rounds)],
        input="\n".join(replies) + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, f"seed {seed}: {done.stderr[-4000:]}"
    told = json.loads(done.stdout)
    # Some are still sound, and most are not.
    assert told["rounds"] == rounds
    assert 0 < told["read"] < rounds


def split(vector):
    parts = [bytes.fromhex(frame) for frame in vector["frames"]]
    return parts[1:] if vector["kind"] == "published" else parts


def sayable(vector):
    """Say whether the client's functions can express a request: bytes as attachments in their order, plain options."""
    message = vector["message"]
    if message.get("inline"):
        return False
    if any(isinstance(value, (dict, list)) or value is None for value in (message.get("options") or {}).values()):
        return False
    prompt = message.get("prompt") or {}
    masks = [one["prompt"]["mask"] for one in message.get("objects", [])]
    named = (message.get("image"), prompt.get("mask"), prompt.get("logits"), *masks)
    blobs = [blob for blob in named if blob is not None]
    if any(blob[name] is not None for blob in blobs for name in ("data", "base64")):
        return False
    indices = [blob["attachment"] for blob in blobs if blob["attachment"] is not None]
    return indices == list(range(len(vector["frames"]) - 1))


def assert_written(vector, answer):
    encoded = [bytes.fromhex(frame) for frame in answer["encoded"]]
    if vector["canonical"] and vector["name"] not in WRITTEN_SHORTER:
        assert encoded == split(vector)
        return
    plain, _ = frames.open_header(encoded)
    assert plain["maskbus"] == VERSION
    original, _ = frames.open_header(split(vector))
    assert frames.decode_request(plain) == replace(frames.decode_request(original), maskbus=VERSION)
    assert encoded[1:] == split(vector)[1:]


def resolve(value, attachments):
    """Put the bytes of each blob in its place: the client finds them, and does not tell where they were."""
    if isinstance(value, list):
        return [resolve(item, attachments) for item in value]
    if not isinstance(value, dict):
        return value
    if "base64" not in value:
        return {key: resolve(item, attachments) for key, item in value.items()}
    if value["attachment"] is not None:
        data = attachments[value["attachment"]]
    elif value["data"] is not None:
        data = bytes.fromhex(value["data"]["$hex"])
    elif value["shared"] is not None:
        offset, length = value["shared"]
        data = bytes(i % 251 for i in range(offset, offset + length))  # what the program has for a slot
    else:
        data = from_base64(value["base64"], max_bytes=1_000_000)
    content = {"$hex": data.hex()}
    if "shape" in value:
        return {"bytes": content, "shape": value["shape"], "dtype": value["dtype"]}
    if "image_id" in value:  # the picture of a published frame
        sides = {name: value[name] or 0 for name in ("width", "height", "step")}
        return {"bytes": content, "encoding": value["encoding"], **sides}
    return content


def assert_masks(vector, answer):
    message = vector["message"]
    assert len(answer["masks"]) == len(vector["masks"])
    for mask, expected, found in zip(message["masks"], vector["masks"], answer["masks"], strict=True):
        there = [name for name in DECODED if (message if name == "labels" else mask).get(name) is not None]
        assert found.keys() == {*there, "any"}
        for name in there:
            if name == "bits+zlib" and "error" in found[name]:
                assert "MASKBUS_WITH_ZLIB" in found[name]["error"]["message"]
            else:
                assert found[name] == expected, name
        if set(there) - {"bits+zlib"} or (there and "error" not in found["bits+zlib"]):
            assert found["any"] == expected
        else:
            assert found["any"]["error"]["code"] == "no_mask"


def test_every_operation_is_written(told, vectors_folder):
    written = set()
    for (folder, name), found in told.items():
        if folder == "valid" and "encoded" in found:
            vector = json.loads((vectors_folder / folder / f"{name}.json").read_text(encoding="utf-8"))
            written.add(vector["message"]["op"])
    assert written == OPERATIONS.keys()
