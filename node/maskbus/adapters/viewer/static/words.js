// What the page says: messages, and figures with their units.

const STAYS_MS = { error: 20000, note: 5000 };
const MOST = 4;

/** Show a sentence for a while. Errors are read out at once, others when the reader pauses. */
export function say(text, level = "note") {
  const place = document.getElementById("said");
  const line = document.createElement("p");
  line.className = level;
  if (level === "error") line.setAttribute("role", "alert");
  const words = document.createElement("span");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "×";
  close.setAttribute("aria-label", "Dismiss this message");
  close.onclick = () => line.remove();
  line.append(words, close);
  for (const other of [...place.children]) if (other.firstChild.textContent === text) other.remove();
  place.append(line);
  while (place.children.length > MOST) place.firstChild.remove();
  setTimeout(() => line.remove(), STAYS_MS[level] ?? STAYS_MS.note);
}

export function rate(value) {
  return `${value.toFixed(1)}/s`;
}

export function milliseconds(value) {
  if (value < 1000) return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  return value < 60000 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value / 60000)} min`;
}

export function drops(counts) {
  const causes = Object.entries(counts.dropped).filter(([, count]) => count);
  const total = causes.reduce((sum, [, count]) => sum + count, 0);
  const of = `${total} of ${counts.received}`;
  return total ? `${of} (${causes.map(([cause, count]) => `${cause.replaceAll("_", " ")} ${count}`).join(", ")})` : of;
}

/** Set an element's text, if it is another one: what did not change is not read out again. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
