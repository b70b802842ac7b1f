// Holds the page together: who you are, where you are, and a redraw whenever the workspace changes.

import { listen, post, readState } from "./api.js";
import { blocks } from "./blocks.js";
import { composer } from "./composer.js";
import { h, replace, toast } from "./dom.js";
import { forget, stream } from "./messages.js";
import { showModal } from "./modal.js";
import { unescape } from "./mrkdwn.js";
import { face, peopleOf } from "./people.js";
import { sidebar } from "./sidebar.js";

const at = (id) => document.getElementById(id);
const here = { persona: "erin", place: "C0OPS", thread: null };
const seen = new Map();
let state = null;
let isReading = false;
let isStale = false;

function readAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  here.persona = wanted.get("as") ?? here.persona;
  here.place = wanted.get("in") ?? here.place;
  here.thread = wanted.get("thread");
}

function writeAddress() {
  const wanted = new URLSearchParams({ as: here.persona, in: here.place });
  if (here.thread) wanted.set("thread", here.thread);
  history.replaceState(null, "", "/#" + wanted);
}

// A link to a message: /archives/C0OPS/p1795578210810218?thread_ts=…
function follow(path, search) {
  const match = path.match(/^\/archives\/(\w+)\/p(\d+)(\d{6})$/);
  if (!match) return;
  const ts = `${match[2]}.${match[3]}`;
  here.place = match[1];
  here.thread = new URLSearchParams(search).get("thread_ts");
  render();
  const target = document.querySelector(`${here.thread ? "#thread" : "#stream"} [data-ts="${ts}"]`);
  if (!target) return toast("That message is not here any more, or not for you.");
  target.scrollIntoView({ block: "center" });
  target.classList.add("found");
}

async function refresh() {
  isStale = true;
  if (isReading) return;
  isReading = true;
  while (isStale) {
    isStale = false;
    const answer = await readState(here.persona);
    if (answer.ok && answer.persona.key === here.persona) state = answer;
    else if (answer.error === "unknown_persona") here.persona = "erin";
  }
  isReading = false;
  if (state) render();
}

const go = {
  place(id) {
    here.place = id;
    here.thread = null;
    render();
    if (id === "home") post("home", { persona: here.persona }).then((answer) => answer.ok || toast("App Home: " + answer.error));
    at("composer").querySelector("textarea")?.focus();
  },
  persona(key) {
    here.persona = key;
    forget();
    refresh();
  },
  thread(ts) {
    here.thread = ts;
    render();
    at("thread").querySelector("textarea")?.focus();
  },
};

function render() {
  if (state.persona.key !== here.persona) return;
  const people = peopleOf(state);
  const channel = state.channels.find((one) => one.id === here.place);
  if (!channel && here.place !== "home") here.place = state.channels[0].id;
  writeAddress();
  if (here.place === "home") renderHome(people);
  else renderChannel(channel ?? state.channels[0], people);
  sidebar(at("sidebar"), state, here.place, isUnread, go);
  showModal(state, people);
}

function newest(channel) {
  const stamps = channel.messages.flatMap((message) => [message, ...message.replies]).map((message) => Number(message.ts));
  return Math.max(0, ...stamps, ...channel.ephemerals.map((message) => Number(message.ts)));
}

function isUnread(channel) {
  const key = `${here.persona}/${channel.id}`;
  if (!seen.has(key) || channel.id === here.place) seen.set(key, newest(channel));
  return newest(channel) > seen.get(key);
}

function viewOf(channel, people, inThread) {
  return {
    people,
    inThread,
    channel: channel.id,
    persona: here.persona,
    openThread: go.thread,
    rootText: (message) => rootText(channel, message),
    ownIn: (ts) => channel.ephemerals.filter((message) => message.thread_ts === ts).length,
  };
}

function rootText(channel, message) {
  const root = channel.messages.find((one) => one.ts === message.thread_ts);
  const header = root?.blocks.find((block) => block.type === "header");
  return unescape(header?.text.text ?? root?.text ?? "").slice(0, 80);
}

function renderChannel(channel, people) {
  const title = channel.is_im ? people.find(state.app.user).name : `# ${channel.name}`;
  document.title = `${title} – stand-in workspace (not Slack)`;
  const flags = [
    channel.is_archived && "archived",
    channel.is_ext_shared && "shared with another company",
    !channel.has_bot && `${state.app.name} is not in here`,
  ].filter(Boolean);
  replace(
    at("place"),
    h("h1", {}, title),
    h("span", { class: "purpose" }, channel.is_im ? "Your conversation with the app" : channel.purpose),
    ...flags.map((flag) => h("span", { class: "flag" }, flag)),
  );
  const inStream = channel.ephemerals.filter((message) => !message.thread_ts);
  const rows = stream([...channel.messages, ...inStream], viewOf(channel, people, false));
  composer(at("composer"), {
    key: `${here.persona}/${channel.id}`,
    name: title,
    persona: here.persona,
    channel: channel.id,
    commands: state.app.commands,
    isArchived: channel.is_archived,
  });
  renderThread(channel, people);
  fill(at("stream"), rows.length ? rows : welcome(channel), channel.id);
}

