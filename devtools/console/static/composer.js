// The line at the bottom: messages, and slash commands with a hint of what there is. One for a channel, one for a thread.

import { post } from "./api.js";
import { h, replace, toast } from "./dom.js";
import { explain } from "./elements.js";

const history = [];

// `where` is {key, name, persona, channel, threadTs, commands, isArchived}.
export function composer(frame, where) {
  if (frame.dataset.key === where.key) return;
  frame.dataset.key = where.key;
  if (where.isArchived) {
    replace(frame, h("p", { class: "closed" }, "This channel is archived. Nobody can write here."));
    return;
  }
  const example = where.commands[0] ? `, or try ${where.commands[0].command} help` : "";
  const placeholder = where.threadTs ? "Reply…" : `Message ${where.name}${example}`;
  const field = h("textarea", { rows: 1, placeholder, "aria-label": placeholder, spellcheck: "false" });
  const hints = h("div", { class: "hints", hidden: true });
  const button = h("button", { type: "submit", class: "send", "aria-label": "Send", disabled: true }, "➤");
  const form = h("form", { class: "line" }, field, button);
  let recalled = history.length;

  const grow = () => {
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight, 160)}px`;
    button.disabled = !field.value.trim();
    suggest(hints, field, where, grow);
  };
  const recall = (step) => {
    recalled = Math.max(0, Math.min(history.length, recalled + step));
    field.value = history[recalled] ?? "";
    grow();
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text || form.classList.contains("busy")) return;
    form.classList.add("busy");
    field.readOnly = true;
    const body = { persona: where.persona, channel: where.channel, text, thread_ts: where.threadTs ?? undefined };
    const answer = await post("command", body);
    form.classList.remove("busy");
    field.readOnly = false;
    if (answer.ok || text.startsWith("/")) {
      history.push(text);
      recalled = history.length;
      field.value = "";
    }
    if (!answer.ok) toast(explain(answer));
    grow();
    field.focus();
  });
  field.addEventListener("input", grow);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key === "Tab" && !hints.hidden) {
      event.preventDefault();
      hints.querySelector("button")?.click();
    } else if (event.key === "ArrowUp" && !field.value.includes("\n") && (!field.value || recalled < history.length)) {
      event.preventDefault();
      recall(-1);
    } else if (event.key === "ArrowDown" && recalled < history.length) {
      event.preventDefault();
      recall(1);
    }
  });
  replace(frame, hints, form);
}

function suggest(hints, field, where, grow) {
  const typed = field.value;
  const [name] = typed.split(" ");
  const fits = typed.startsWith("/") && !where.threadTs ? where.commands.filter((one) => one.command.startsWith(name)) : [];
  hints.hidden = fits.length === 0;
  replace(
    hints,
    ...fits.map((one) => {
      const take = () => {
        field.value = one.command + " ";
        field.focus();
        grow();
      };
      return h(
        "button",
        { type: "button", onclick: take },
        h("b", {}, one.command),
        h("code", {}, one.usage_hint),
        h("span", {}, one.description),
      );
    }),
  );
}
