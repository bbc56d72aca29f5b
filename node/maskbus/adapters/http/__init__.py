"""An HTTP gateway in front of a node, for whatever speaks no ZeroMQ: nothing but a client of the bus.

    client ──HTTP──▶ app ▶ intake ▶ translation ▶ line ──requests──▶ node
           ◀───────  answering ◀────────────────────  ◀──replies───

`intake` makes a body, JSON, multipart or a bare image, into one of the structs of `bodies`; `translation` makes that a
request of the wire; `line` asks the node; `answering` makes its reply one of the `results`, or a PNG. `openapi`
describes the same structs.
"""
