// What the keys do.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** `page` has: board, togglePause(), toggleHelp(), helping(). */
export function watchKeys(page) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || page.helping()) return;
    const onButton = event.target instanceof HTMLButtonElement;
    if (onButton && (event.key === "Enter" || event.key === " ")) return;
    if (press(event, page)) event.preventDefault();
  });
}

/** Do what a key is for; return whether it is for anything. */
function press(event, { board, togglePause, toggleHelp }) {
  const card = board.current;
  const cross = card?.marks.cross;
  const { key, shiftKey } = event;
  if (key in ARROWS) {
    if (cross) card.moveCross(...ARROWS[key], shiftKey);
    else if (!shiftKey) board.move(...ARROWS[key]);
    return Boolean(cross) || board.cards.size > 1;
  }
  if (cross && (key === "+" || key === "Enter" || key === "-")) {
    card.pointed(cross.x, cross.y, key === "-" || (key === "Enter" && shiftKey) ? 0 : 1);
    return true;
  }
  if (/^[1-9]$/.test(key)) return card?.choose(Number(key)), true;
  const actions = {
    " ": togglePause,
    "?": toggleHelp,
    Enter: () => board.toggleLarge(),
    f: () => board.toggleLarge(),
    c: () => card?.toggleCross(),
    b: () => cross && card.setCorner(),
    n: () => card?.chooseNew(),
    Delete: () => card?.removeChosen(),
    Backspace: () => card?.back(),
    Escape: () => card?.clear() || (board.large && board.toggleLarge()),
  };
  const action = actions[key];
  action?.();
  return action !== undefined;
}
