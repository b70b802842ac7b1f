// The left side: what this is, channels, the app, and who you are at the moment.

import { h, replace } from "./dom.js";
import { face } from "./people.js";

// `go` is {place(id), persona(key)}; `unread` says whether a channel has news.
export function sidebar(frame, state, place, unread, go) {
  const channels = state.channels.filter((channel) => !channel.is_im);
  const direct = state.channels.find((channel) => channel.is_im);
  replace(
    frame,
    h(
      "div",
      { class: "brand" },
      h("b", {}, state.team.name),
      h("span", { class: "not-slack", title: state.notice }, "stand-in, not Slack"),
    ),
    h(
      "section",
      {},
      h("h2", {}, "Channels"),
      ...channels.map((channel) => row(channelMark(channel), channel.name, channel.id, place, unread(channel), go)),
    ),
    h(
      "section",
      {},
      h("h2", {}, "Apps"),
      row(face({ isApp: true }, "tiny"), state.app.name, "home", place, false, go, "Home"),
      direct && row("✉", `${state.app.name} messages`, direct.id, place, unread(direct), go),
    ),
    h(
      "section",
      { class: "people" },
      h("h2", {}, "You are"),
      h("p", {}, "One machine, several people: click to act as somebody else."),
      ...state.personas.map((person) => personRow(person, state, go)),
    ),
  );
}

function channelMark(channel) {
  if (channel.is_private) return "🔒";
  return "#";
}

function row(mark, name, id, place, isUnread, go, hint = null) {
  const classes = ["row"];
  if (id === place) classes.push("here");
  if (isUnread) classes.push("unread");
  return h(
    "button",
    { type: "button", class: classes.join(" "), onclick: () => go.place(id), data: { place: id } },
    h("span", { class: "mark" }, mark),
    h("span", { class: "name" }, name),
    hint && h("small", {}, hint),
  );
}

function personRow(person, state, go) {
  const isMe = person.id === state.persona.id;
  return h(
    "button",
    {
      type: "button",
      class: "row person" + (isMe ? " me" : ""),
      "aria-pressed": String(isMe),
      onclick: () => go.persona(person.key),
      data: { persona: person.key },
    },
    face(person, "small"),
    h("span", { class: "name" }, person.name),
    h("small", {}, person.role),
  );
}
