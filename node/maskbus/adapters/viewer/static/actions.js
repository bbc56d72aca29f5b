// The buttons under a picture, for what keys do as well.

import { put } from "./words.js";

/** Show in `place` what can be done with a card now. */
export function showActions(place, card) {
  const wanted = card.info.track ? objectActions(card) : clickActions(card);
  const focused = [...place.children].find((button) => button === document.activeElement);
  const stays = wanted.some(({ name, off }) => name === focused?.dataset.act && !off);
  // Buttons that stay are changed, not made anew: somebody may be about to press them.
  for (const button of [...place.children]) if (!wanted.some(({ name }) => name === button.dataset.act)) button.remove();
  wanted.forEach((one, i) => {
    let button = [...place.children].find(({ dataset }) => dataset.act === one.name);
    if (!button) {
      button = make(one);
      place.insertBefore(button, place.children[i] ?? null);
    }
    one.show?.(button);
    if (button.disabled !== Boolean(one.off)) button.disabled = Boolean(one.off);
  });
  if (focused && !stays) card.canvas.focus();
}

function clickActions(card) {
  const off = !card.marks.clicks.length;
  return [
    { name: "back", text: "Take back", key: "⌫", run: () => card.back(), off },
    { name: "clear", text: "Clear", key: "Esc", run: () => card.clear(), off },
  ];
}

function objectActions(card) {
  const followed = card.followed();
  const seen = new Map((card.painter.head?.masks ?? []).map((mask) => [mask.object, mask]));
  const numbers = [...new Set([...followed, card.object])].sort((a, b) => a - b);
  const show = (number) => (button) => {
    const known = followed.includes(number);
    const lost = known && seen.get(number)?.present === false;
    const text = `${number}${lost ? " lost" : known ? "" : " new"}`;
    put(button.lastChild, text);
    button.setAttribute("aria-label", `Object ${text}`);
    button.setAttribute("aria-pressed", number === card.object);
    button.classList.toggle("lost", lost);
    button.firstChild.style.background = seen.get(number)?.colour ?? "transparent";
  };
  return [
    ...numbers.map((number) => ({
      name: `object-${number}`, swatch: true, run: () => card.choose(number), show: show(number),
    })),
    { name: "new", text: "New object", key: "n", run: () => card.chooseNew() },
    { name: "remove", text: "Remove", key: "Del", run: () => card.removeChosen(), off: !followed.includes(card.object) },
  ];
}

function make({ name, text, key, run, swatch }) {
  const button = Object.assign(document.createElement("button"), { type: "button", onclick: run });
  button.dataset.act = name;
  if (swatch) button.append(Object.assign(document.createElement("span"), { className: "swatch" }));
  button.append(Object.assign(document.createElement("span"), { textContent: text ?? "" }));
  if (key) button.append(Object.assign(document.createElement("kbd"), { textContent: key }));
  return button;
}
