"""What is kept of a photo between prompts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from maskbus.models.nano_network import FloatArray, NanoNetwork, UInt8Array
from maskbus.models.nano_view import View

_CLOSER = 2
"""Parts of the photo whose maps are kept besides those of the whole."""


class NanoPicture:
    """A photo, what the network saw of all of it, and of the parts that were looked at last."""

    def __init__(self, network: NanoNetwork, rgb: UInt8Array) -> None:
        """Look at all of a photo, (H, W, 3). Its pixels are kept: they must not change."""
        self.rgb = rgb
        self.whole = View(0, 0, rgb.shape[1], rgb.shape[0])
        self._network = network
        self._whole = network.look(self.whole.square(rgb, network.side))
        self._closer: OrderedDict[View, Sequence[FloatArray]] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes, with those of the parts that may yet be looked at."""
        return self.rgb.nbytes + (1 + _CLOSER) * self._network.nbytes

    @property
    def closer(self) -> Sequence[View]:
        """The parts that were looked at, the last one first."""
        return tuple(reversed(self._closer))

    def maps(self, view: View) -> Sequence[FloatArray]:
        """Return the maps of a part; it is looked at where it is not known yet."""
        if view == self.whole:
            return self._whole
        maps = self._closer.pop(view, None)
        if maps is None:
            maps = self._network.look(view.square(self.rgb, self._network.side))
        self._closer[view] = maps
        if len(self._closer) > _CLOSER:
            self._closer.popitem(last=False)
        return maps
