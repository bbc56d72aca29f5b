"""Every file of weights that can be had by name."""

from __future__ import annotations

from maskbus.weights.entry import Entry

_SAM = "https://github.com/facebookresearch/segment-anything"
_SAM_CITATION = "Kirillov et al. 2023, Segment Anything, ICCV, arXiv:2304.02643"
_SAM_POINTERS = "large-file pointers of sam-hq-team/sam-hq-training and mashb1t/misc on Hugging Face"
_SAM2 = "https://github.com/facebookresearch/sam2"
_SAM2_CITATION = "Ravi et al. 2024, SAM 2: Segment Anything in Images and Videos, arXiv:2408.00714"
_SAM2_POINTERS = "large-file pointers of jiuface/flux-controlnet-inpainting on Hugging Face"
_SAM21_POINTERS = "large-file pointers of camenduru/sam2-1-hiera on Hugging Face"
_OFFICIAL_POINTER = "large-file pointer of the authors' own facebook/{} on Hugging Face"
_MICRO_SAM = "computational-cell-analytics/micro-sam"
_HUB = "https://huggingface.co/{}/resolve/{}/open_clip_model.safetensors"
_CLIP_CITATION = "Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision, ICML"
_PROJECTS = "public projects on GitHub that pin the file, independently of each other"


def _sam(size_name: str, file: str, size: int, sha256: str, *confirmed: str) -> Entry:
    mirror = f"https://huggingface.co/ybelkada/segment-anything/resolve/main/checkpoints/{file}"
    return Entry(
        name=f"sam-vit-{size_name}",
        title=f"SAM with the encoder ViT-{size_name.upper()}",
        family="SAM",
        file=file,
        urls=(f"https://dl.fbaipublicfiles.com/segment_anything/{file}", mirror),
        size=size,
        sha256=sha256,
        licence="Apache-2.0",
        citation=_SAM_CITATION,
        homepage=_SAM,
        confirmed=(_SAM_POINTERS, _MICRO_SAM, *confirmed),
    )


def _sam2(version: str, size_name: str, size: int, sha256: str, *confirmed: str) -> Entry:
    name = f"sam{version}-hiera-{size_name}"
    file = f"sam{version}_hiera_{size_name.replace('-', '_')}.pt"
    date = {"2": "072824", "2.1": "092824"}[version]
    return Entry(
        name=name,
        title=f"SAM {'2.0' if version == '2' else version} with the encoder Hiera {size_name}",
        family="SAM 2.0" if version == "2" else f"SAM {version}",
        file=file,
        urls=(
            f"https://dl.fbaipublicfiles.com/segment_anything_2/{date}/{file}",
            f"https://huggingface.co/facebook/{name}/resolve/main/{file}",
        ),
        size=size,
        sha256=sha256,
        licence="Apache-2.0",
        citation=_SAM2_CITATION,
        homepage=_SAM2,
        confirmed=(_SAM2_POINTERS if version == "2" else _SAM21_POINTERS, _MICRO_SAM, *confirmed),
    )


def _mobile_clip(size_name: str) -> Entry:
    return Entry(
        name=f"mobileclip-{size_name}",
        title=f"MobileCLIP-{size_name.upper()}, trained on DataCompDR; for research only",
        family="CLIP",
        file=f"mobileclip_{size_name}_datacompdr.safetensors",
        urls=(_HUB.format(f"apple/MobileCLIP-{size_name.upper()}-OpenCLIP", "main"),),
        size=None,
        sha256=None,
        licence="LicenseRef-Apple-AMLR",
        citation="Vasu et al. 2024, MobileCLIP: Fast Image-Text Models through Multi-Modal Reinforced Training, CVPR, "
        "arXiv:2311.17049",
        homepage="https://github.com/apple/ml-mobileclip",
    )


