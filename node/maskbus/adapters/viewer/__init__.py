"""The streams of a node on a web page: a small server for this machine's browsers, and nothing but a client of the bus.

    node  ──topics──▶  watch ▶ reel ▶ picture  ──WebSocket──▶  page
          ◀─requests─  line  ◀ prompting       ◀────────────

`watch` subscribes to what some page shows, and to nothing else. A `reel` holds the last frames of one stream until
their masks come. A `picture` is a frame and its masks as a page wants them, made when a page is ready for it. `browser`
is one page: it has one message under way, and gets the next when it says that it has shown it.
"""
