// Clicks and boxes on a picture, by mouse or pen.

const DRAG = 6; // CSS pixels that a click may be off before it is a box

/** Call card.click(x, y, label) and card.drag(box, done) with pixels of the frame; `card` says its size. */
export function watchPointer(canvas, card) {
  let start = null;

  const place = (event) => {
    const area = canvas.getBoundingClientRect();
    return {
      x: clamp((event.clientX - area.left) / area.width, 0, 1) * card.size.width,
      y: clamp((event.clientY - area.top) / area.height, 0, 1) * card.size.height,
      far: start !== null && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) > DRAG,
    };
  };
  const end = () => {
    start = null;
    card.drag(null);
  };

  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    if (!card.size.width || (event.button !== 0 && event.button !== 2)) return;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    start = { ...place(event), clientX: event.clientX, clientY: event.clientY, button: event.button, drawn: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (start === null || start.button !== 0) return;
    const here = place(event);
    start.drawn ||= here.far;
    if (start.drawn) card.drag(box(start, here));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [here, from] = [place(event), start];
    end();
    if (from.drawn) card.boxed(box(from, here));
    else card.pointed(here.x - 0.5, here.y - 0.5, from.button === 2 || event.shiftKey ? 0 : 1);
  });
  canvas.addEventListener("pointercancel", end);
  // Escape gives up a box that is being drawn.
  return { cancel: () => (start === null ? false : (end(), true)) };
}

function box(one, other) {
  return [Math.min(one.x, other.x), Math.min(one.y, other.y), Math.max(one.x, other.x), Math.max(one.y, other.y)];
}

export function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
