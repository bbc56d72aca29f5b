"""An HTTP gateway in front of a node, for whatever speaks no ZeroMQ: nothing but a client of the bus.

    client ──HTTP──▶ app ▶ intake ▶ translation ▶ line ──requests──▶ node
           ◀───────   results ◀────────────────────   ◀──replies───

`intake` makes a body, JSON, multipart or a bare image, into one of the structs of `bodies`; `translation` makes that a
request of the wire; `line` asks the node; `results` makes its reply JSON, or a PNG. `openapi` describes the same structs.
"""
