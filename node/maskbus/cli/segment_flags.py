"""The arguments of `maskbus segment`."""

from __future__ import annotations

import argparse

from maskbus.cli import answer_flags, prompt_flags, prompt_text


def add(parser: argparse.ArgumentParser) -> None:
    """Add them all, but for the endpoint and the deadline."""
    parser.set_defaults(wrong_usage=parser.error)
    parser.add_argument(
        "photo", nargs="?", metavar="PHOTO|FOLDER", help="a JPEG, PNG or WebP file, or a folder of them"
    )
    prompt = parser.add_argument_group("what to segment")
    prompt_flags.add_places(prompt)
    prompt.add_argument(
        "--mask", metavar="FILE", help="a mask to refine: a PNG as large as the picture, 0 is background"
    )
    prompt_flags.add_texts(prompt)
    prompt.add_argument(
        "--text-file",
        metavar="FILE",
        help="many questions: a CSV file with the columns image,prompt or image,prompt,not, which names the pictures "
        "as they lie beside it; or any other file, with one prompt a line, for PHOTO or all pictures in FOLDER",
    )
    prompt_flags.add_model(prompt)
    prompt.add_argument("--multimask", action="store_true", help="ask for several hypotheses (default: one)")
    prompt_flags.add_choice(parser)
    answer_flags.add(parser)
    _add_output(parser)


def _add_output(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group(
        "what comes out",
        "With a text: the masks painted over the picture, what they show on black, and all masks that were compared "
        "with the text, numbered as in the table that is printed.",
    )
    output.add_argument(
        "-o",
        "--out",
        metavar="FILE|DIR",
        help="the picture with the masks, PNG (default: PHOTO's name with -masks.png, in the current directory; with "
        "--json none is written unless it is named); of several pictures or texts, a directory for all files, and a "
        "table of all answers, results.csv",
    )
    output.add_argument(
        "--mask-out",
        metavar="FILE",
        help="the mask, PNG, 0 and 255; of several masks each one, numbered FILE-0, FILE-1, …",
    )
    output.add_argument(
        "--referred",
        metavar="FILE",
        help="the picture where the masks are, black elsewhere, PNG (default, with a text: beside --out, with "
        "-referred in its name)",
    )
    output.add_argument(
        "--proposals",
        metavar="FILE",
        help="the picture with all masks that a text was compared with, PNG (default: beside --out, with -proposals "
        "in its name)",
    )
    output.add_argument(
        "--rank",
        type=prompt_text.count,
        default=10,
        metavar="N",
        help="how many of those are printed and numbered, the most similar ones (default: 10)",
    )
    output.add_argument("--json", action="store_true", help="print JSON on stdout, with the masks as COCO RLE")
    output.add_argument(
        "--encoding",
        dest="encodings",
        action="append",
        metavar="NAME",
        help="how masks travel: rle, bits, bits+zlib, png, png_base64, polygon, raw, labels, overlay or logits; may be "
        "given several times (default: rle)",
    )
