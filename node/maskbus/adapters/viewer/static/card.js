// One stream: its picture, its figures, and what is pointed at in it.

import { showActions } from "./actions.js";
import { Painter } from "./painter.js";
import { clamp, watchPointer } from "./pointing.js";
import * as words from "./words.js";

const RECENT_MS = 5000;

export class Card {
  /** `send` takes a command; `chosen` is called when the card is worked with. */
  constructor(name, { send, chosen, large }) {
    this.name = name;
    this.send = send;
    this.element = document.getElementById("card").content.firstElementChild.cloneNode(true);
    const find = (selector) => this.element.querySelector(selector);
    this.parts = Object.fromEntries(
      ["tags", "actions", "waiting", "paused", "note", "problem", "in", "out", "p50", "p99", "age", "watched", "dropped", "large"]
        .map((part) => [part, find(`.${part}`)]),
    );
    this.stage = find(".stage");
    this.canvas = find("canvas");
    this.element.dataset.stream = name;
    find("h2").textContent = name;
    find("h2").id = `stream-${name}`;
    this.element.setAttribute("aria-labelledby", `stream-${name}`);
    this.parts.large.onclick = () => large(this);
    this.element.addEventListener("focusin", () => chosen(this));
    this.painter = new Painter(this.canvas);
    this.pointer = watchPointer(this.canvas, this);
    this.size = { width: 0, height: 0 };
    this.info = null;
    this.object = null; // the number chosen, where objects are followed
    this.marks = { clicks: [], pending: [], drag: null, cross: null };
    this.corner = null;
    this.takenAt = null;
    this.closedAt = null;
    this.failed = 0;
    this.failedAt = -Infinity;
    this.label("");
  }

  // --- what comes from the server

  tell(info) {
    this.info = info;
    if (info.track) this.object ??= info.object_ids[0] ?? 1;
    this.marks.clicks = info.clicks;
    const { parts } = this;
    const tags = [info.model, info.policy];
    if (info.track) tags.push("tracks");
    if (info.width) tags.push(`${info.width}×${info.height}`);
    if (parts.tags.textContent !== tags.join("")) {
      parts.tags.replaceChildren(...tags.map((text) => Object.assign(document.createElement("span"), { className: "tag", textContent: text })));
    }
    words.put(parts.in, words.rate(info.rate_in));
    words.put(parts.out, words.rate(info.rate_out));
    words.put(parts.p50, words.milliseconds(info.p50_ms));
    words.put(parts.p99, words.milliseconds(info.p99_ms));
    words.put(parts.watched, info.watched ? "yes" : "no");
    words.put(parts.dropped, words.drops(info.counts));
    const failed = info.counts.dropped.failed ?? 0;
    if (failed !== this.failed) [this.failed, this.failedAt] = [failed, performance.now()];
    words.put(parts.problem, info.last_error);
    // The node keeps its last error for ever: it is of interest as long as frames fail, or none come out.
    parts.problem.hidden = !info.last_error || (performance.now() - this.failedAt > RECENT_MS && info.rate_out > 0);
    this.showActions();
    this.repaint();
  }

