// The connection to the server: one message comes at a time, and the next when this one has been shown.

const TURNED_AWAY = {
  4401: "This page's key is not the one of the `maskbus view` that runs now: open the address that it has printed.",
  4400: "The server did not understand this page: load it again.",
};
const AGAIN_MS = 1000;

export class Link {
  /** `on` has: open(), closed(sentence), told(object), picture(head, blob). What these return is waited for. */
  constructor(on) {
    this.on = on;
    this.socket = null;
    this.connect();
  }

  connect() {
    const token = new URLSearchParams(location.search).get("token") ?? "";
    const socket = new WebSocket(`ws://${location.host}/live`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.socket = socket;
      this.send({ do: "hello", token });
      this.on.open();
    };
    socket.onmessage = async (message) => {
      try {
        await this.show(message.data);
      } catch (problem) {
        console.error(problem);
      }
      if (this.socket === socket) this.send({ do: "ack" });
    };
    socket.onclose = (event) => {
      this.socket = null;
      const final = TURNED_AWAY[event.code];
      this.on.closed(final ?? `${event.reason || "maskbus view does not answer."} Trying again by itself.`);
      if (!final) setTimeout(() => this.connect(), AGAIN_MS);
    };
  }

  send(command) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(command));
  }

  show(data) {
    if (typeof data === "string") return this.on.told(JSON.parse(data));
    const length = new DataView(data).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    return this.on.picture(head, new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
  }
}
