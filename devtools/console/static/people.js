// Looks up names and faces of people, groups and channels in what the server said.

import { h } from "./dom.js";

export function peopleOf(state) {
  const byId = new Map(state.personas.map((person) => [person.id, person]));
  const app = { id: state.app.user, key: "crdb", name: state.app.name, isApp: true };
  const system = { id: "USLACKBOT", key: "workspace", name: "Workspace", isSystem: true };
  byId.set(app.id, app);
  byId.set(system.id, system);
  return {
    me: state.persona.id,
    find: (id) => byId.get(id) ?? { id, name: id, key: id },
    name: (id) => byId.get(id)?.key,
    channel: (id) => state.channels.find((channel) => channel.id === id)?.name,
    group: (id) => state.groups.find((group) => group.id === id),
    all: () => state.personas,
    channels: () => state.channels.filter((channel) => !channel.is_im),
  };
}

export function face(person, size = "") {
  if (person.isApp) return h("span", { class: `face app ${size}`, "aria-hidden": "true" }, h("img", { src: "/static/icon.svg", alt: "" }));
  if (person.isSystem) return h("span", { class: `face system ${size}`, "aria-hidden": "true" }, "i");
  const letters = person.name.split(" ").map((word) => word[0]).join("").slice(0, 2);
  return h("span", { class: `face ${size}`, color: person.color, "aria-hidden": "true" }, letters);
}
