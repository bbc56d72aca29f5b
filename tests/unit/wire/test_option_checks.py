import math

import pytest

from maskbus_wire.checks import check_request
from maskbus_wire.errors import WireError
from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.option_checks import POST_RANGES
from maskbus_wire.prompts import Image, Prompt
from maskbus_wire.requests import Embed, Everything, PostProcessing, Route, Segment, StreamOpen, TextOptions

HELD = Image(image_id="a")
CUP = Prompt(text=["cup"])


def check(request):
    check_request(request, 0, DEFAULT_LIMITS)


def refused(request):
    with pytest.raises(WireError) as caught:
        check(request)
    return caught.value.code, caught.value.path


def post(name, value):
    return {"post": PostProcessing(**{name: value})}


def chosen(**options):
    return Segment(image=HELD, prompt=CUP, text_options=TextOptions(**options))


@pytest.mark.parametrize("kind", [Segment, Everything, Embed])
def test_routes(kind):
    def routed(**fields):
        return kind(image=HELD, route=Route(**fields))

    check(routed())
    check(routed(models=[f"{i}" for i in range(16)], min_predicted_iou=0.0, share=1.0))
    check(routed(models=["a", "A", "x" * 256], min_predicted_iou=1.0, share=5e-324))
    assert refused(routed(models=[f"{i}" for i in range(17)])) == ("too_large", "route.models")
    assert refused(routed(models=["a", "b", "a"])) == ("invalid_value", "route.models[2]")
    assert refused(routed(models=["a", ""])) == ("invalid_value", "route.models[1]")
    assert refused(routed(models=["x" * 257])) == ("too_large", "route.models[0]")
    for value in (-math.ulp(0), math.nextafter(1, 2), math.nan, math.inf, -math.inf, 2**64):
        assert refused(routed(min_predicted_iou=value)) == ("invalid_value", "route.min_predicted_iou")
        assert refused(routed(share=value)) == ("invalid_value", "route.share")
    for value in (0, 0.0, -0.0):
        assert refused(routed(share=value)) == ("invalid_value", "route.share")


@pytest.mark.parametrize(
    "make",
    [
        lambda **fields: Segment(image=HELD, **fields),
        lambda **fields: Everything(image=HELD, **fields),
        lambda **fields: StreamOpen(stream="front", **fields),
    ],
)
def test_sides_and_post_processing(make):
    for side in (0, 64, 32_767):
        check(make(max_side=side))
    for side in (-1, 1, 63, 32_768, 2**63, 2**64, -(2**63)):
        assert refused(make(max_side=side)) == ("invalid_value", "max_side")
    check(make(post=PostProcessing()))
    check(make(post=PostProcessing(**POST_RANGES)))
    for name, most in POST_RANGES.items():
        check(make(**post(name, 0)))
        check(make(**post(name, most)))
        for value in (-1, -math.ulp(0), most + 1, 2**64, math.nan, math.inf, -math.inf):
            assert refused(make(**post(name, value))) == ("invalid_value", f"post.{name}")


def test_every_step_of_post_processing_has_its_range():
    assert tuple(POST_RANGES) == PostProcessing.__struct_fields__


def test_thresholds_go_with_the_way_of_choosing():
    path = ("invalid_value", "text_options.threshold")
    for select in (None, "softmax"):
        for value in (0.0, 1.0):
            check(chosen(select=select, threshold=value))
        for value in (-math.ulp(0), math.nextafter(1, 2), math.nan):
            assert refused(chosen(select=select, threshold=value)) == path
    for value in (-1.0, 1.0):
        check(chosen(select="cosine", threshold=value))
    for value in (math.nextafter(-1, -2), math.nextafter(1, 2), math.nan, math.inf):
        assert refused(chosen(select="cosine", threshold=value)) == path
    assert refused(chosen(select="top", threshold=0.5)) == path


def test_only_top_says_how_many():
    path = ("invalid_value", "text_options.top")
    for top in (1, 65_535):
        check(chosen(select="top", top=top))
        for select in (None, "softmax", "cosine"):
            assert refused(chosen(select=select, top=top)) == path
    for top in (0, -1, 65_536, 2**63, 2**64):
        assert refused(chosen(select="top", top=top)) == path


def test_margins():
    for margin in (0.0, 4.0):
        check(chosen(margin=margin))
    for margin in (-math.ulp(0), math.nextafter(4, 5), math.nan, math.inf):
        assert refused(chosen(margin=margin)) == ("invalid_value", "text_options.margin")


def test_options_for_texts_go_with_a_text():
    for prompt in (Prompt(), Prompt(points=[(1.0, 1.0)])):
        request = Segment(image=HELD, prompt=prompt, text_options=TextOptions())
        assert refused(request) == ("invalid_value", "text_options")
    check(chosen())
    check(StreamOpen(stream="front", text_options=TextOptions()))  # its text may come with an update


def test_streams_that_track_keep_their_frames_and_objects_as_they_are():
    def followed(**fields):
        return StreamOpen(stream="front", track=True, **fields)

    check(followed(post=PostProcessing(fill_holes=9, smooth=1.0, max_contours=1)))
    assert refused(followed(max_side=640)) == ("invalid_value", "max_side")
    assert refused(followed(post=PostProcessing(min_area=1))) == ("invalid_value", "post.min_area")
