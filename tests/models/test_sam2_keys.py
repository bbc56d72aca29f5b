"""Every weight of Meta's SAM 2 has its place in transformers' model."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

import torch
from transformers import Sam2Config, Sam2Model, Sam2VideoModel

from maskbus.models import sam2_config, sam2_keys
from support import sam2_reference


@pytest.mark.parametrize("name", sam2_config.NAMES)
def test_every_weight_of_metas_model_maps_to_one_of_transformers_with_the_same_shape(name):
    with sam2_reference.on_meta():
        theirs = sam2_reference.build(name).state_dict()
        ours = Sam2VideoModel(sam2_config.video_config(name))
    renamed = sam2_keys.to_transformers(theirs)
    # Strict: nothing is missing, nothing is left over, no shape differs.
    ours.load_state_dict(renamed, strict=True, assign=True)
    targets = Counter(new for old in theirs for new in sam2_keys.translate(old))
    assert targets.pop("prompt_encoder.point_embed.weight") == 4
    assert set(targets.values()) == {1}
    # Four embeddings became one matrix, one matrix of positions became two.
    assert len(renamed) == len(theirs) - 3 + 1


@pytest.mark.parametrize("name", sam2_config.NAMES)
def test_the_encoder_is_what_the_authors_files_say(name):
    with sam2_reference.on_meta():
        theirs = sam2_reference.build(name).image_encoder
        ours = Sam2VideoModel(sam2_config.video_config(name)).vision_encoder
    trunk = theirs.trunk
    assert [block.window_size for block in trunk.blocks] == [block.window_size for block in ours.backbone.blocks]
    assert [block.attn.num_heads for block in trunk.blocks] == [
        block.attn.num_attention_heads for block in ours.backbone.blocks
    ]
    assert trunk.q_pool_blocks == [i for i, block in enumerate(ours.backbone.blocks) if block.query_stride is not None]
    assert list(theirs.neck.fpn_top_down_levels) == list(ours.config.fpn_top_down_levels)
    assert theirs.neck.backbone_channel_list == list(ours.config.backbone_channel_list)


@pytest.mark.parametrize("name", sam2_config.NAMES)
def test_the_rest_is_what_the_authors_files_say(name):
    with sam2_reference.on_meta():
        theirs = sam2_reference.build(name, video=True)
    config = sam2_config.video_config(name)
    assert theirs.image_size == config.image_size
    assert theirs.num_maskmem == config.num_maskmem
    assert theirs.max_obj_ptrs_in_encoder == config.max_object_pointers_in_encoder
    assert theirs.max_cond_frames_in_attn == config.max_cond_frame_num
    assert theirs.add_tpos_enc_to_obj_ptrs == config.enable_temporal_pos_encoding_for_object_pointers
    assert (theirs.no_obj_embed_spatial is not None) == config.enable_occlusion_spatial_embedding
    assert theirs.sigmoid_scale_for_mem_enc == config.sigmoid_scale_for_mem_enc
    assert theirs.sigmoid_bias_for_mem_enc == config.sigmoid_bias_for_mem_enc
    assert (theirs.multimask_min_pt_num, theirs.multimask_max_pt_num) == (
        config.multimask_min_pt_num,
        config.multimask_max_pt_num,
    )
    assert theirs.multimask_output_for_tracking == config.multimask_output_for_tracking
    decoder = theirs.sam_mask_decoder
    assert decoder.dynamic_multimask_stability_delta == config.mask_decoder_config.dynamic_multimask_stability_delta
    assert decoder.dynamic_multimask_stability_thresh == config.mask_decoder_config.dynamic_multimask_stability_thresh


def test_the_model_for_images_has_a_part_of_the_same_names():
    config = sam2_config.video_config("sam2.1-hiera-tiny")
    with torch.device("meta"):
        video = Sam2VideoModel(config)
        images = Sam2Model(Sam2Config(vision_config=config.vision_config))
    whole = sam2_reference.shapes(video)
    assert sam2_reference.shapes(images).items() <= whole.items()


def test_only_what_is_wanted_is_kept():
    with sam2_reference.on_meta():
        theirs = sam2_reference.build("sam2.1-hiera-tiny").state_dict()
    wanted = ["no_memory_embedding", "prompt_encoder.point_embed.weight", "not there"]
    assert set(sam2_keys.to_transformers(theirs, wanted)) == set(wanted[:2])


def test_point_embeddings_keep_their_order():
    state = {name: torch.full((1, 4), float(row)) for row, name in enumerate(sam2_keys.POINT_EMBEDDINGS)}
    matrix = sam2_keys.to_transformers(state)["prompt_encoder.point_embed.weight"]
    assert matrix[:, 0].tolist() == [0, 1, 2, 3]


def test_an_unknown_weight_is_named():
    with pytest.raises(KeyError, match="text_encoder"):
        sam2_keys.translate("text_encoder.layers.0.weight")


def test_an_unknown_model_is_refused():
    with pytest.raises(KeyError, match="sam9"):
        sam2_config.video_config("sam9-hiera-tiny")
