"""Networks small enough to be exported in a test."""

import torch
from torch import nn
from torch.nn import functional


class Picture(nn.Module):
    """A convolution and an attention: (1, 3, 16, 16) to (1, 8, 8, 8) and (1, 64, 8)."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.patches = nn.Conv2d(3, 8, 2, 2)
        self.norm = nn.LayerNorm(8)
        self.queries = nn.Linear(8, 24)

    def forward(self, image):
        features = functional.gelu(self.patches(image))
        q, k, v = self.queries(self.norm(features.flatten(2).transpose(1, 2))).chunk(3, -1)
        return features, functional.scaled_dot_product_attention(q[None], k[None], v[None])[0]


class Points(nn.Module):
    """Any number of points against a picture: (n, 2), (n,) int64, (8, 8) to (n, 8)."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.place = nn.Linear(2, 8)
        self.kind = nn.Embedding(2, 8)

    def forward(self, points, labels, picture):
        tokens = self.place(points) + self.kind(labels)
        return tokens + torch.softmax(tokens @ picture.T, -1) @ picture


PICTURE = {"name": "picture", "digest": "0" * 64, "input_names": ["image"], "output_names": ["features", "tokens"]}
POINTS = {
    "name": "points",
    "digest": "1" * 64,
    "input_names": ["points", "labels", "picture"],
    "output_names": ["tokens"],
    "dynamic_axes": {"points": {0: "n"}, "labels": {0: "n"}},
}


def image(seed=0):
    return torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def points(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.rand(count, 2, generator=generator),
        torch.randint(0, 2, (count,), generator=generator),
        torch.randn(8, 8, generator=generator),
    )
