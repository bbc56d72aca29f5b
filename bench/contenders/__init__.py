"""The libraries that the transport benchmark sets side by side, in the order of its table."""

from contenders.base import Contender
from contenders.grpc_unary import GrpcUnary
from contenders.http_fastapi import FastApi, FastFastApi
from contenders.imagezmq_hub import Imagezmq
from contenders.maskbus import Maskbus
from contenders.pyzmq_bare import BarePyzmq

ALL: tuple[Contender, ...] = (BarePyzmq(), Maskbus(), Imagezmq(), GrpcUnary(), FastApi(), FastFastApi())
