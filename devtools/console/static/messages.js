// Draws messages: one, a channel's stream, a thread. A message that did not change keeps its element, and so its focus.

import { post } from "./api.js";
import { blocks } from "./blocks.js";
import { flat, h } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { clock, mrkdwn, nearDay } from "./mrkdwn.js";
import { face } from "./people.js";

const drawn = new Map();
const dismissed = new Set();
const COMPACT_SECONDS = 300;

export function forget() {
  drawn.clear();
}

function at(message) {
  return new Date(Number(message.ts) * 1000);
}

// `view` is {channel, people, persona, openThread, inThread}.
export function stream(messages, view) {
  const list = [...messages].sort((one, other) => Number(one.ts) - Number(other.ts));
  const rows = [];
  let before = null;
  for (const message of list) {
    if (dismissed.has(message.ts)) continue;
    if (!before || at(before).toDateString() !== at(message).toDateString()) {
      rows.push(h("div", { class: "day" }, h("span", {}, dayName(at(message)))));
      before = null;
    }
    rows.push(kept(message, { ...view, isCompact: isCompact(message, before) }));
    before = message;
  }
  return rows;
}

function dayName(date) {
  const near = nearDay(date);
  if (near) return near[0].toUpperCase() + near.slice(1);
  return date.toLocaleDateString("en-US", { weekday: "long", month: "long", day: "numeric" });
}

function isCompact(message, before) {
  if (!before || before.user !== message.user || before.is_ephemeral !== message.is_ephemeral) return false;
  if (message.is_broadcast || before.replies.length) return false;
  return Number(message.ts) - Number(before.ts) < COMPACT_SECONDS;
}

function kept(message, view) {
  const key = `${view.inThread ? "thread" : "stream"}/${message.ts}`;
  const replies = view.inThread ? 0 : message.replies.map((reply) => [reply.ts, reply.user]);
  const root = message.is_broadcast && !view.inThread ? view.rootText(message) : "";
  const own = view.inThread ? 0 : view.ownIn(message.ts);
  const signature = JSON.stringify([{ ...message, replies }, view.persona, view.isCompact, root, own]);
  const old = drawn.get(key);
  if (old?.signature === signature) return old.element;
  const element = draw(message, view);
  if (old) element.classList.add("fresh");
  drawn.set(key, { signature, element });
  return element;
}

function draw(message, view) {
  const person = view.people.find(message.user);
  const classes = ["message"];
  if (view.isCompact) classes.push("compact");
  if (message.is_ephemeral) classes.push("ephemeral");
  const time = h("time", { datetime: at(message).toISOString(), title: at(message).toString() }, clock(at(message)));
  const head = h(
    "div",
    { class: "head" },
    h("b", {}, person.name),
    person.isApp && h("span", { class: "badge" }, "APP"),
    person.role && h("span", { class: "role" }, person.role),
    time,
  );
  return h(
    "article",
    { class: classes.join(" "), data: { ts: message.ts }, "aria-label": `${person.name}, ${clock(at(message))}` },
    h("div", { class: "side" }, view.isCompact ? time.cloneNode(true) : face(person)),
    h(
      "div",
      { class: "body" },
      message.is_ephemeral && h("div", { class: "only" }, "👁 Only visible to you"),
      view.isCompact ? null : head,
      message.is_broadcast && !view.inThread && broadcastNote(message, view),
      content(message, view),
      message.is_ephemeral && dismiss(message),
      !view.inThread && footer(message, view),
    ),
    !view.inThread && !message.is_ephemeral && tools(message, view),
  );
}

function content(message, view) {
  const surface = surfaceOf(message, view);
  const edited = message.edited_ts && h("span", { class: "edited", title: "This message was edited" }, "(edited)");
  const parts = [];
  if (message.blocks.length) parts.push(blocks(message.blocks, surface), edited);
  else if (message.text) parts.push(h("div", { class: "text" }, ...flat(mrkdwn(message.text, view.people)), " ", edited));
  for (const attachment of message.attachments) {
    const bar = h("div", { class: "attachment" }, blocks(attachment.blocks ?? [], surface));
    if (attachment.color) bar.style.borderColor = attachment.color.replace(/^#?([0-9a-fA-F]{6})$/, "#$1");
    parts.push(bar);
  }
  return h("div", { class: "content" }, ...flat(parts));
}

function surfaceOf(message, view) {
  return {
    people: view.people,
    values: () => message.inputs,
    note: () => {},
    noted: () => undefined,
    problem: () => null,
    act: (block, element, value) =>
      post("click", {
        persona: view.persona,
        channel: view.channel,
        ts: message.ts,
        block_id: block.block_id,
        action_id: element.action_id,
        value,
      }),
  };
}

function dismiss(message) {
  const away = (event) => {
    dismissed.add(message.ts);
    event.currentTarget.closest(".message").remove();
  };
  return h("button", { type: "button", class: "plain", onclick: away }, "Dismiss message");
}

function broadcastNote(message, view) {
  const open = () => view.openThread(message.thread_ts);
  return h(
    "button",
    { type: "button", class: "plain broadcast", onclick: open },
    "replied to a thread: ",
    h("span", {}, withEmoji(view.rootText(message))),
  );
}

function footer(message, view) {
  const own = view.ownIn(message.ts);
  if (!message.replies.length && !own) return null;
  const people = [...new Set(message.replies.map((reply) => reply.user))].slice(0, 4);
  const count = message.replies.length;
  return h(
    "button",
    { type: "button", class: "replies", onclick: () => view.openThread(message.ts) },
    ...people.map((id) => face(view.people.find(id), "small")),
    h("b", {}, count === 1 ? "1 reply" : `${count} replies`),
    count > 0 && h("span", {}, `Last reply ${clock(at(message.replies.at(-1)))}`),
    own > 0 && h("span", { class: "own" }, `👁 ${own} only for you`),
  );
}

function tools(message, view) {
  const open = () => view.openThread(message.thread_ts ?? message.ts);
  const label = "Reply in thread";
  return h("div", { class: "tools" }, h("button", { type: "button", title: label, onclick: open }, "💬 ", label));
}
