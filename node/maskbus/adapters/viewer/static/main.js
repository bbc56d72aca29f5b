// The page: what comes from the server goes to the board, what is said goes to the reader.

import { Board } from "./board.js";
import { watchKeys } from "./keys.js";
import { Link } from "./link.js";
import { put, say } from "./words.js";

const find = (id) => document.getElementById(id);
const AGES_MS = 250;

const board = new Board(find("board"), (command) => link.send(command));

const link = new Link({
  open: () => board.ask(true),
  closed: (sentence) => {
    board.lost();
    showTrouble("connection lost", sentence);
  },
  told: (message) => (message.kind === "said" ? hear(message) : look(message)),
  picture: (head, blob) => board.take(head, blob),
});

function look({ endpoint, trouble, streams, prefix }) {
  board.tell(streams);
  const count = `${streams.length} stream${streams.length === 1 ? "" : "s"}`;
  if (trouble) showTrouble(`${endpoint} · not there`, `${trouble} Looking again by itself.`);
  else showTrouble(`${endpoint} · ${count}`, "");
  find("empty").hidden = Boolean(trouble) || board.cards.size > 0;
  if (prefix) put(find("emptiness"), `None has a name that begins with “${prefix}”. To try it:`);
}

function showTrouble(state, sentence) {
  put(find("state"), state);
  put(find("trouble"), sentence);
  find("trouble").hidden = !sentence;
  find("lamp").className = `lamp ${sentence ? "bad" : "good"}`;
  document.body.classList.toggle("away", Boolean(sentence));
}

function hear({ level, text, stream }) {
  board.cards.get(stream)?.answered();
  if (text) say(`${stream}: ${text}`, level === "error" ? "error" : "note");
}

function togglePause() {
  board.pause(!board.paused);
  find("pause").setAttribute("aria-pressed", board.paused);
  find("pause").firstChild.textContent = board.paused ? "Go on " : "Pause ";
}

function toggleHelp() {
  if (find("keys").open) find("keys").close();
  else find("keys").showModal();
}

find("pause").onclick = togglePause;
find("help").onclick = toggleHelp;
watchKeys({ board, togglePause, toggleHelp, helping: () => find("keys").open });
setInterval(() => board.showAges(), AGES_MS);
