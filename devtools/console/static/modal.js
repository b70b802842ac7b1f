// Shows the modal on top of this person's stack, keeps what is typed while the bot redraws it, submits and closes it.

import { post } from "./api.js";
import { blocks } from "./blocks.js";
import { h, replace } from "./dom.js";
import { explain, plainText } from "./elements.js";

let dialog = null;
let shown = { id: null, hash: null };
let typed = {};
let problems = {};

export function showModal(state, people) {
  const view = state.views.at(-1);
  if (!view) return close();
  if (shown.id !== view.id) {
    typed = {};
    problems = {};
  } else if (shown.hash === view.hash) return;
  shown = { id: view.id, hash: view.hash };
  draw(view, state, people);
}

function close() {
  dialog?.remove();
  dialog = null;
  shown = { id: null, hash: null };
}

function key(block, element) {
  return `${block.block_id}/${element.action_id}`;
}

function surfaceOf(view, state, people) {
  return {
    people,
    values: () => view.state.values,
    noted: (block, element) => typed[key(block, element)]?.value,
    note: (block, element, value) => {
      typed[key(block, element)] = { block: block.block_id, action: element.action_id, value };
    },
    problem: (block) => problems[block.block_id],
    act: (block, element, value) =>
      post("click", {
        persona: state.persona.key,
        view_id: view.id,
        block_id: block.block_id,
        action_id: element.action_id,
        value,
      }),
  };
}

function valuesTyped(view) {
  const values = {};
  for (const { block, action, value } of Object.values(typed)) {
    if (view.blocks.some((one) => one.block_id === block)) values[block] = { ...values[block], [action]: value };
  }
  return values;
}

function draw(view, state, people) {
  const persona = state.persona.key;
  const leave = (isCleared) => post("close", { persona, view_id: view.id, is_cleared: isCleared });
  const submit = async (event) => {
    event.preventDefault();
    const controls = [...form.querySelectorAll("button")];
    controls.forEach((each) => (each.disabled = true));
    form.classList.add("busy");
    const answer = await post("submit", { persona, view_id: view.id, values: valuesTyped(view) });
    controls.forEach((each) => (each.disabled = false));
    form.classList.remove("busy");
    problems = answer.errors ?? {};
    if (answer.ok || shown.id !== view.id) return;
    draw(view, state, people);
    if (!answer.errors) dialog.querySelector(".trouble").textContent = explain(answer);
    dialog.querySelector(".wrong input, .wrong textarea, .wrong select")?.focus();
  };
  const form = h(
    "form",
    { onsubmit: submit, novalidate: true },
    h(
      "header",
      {},
      h("img", { src: "/static/icon.svg", alt: "" }),
      h("h2", {}, plainText(view.title)),
      h("button", { type: "button", class: "cross", "aria-label": "Close", onclick: () => leave(true) }, "×"),
    ),
    h("div", { class: "scroll" }, blocks(view.blocks, surfaceOf(view, state, people))),
    h("p", { class: "trouble", role: "alert" }),
    h(
      "footer",
      {},
      h("button", { type: "button", class: "button", onclick: () => leave(false) }, plainText(view.close) || "Cancel"),
      view.submit && h("button", { type: "submit", class: "button solid primary" }, plainText(view.submit)),
    ),
  );
  if (!dialog) {
    const cancel = (event) => {
      event.preventDefault();
      dialog.querySelector("footer .button").click();
    };
    dialog = h("dialog", { class: "modal", oncancel: cancel });
    document.body.append(dialog);
    replace(dialog, form);
    dialog.showModal();
  } else {
    const top = dialog.querySelector(".scroll")?.scrollTop ?? 0;
    replace(dialog, form);
    dialog.querySelector(".scroll").scrollTop = top;
  }
  dialog.dataset.view = view.id;
  dialog.setAttribute("aria-label", plainText(view.title));
  (dialog.querySelector("[autofocus]") ?? dialog.querySelector(".scroll input, .scroll textarea, .scroll select"))?.focus();
}
