from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from maskbus_client import PostProcessing, Route, TextOptions
from maskbus_client.option_input import fields_of, post_of, route_of, side_of, text_options_of
from maskbus_wire.requests import EverythingOptions


def test_nothing_is_nothing():
    assert (route_of(None), post_of(None), text_options_of(None)) == (None, None, None)
    assert (route_of({}), post_of({}), text_options_of({})) == (Route(), PostProcessing(), TextOptions())
    assert route_of([]) == Route()


def test_routes_in_the_shapes_people_have_them():
    wanted = Route(models=["a", "b"])
    for given in (["a", "b"], ("a", "b"), {"models": ("a", "b")}, MappingProxyType({"models": ["a", "b"]}), wanted):
        assert route_of(given) == wanted
    assert route_of({"share": np.float32(0.5), "min_predicted_iou": 1}) == Route(share=0.5, min_predicted_iou=1.0)
    assert route_of(Route(models=("a",), share=1)) == Route(models=["a"], share=1.0)


def test_numbers_become_what_the_wire_has():
    post = post_of({"fill_holes": np.int64(9), "smooth": 2, "max_error": np.float64(0.5), "min_area": None})
    assert post == PostProcessing(fill_holes=9, smooth=2.0, max_error=0.5)
    assert post is not None
    assert [type(value) for value in (post.fill_holes, post.smooth, post.max_error)] == [int, float, float]
    assert text_options_of({"select": "top", "top": np.uint8(3)}) == TextOptions(select="top", top=3)
    assert (side_of(np.int32(640)), type(side_of(True))) == (640, int)
    assert fields_of(EverythingOptions, {"retry": 0, "min_area": None}) == {"retry": False}


@pytest.mark.parametrize(
    ("call", "given", "sentence"),
    [
        (route_of, "auto", "the name of a route goes into model"),
        (route_of, 5, "route must be a Route or a mapping, not int"),
        (route_of, {"models": "auto"}, "route.models must be a sequence of texts, not str"),
        (route_of, ["a", 5], r"route.models\[1\] must be text, not int"),
        (route_of, PostProcessing(), "route must be a Route or a mapping, not PostProcessing"),
        (post_of, True, "post must be a PostProcessing or a mapping, not bool"),
        (post_of, {"fill_holes": 1.5}, "post.fill_holes must be a whole number, not float"),
        (post_of, {"smooth": "2"}, "post.smooth must be a number, not str"),
        (post_of, PostProcessing(smooth="2"), "post.smooth must be a number, not str"),  # type: ignore[arg-type]
        (text_options_of, "top", "text_options must be a TextOptions or a mapping, not str"),
        (text_options_of, {"top": "3"}, "text_options.top must be a whole number, not str"),
        (side_of, 512.0, "max_side must be a whole number, not float"),
        (side_of, None, "max_side must be a whole number, not NoneType"),
    ],
)
def test_other_types_are_refused(call, given, sentence):
    with pytest.raises(TypeError, match=sentence):
        call(given)


@pytest.mark.parametrize(
    ("call", "given", "sentence"),
    [
        (route_of, {"model": "a"}, "There is no route.model; there are models, min_predicted_iou, share."),
        (post_of, {"fill": 1}, "There is no post.fill; there are fill_holes, "),
        (post_of, {5: 1}, "There is no post.5; there are fill_holes, "),
        (text_options_of, {"select": "best"}, "text_options.select is one of softmax, cosine, top, not 'best'."),
        (text_options_of, {"background": ["mean"]}, "text_options.background is one of black, mean, blur, keep, not "),
        (text_options_of, TextOptions(combine="all"), "text_options.combine is one of each, union, "),  # type: ignore[arg-type]
    ],
)
def test_words_that_do_not_exist_are_refused(call, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(given)