function welcome(channel) {
  if (!channel.has_bot || channel.is_archived) return [h("div", { class: "welcome" }, h("p", {}, "Nothing here yet."))];
  const examples = state.app.commands.flatMap((one) => [`${one.command} help`, `${one.command} status`]);
  const type = (text) => () => {
    const field = at("composer").querySelector("textarea");
    field.value = text;
    field.dispatchEvent(new Event("input"));
    field.focus();
  };
  return [
    h(
      "div",
      { class: "welcome" },
      h("img", { src: "/static/icon.svg", alt: "" }),
      h("h2", {}, `Welcome, ${state.persona.name}`),
      h("p", {}, "This is a stand-in for a Slack workspace, on your machine alone. The app that answers is the real one."),
      h("p", {}, "Type a command below to begin, then switch to an approver on the left to decide."),
      h("div", {}, ...examples.map((text) => h("button", { type: "button", class: "button", onclick: type(text) }, text))),
    ),
  ];
}

function renderThread(channel, people) {
  const frame = at("thread");
  const root = here.thread && channel.messages.find((message) => message.ts === here.thread);
  frame.hidden = !root;
  if (!root) return frame.replaceChildren();
  if (frame.dataset.thread !== root.ts || !frame.childElementCount) {
    frame.dataset.thread = root.ts;
    replace(
      frame,
      h(
        "header",
        {},
        h("h2", {}, "Thread"),
        h("span", {}, `# ${channel.name}`),
        h("button", { type: "button", class: "cross", "aria-label": "Close thread", onclick: () => go.thread(null) }, "×"),
      ),
      h("div", { class: "stream" }),
      h("div", { class: "composer" }),
    );
  }
  const own = channel.ephemerals.filter((message) => message.thread_ts === root.ts);
  const view = viewOf(channel, people, true);
  const answers = stream([...root.replies, ...own], view).filter((row) => !row.classList.contains("day"));
  const count = root.replies.length;
  const rule = h("div", { class: "rule" }, h("span", {}, count === 1 ? "1 reply" : `${count} replies`));
  const rows = [...stream([root], view).slice(1), rule, ...answers];
  composer(frame.querySelector(".composer"), {
    key: `${here.persona}/${channel.id}/${root.ts}`,
    name: "thread",
    persona: here.persona,
    channel: channel.id,
    threadTs: root.ts,
    commands: state.app.commands,
  });
  fill(frame.querySelector(".stream"), rows, root.ts);
}

// Stay at the end when the reader was there; otherwise leave the place that they read.
function fill(frame, rows, key) {
  watchEnd(frame);
  if (frame.dataset.key !== key) atEnd.set(frame, true);
  frame.dataset.key = key;
  sync(frame, rows);
  if (atEnd.get(frame)) frame.scrollTop = frame.scrollHeight;
}

const atEnd = new WeakMap();

function watchEnd(frame) {
  if (atEnd.has(frame)) return;
  atEnd.set(frame, true);
  const look = () => atEnd.set(frame, frame.scrollHeight - frame.scrollTop - frame.clientHeight < 60);
  frame.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(() => atEnd.get(frame) && (frame.scrollTop = frame.scrollHeight)).observe(frame);
}

// Put rows in place of what is there, leaving alone what is the same, so that focus and scrolling stay.
function sync(frame, rows) {
  rows.forEach((row, index) => {
    const old = frame.childNodes[index];
    if (old === row || (old && !old.dataset?.ts && old.isEqualNode(row) && !old.querySelector("button, input, select"))) return;
    frame.insertBefore(row, old ?? null);
  });
  while (frame.childNodes.length > rows.length) frame.lastChild.remove();
}

function renderHome(people) {
  document.title = `${state.app.name} – stand-in workspace (not Slack)`;
  at("thread").hidden = true;
  delete at("composer").dataset.key;
  replace(at("composer"));
  replace(at("place"), face({ isApp: true }, "small"), h("h1", {}, state.app.name), h("span", { class: "purpose" }, "Home"));
  const view = state.home;
  const surface = {
    people,
    values: () => view.state.values,
    note: () => {},
    noted: () => undefined,
    problem: () => null,
    act: (block, element, value) =>
      post("click", {
        persona: here.persona,
        view_id: view.id,
        block_id: block.block_id,
        action_id: element.action_id,
        value,
      }),
  };
  const shown = view ? blocks(view.blocks, surface) : h("div", { class: "welcome" }, h("p", {}, "The app has not drawn its home yet."));
  fill(at("stream"), [h("div", { class: "home" }, shown)], "home");
}

document.addEventListener("click", (event) => {
  const inside = event.target.closest("a.inside");
  if (!inside) return;
  event.preventDefault();
  follow(inside.pathname, inside.search);
});
window.addEventListener("hashchange", () => {
  readAddress();
  forget();
  refresh();
});
readAddress();
const linked = { path: location.pathname, search: location.search };
refresh().then(() => follow(linked.path, linked.search));
listen(refresh, (isUp) => document.body.classList.toggle("offline", !isUp));