  async take(head, blob) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(blob);
    } catch {
      return; // a damaged file from the camera; its producer is told by the node
    }
    this.painter.take(head, bitmap);
    if (head.width !== this.size.width || head.height !== this.size.height) {
      this.size = { width: head.width, height: head.height };
      this.stage.style.setProperty("--ratio", head.width / head.height);
    }
    this.takenAt = performance.now() - head.age_ms;
    this.parts.waiting.hidden = true;
    const notes = [...(head.notes ?? [])];
    if (head.hidden) notes.push(`${head.hidden} more masks are not drawn.`);
    words.put(this.parts.note, notes.join(" "));
    this.parts.note.hidden = !notes.length;
    this.element.dataset.seq = head.seq ?? "";
    this.element.dataset.masks = head.masks?.length ?? 0;
    this.showActions();
    this.repaint();
  }

  /** A command has been carried out, or refused. */
  answered() {
    this.marks.pending.shift();
    this.repaint();
  }

  /** The stream has been closed at `at`, on this page's clock; null: it has not. */
  close(at) {
    this.closedAt = at;
    this.element.classList.toggle("away", at !== null);
    words.put(this.parts.waiting, at === null ? "waiting for a frame…" : "this stream has been closed");
    this.parts.waiting.hidden = at === null && this.takenAt !== null;
  }

  lost() {
    this.marks.pending = [];
    this.repaint();
  }

  showAge(paused) {
    words.put(this.parts.age, this.takenAt === null ? "–" : words.milliseconds(performance.now() - this.takenAt));
    this.parts.paused.hidden = !paused;
  }

  repaint() {
    this.painter.paint(this.marks);
  }

  // --- what the user points at

  pointed(x, y, label) {
    const point = [round(clamp(x, 0, this.size.width - 1)), round(clamp(y, 0, this.size.height - 1))];
    this.ask({ do: "point", x: point[0], y: point[1], label, object: this.object }, { point, label });
  }

  boxed(box) {
    box = box.map(round);
    if (box[2] - box[0] < 1 || box[3] - box[1] < 1) return;
    this.ask({ do: "box", box, object: this.object }, { box });
  }

  drag(box) {
    this.marks.drag = box;
    this.repaint();
  }

  back() {
    if (!this.info?.track) this.ask({ do: "back" });
  }

  /** Escape: give up what is half done, or else begin anew. Returns whether there was something to do. */
  clear() {
    if (this.pointer.cancel()) return true;
    if (this.marks.cross) return this.toggleCross(), true;
    if (this.info?.track || !this.marks.clicks.length) return false;
    this.ask({ do: "clear" });
    return true;
  }

  choose(number) {
    if (!this.info?.track) return;
    this.object = number;
    this.showActions();
  }

  chooseNew() {
    this.choose(Math.max(0, ...this.followed()) + 1);
  }

  /** The objects in the picture; what the server tells of them each second is older. */
  followed() {
    return this.painter.head?.masks?.map((mask) => mask.object) ?? this.info?.object_ids ?? [];
  }

  removeChosen() {
    if (this.info?.track) this.ask({ do: "remove", object: this.object });
  }

  ask(command, mark) {
    this.marks.pending.push(mark ?? {});
    this.send({ ...command, stream: this.name });
    this.repaint();
  }

  // --- the crosshair, for those who have no mouse

  toggleCross() {
    const { width, height } = this.size;
    if (!width) return;
    this.corner = null;
    this.marks.drag = null;
    this.marks.cross = this.marks.cross ? null : { x: Math.floor(width / 2), y: Math.floor(height / 2) };
    this.label(this.marks.cross ? "crosshair on" : "crosshair off");
    this.repaint();
  }

  moveCross(dx, dy, fine) {
    const step = fine ? 1 : Math.max(1, Math.round(Math.max(this.size.width, this.size.height) / 50));
    const { cross } = this.marks;
    cross.x = clamp(cross.x + dx * step, 0, this.size.width - 1);
    cross.y = clamp(cross.y + dy * step, 0, this.size.height - 1);
    if (this.corner) this.marks.drag = this.cornered();
    this.label(`crosshair at ${cross.x}, ${cross.y}`);
    this.repaint();
  }

  setCorner() {
    if (this.corner) {
      const box = this.cornered();
      this.corner = this.marks.drag = null;
      this.boxed(box);
    } else {
      this.corner = { ...this.marks.cross };
      this.marks.drag = this.cornered();
      this.repaint();
    }
  }

  cornered() {
    const [one, other] = [this.corner, this.marks.cross];
    const box = [Math.min(one.x, other.x), Math.min(one.y, other.y)];
    return [...box, Math.max(one.x, other.x) + 1, Math.max(one.y, other.y) + 1];
  }

  label(more) {
    this.canvas.setAttribute("aria-label", `Picture of ${this.name}${more ? `, ${more}` : ""}`);
  }

  showActions() {
    if (this.info) showActions(this.parts.actions, this);
  }
}

function round(value) {
  return Math.round(value * 10) / 10;
}