_ALL = (
    Entry(
        name="mobile-sam",
        title="MobileSAM: SAM with the encoder TinyViT",
        family="SAM",
        file="mobile_sam.pt",
        urls=(
            "https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/"
            "34bbbfdface3c18e5221aa7de6032d7220c6c6a1/weights/mobile_sam.pt",
            "https://huggingface.co/dhkim2810/MobileSAM/resolve/main/mobile_sam.pt",
        ),
        size=40_728_226,
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        licence="Apache-2.0",
        citation="Zhang et al. 2023, Faster Segment Anything: Towards Lightweight SAM for Mobile Applications, "
        "arXiv:2306.14289",
        homepage="https://github.com/ChaoningZhang/MobileSAM",
        confirmed=(
            "git blob 7ef2d090979fd9853adf17b7a99c8b94a1c5a6a7 of the authors' repository, the same since June 2023",
            "large-file pointers of spaces/dhkim2810/MobileSAM and iulia-elisa/XAMI-model on Hugging Face",
            _MICRO_SAM,
        ),
    ),
    _sam(
        "b",
        "sam_vit_b_01ec64.pth",
        375_042_383,
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        "large-file pointer of ybelkada/segment-anything on Hugging Face",
    ),
    _sam(
        "l",
        "sam_vit_l_0b3195.pth",
        1_249_524_607,
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    _sam(
        "h",
        "sam_vit_h_4b8939.pth",
        2_564_550_879,
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
    _sam2("2.1", "tiny", 156_008_466, "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69"),
    _sam2(
        "2.1",
        "small",
        184_416_285,
        "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        _OFFICIAL_POINTER.format("sam2.1-hiera-small"),
    ),
    _sam2("2.1", "base-plus", 323_606_802, "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5"),
    _sam2("2.1", "large", 898_083_611, "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318"),
    _sam2(
        "2",
        "tiny",
        155_906_050,
        "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
        _OFFICIAL_POINTER.format("sam2-hiera-tiny"),
    ),
    _sam2(
        "2",
        "small",
        184_309_650,
        "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
        _OFFICIAL_POINTER.format("sam2-hiera-small"),
    ),
    _sam2(
        "2",
        "base-plus",
        323_493_298,
        "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
        _OFFICIAL_POINTER.format("sam2-hiera-base-plus"),
    ),
    _sam2("2", "large", 897_952_466, "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b"),
    Entry(
        name="clip-vit-b-32",
        title="CLIP ViT-B/32, trained on LAION-2B",
        family="CLIP",
        file="clip_vit_b_32_laion2b_s34b_b79k.safetensors",
        urls=(
            _HUB.format("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "1a25a446712ba5ee05982a381eed697ef9b435cf"),
            _HUB.format("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "main"),
        ),
        size=605_143_316,
        sha256="ac4f8c4b88af6d963118cbf40ad93176d092abbedfcb752601ae1866352656e6",
        licence="MIT",
        citation=f"{_CLIP_CITATION}; Cherti et al. 2023, Reproducible scaling laws for contrastive language-image "
        "learning, CVPR, arXiv:2212.07143",
        homepage="https://github.com/mlfoundations/open_clip",
        confirmed=(f"some ten {_PROJECTS}", "blob name at that revision of laion's on Hugging Face, as they record it"),
    ),
    Entry(
        name="clip-vit-b-32-openai",
        title="CLIP ViT-B/32, OpenAI's own",
        family="CLIP",
        file="clip_vit_b_32_openai.safetensors",
        urls=(
            _HUB.format("timm/vit_base_patch32_clip_224.openai", "a6f597a30f7b82c51704746581f9a4e41421e878"),
            _HUB.format("timm/vit_base_patch32_clip_224.openai", "main"),
        ),
        size=605_143_284,
        sha256="e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
        licence="MIT",
        citation=_CLIP_CITATION,
        homepage="https://github.com/openai/CLIP",
        confirmed=(f"some ten {_PROJECTS}", "blob name at that revision of timm's on Hugging Face, as they record it"),
    ),
    _mobile_clip("s1"),
    _mobile_clip("s2"),
)

ENTRIES: dict[str, Entry] = {entry.name: entry for entry in _ALL}
"""Model → its weights."""


def owner(sha256: str) -> str:
    """Return the model whose published weights have this digest; empty if none has."""
    return next((entry.name for entry in ENTRIES.values() if entry.sha256 == sha256), "")
