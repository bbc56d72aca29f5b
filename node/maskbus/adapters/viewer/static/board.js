// All streams: which of them can be seen, which one is worked with, and which one is large.

import { Card } from "./card.js";

const STEP = 160; // pixels by which a picture's size is rounded up, so that it does not change with each small move
const STAYS_MS = 5000; // for which a stream that has been closed keeps its place

export class Board {
  constructor(place, send) {
    this.place = place;
    this.send = send;
    this.cards = new Map();
    this.current = null;
    this.large = false;
    this.paused = false;
    this.asked = "";
    this.visible = new Set();
    this.observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.visible.add(target);
        else this.visible.delete(target);
      }
      this.ask();
    }, { rootMargin: "100px" });
    this.sizes = new ResizeObserver(() => {
      for (const card of this.cards.values()) card.repaint();
      this.ask();
    });
    document.addEventListener("visibilitychange", () => this.ask());
  }

  tell(streams) {
    const names = new Set(streams.map((info) => info.stream));
    const now = performance.now();
    for (const [name, card] of this.cards) {
      // A camera or a node that was restarted is back soon, and its place is kept.
      if (names.has(name)) card.close(null);
      else if (card.closedAt === null) card.close(now);
      else if (now - card.closedAt > STAYS_MS) this.remove(name, card);
    }
    for (const info of streams) {
      if (!this.cards.has(info.stream)) this.add(info.stream);
      this.cards.get(info.stream).tell(info);
    }
    // In the order of their names, without moving what is where it belongs: moving takes the focus away.
    [...this.cards.keys()].sort().forEach((name, i) => {
      const { element } = this.cards.get(name);
      if (this.place.children[i] !== element) this.place.insertBefore(element, this.place.children[i] ?? null);
    });
    this.place.dataset.count = this.cards.size;
    this.ask();
  }

  add(name) {
    const card = new Card(name, {
      send: this.send,
      chosen: (one) => this.choose(one),
      large: (one) => this.toggleLarge(one),
    });
    this.cards.set(name, card);
    this.place.append(card.element);
    this.observer.observe(card.stage);
    this.sizes.observe(card.stage);
    if (!this.current) this.choose(card);
  }

  remove(name, card) {
    const focused = card.element.contains(document.activeElement);
    this.observer.unobserve(card.stage);
    this.sizes.unobserve(card.stage);
    this.visible.delete(card.stage);
    card.element.remove();
    this.cards.delete(name);
    if (this.current === card) {
      this.current = null;
      if (this.large) this.toggleLarge();
      const next = this.cards.values().next().value;
      if (next) this.choose(next);
      if (focused) (next?.canvas ?? this.place).focus();
    }
  }

  choose(card) {
    this.current?.element.classList.remove("chosen");
    this.current = card;
    card.element.classList.add("chosen");
  }

  toggleLarge(card = this.current) {
    if (!card && !this.large) return;
    if (card) this.choose(card);
    this.large = !this.large;
    document.body.classList.toggle("one", this.large);
    for (const one of this.cards.values()) one.parts.large.setAttribute("aria-pressed", this.large && one === card);
    card?.canvas.focus({ preventScroll: this.large });
    card?.element.scrollIntoView({ block: "nearest" });
    this.ask();
  }

  /** Go to another stream: by columns and rows, or, where one is large, to the one before or after it. */
  move(dx, dy) {
    const cards = [...this.place.children].map((element) => this.cards.get(element.dataset.stream));
    const at = cards.indexOf(this.current);
    if (at < 0) return;
    const columns = this.large ? 1 : getComputedStyle(this.place).gridTemplateColumns.split(" ").length;
    const next = cards[at + dx + dy * columns];
    if (!next) return;
    this.choose(next);
    for (const one of this.cards.values()) one.parts.large.setAttribute("aria-pressed", this.large && one === next);
    next.canvas.focus();
    this.ask();
  }

  pause(paused) {
    this.paused = paused;
    this.showAges();
    this.ask();
  }

  /** Nobody will answer what was asked last. */
  lost() {
    for (const card of this.cards.values()) card.lost();
  }

  showAges() {
    for (const card of this.cards.values()) card.showAge(this.paused);
  }

  take(head, blob) {
    return this.paused ? undefined : this.cards.get(head.stream)?.take(head, blob);
  }

  /** Tell the server what can be seen now: nothing else is worked on for this page. */
  ask(anew = false) {
    const streams = {};
    if (!this.paused && !document.hidden) {
      for (const [name, { stage }] of this.cards) {
        const side = Math.max(stage.clientWidth, stage.clientHeight) * (window.devicePixelRatio || 1);
        if (this.visible.has(stage) && side) streams[name] = Math.ceil(side / STEP) * STEP;
      }
    }
    const asked = JSON.stringify(streams);
    if (asked === this.asked && !anew) return;
    this.asked = asked;
    this.send({ do: "show", streams });
  }
}
