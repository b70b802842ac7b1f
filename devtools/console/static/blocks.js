// Draws Block Kit: one function a block type. What people can use in them is in elements.js, rich text in rich.js.

import { flat, h } from "./dom.js";
import { element, plainText, textObject } from "./elements.js";
import { markdown, richText, table } from "./rich.js";

const DRAW = {
  header: (block) => h("h3", { class: "header" }, plainText(block.text)),
  divider: () => h("hr"),
  section,
  context,
  actions,
  input,
  image: (block) => h("p", { class: "picture", title: block.image_url }, "🖼 " + block.alt_text),
  rich_text: (block, surface) => richText(block, surface.people),
  table: (block, surface) => table(block, surface.people),
  markdown: (block) => markdown(block.text),
  plan,
  task_card: task,
  alert: (block, surface) =>
    h("div", { class: `alert ${block.level ?? "default"}` }, ...flat([textObject(block.text, surface.people)])),
};

export function blocks(list, surface) {
  return h(
    "div",
    { class: "blocks" },
    ...list.map((block) => {
      const draw = DRAW[block.type];
      const drawn = draw ? draw(block, surface) : h("p", { class: "unsupported" }, `[${block.type}]`);
      drawn.dataset.block = block.block_id ?? "";
      return drawn;
    }),
  );
}

function section(block, surface) {
  const people = surface.people;
  const text = block.text && h("div", { class: "text" }, ...flat([textObject(block.text, people)]));
  const fields =
    block.fields &&
    h(
      "div",
      { class: "fields" },
      ...block.fields.map((field) => h("div", { class: "text" }, ...flat([textObject(field, people)]))),
    );
  const beside = block.accessory && h("div", { class: "accessory" }, element(block, block.accessory, surface));
  return h("div", { class: "section" }, h("div", { class: "words" }, text, fields), beside);
}

function context(block, surface) {
  const parts = block.elements.map((one) =>
    one.type === "image"
      ? element(block, one, surface)
      : h("span", { class: "text" }, ...flat([textObject(one, surface.people)])),
  );
  return h("div", { class: "context" }, ...parts);
}

function actions(block, surface) {
  const parts = block.elements.map((one) => element(block, one, surface));
  return h("div", { class: "actions" }, ...parts);
}

function input(block, surface) {
  const problem = surface.problem(block);
  const label = plainText(block.label);
  const isList = ["checkboxes", "radio_buttons"].includes(block.element.type);
  return h(
    isList ? "div" : "label",
    { class: "input" + (problem ? " wrong" : "") },
    h("span", { class: "label" }, label, block.optional && h("span", { class: "optional" }, " (optional)")),
    element(block, block.element, surface),
    problem && h("span", { class: "problem", role: "alert" }, problem),
    block.hint && h("span", { class: "hint" }, plainText(block.hint)),
  );
}

const MARKS = { pending: "○", in_progress: "◐", complete: "●", error: "✕" };

function plan(block, surface) {
  const tasks = (block.tasks ?? []).map((one) => task(one, surface));
  return h("div", { class: "plan" }, h("b", {}, block.title), ...tasks);
}

function task(one, surface) {
  return h(
    "div",
    { class: `task ${one.status}` },
    h("span", { class: "mark" }, MARKS[one.status] ?? "○"),
    h("div", {}, one.title, one.details && richText(one.details, surface.people), one.output && richText(one.output, surface.people)),
  );
}
