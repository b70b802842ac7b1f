// Draws the elements that people use: buttons, menus, tick boxes, inputs. Blocks around them are in blocks.js.
//
// A surface says what a use means: `act(block, element, value)` tells the bot, `note(block, element, value)` keeps an
// input's value until the modal is submitted, `value(block, element)` is what it holds now.

import { flat, h } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { mrkdwn } from "./mrkdwn.js";

export function plainText(object) {
  return withEmoji(object?.text ?? "");
}

export function textObject(object, people) {
  return object.type === "mrkdwn" ? mrkdwn(object.text, people) : h("span", { class: "run" }, plainText(object));
}

const DRAW = {
  button,
  overflow,
  image,
  static_select: select,
  users_select: select,
  channels_select: select,
  conversations_select: select,
  multi_static_select: ticks,
  multi_users_select: ticks,
  radio_buttons: radios,
  checkboxes: ticks,
  plain_text_input: typed,
  number_input: typed,
  email_text_input: typed,
  url_text_input: typed,
  datepicker: typed,
  timepicker: typed,
};

export function element(block, one, surface) {
  const draw = DRAW[one.type];
  return draw ? draw(block, one, surface) : h("span", { class: "unsupported" }, `[${one.type}]`);
}

function named(block, one) {
  return { data: { actionId: one.action_id ?? "", blockId: block.block_id ?? "" } };
}

// Ask first where the bot wants that, lock the neighbours, tell the bot, and mark a failure beside what was pressed.
async function use(control, block, one, value, surface) {
  if (one.confirm && !(await confirmed(one.confirm, surface))) return;
  const frame = control.closest(".blocks") ?? control.parentElement;
  const locked = [...frame.querySelectorAll("button, select, input")].filter((each) => !each.disabled);
  control.parentElement.querySelector(":scope > .failed")?.remove();
  locked.forEach((each) => (each.disabled = true));
  control.classList.add("busy");
  const answer = await surface.act(block, one, value);
  control.classList.remove("busy");
  locked.forEach((each) => (each.disabled = false));
  if (!answer.ok) {
    const mark = h("span", { class: "failed", role: "alert", title: answer.detail ?? "" }, "⚠ " + explain(answer));
    control.parentElement.append(mark);
  }
}

export function explain(answer) {
  const known = {
    operation_timeout: "The app did not answer within 3 seconds (operation_timeout).",
    dispatch_failed: "The app is away, or does not know this button (dispatch_failed).",
    message_not_found: "This message is gone (message_not_found).",
    not_in_channel: "You are not in this channel.",
    is_archived: "This channel is archived.",
  };
  return known[answer.error] ?? `That did not work (${answer.error}). ${answer.detail ?? ""}`;
}

function button(block, one, surface) {
  const press = (event) => {
    if (one.url) window.open(one.url, "_blank", "noopener,noreferrer");
    return use(event.currentTarget, block, one, undefined, surface);
  };
  const look = `button ${one.style ?? ""}`;
  return h("button", { type: "button", class: look, onclick: press, ...named(block, one) }, plainText(one.text));
}

function overflow(block, one, surface) {
  const choose = (event) => {
    const control = event.currentTarget;
    const value = control.value;
    control.value = "";
    const url = one.options.find((option) => option.value === value)?.url;
    if (url) window.open(url, "_blank", "noopener,noreferrer");
    return use(control, block, one, value, surface);
  };
  const options = one.options.map((option) => h("option", { value: option.value }, plainText(option.text)));
  const empty = h("option", { value: "", disabled: true, hidden: true, selected: true }, "⋯");
  return h(
    "select",
    { class: "button overflow", "aria-label": "More actions", onchange: choose, ...named(block, one) },
    empty,
    ...options,
  );
}

function image(block, one) {
  // Pictures of other sites are not fetched: this page asks nobody but its own server.
  return h("span", { class: "picture", title: one.image_url }, "🖼 " + one.alt_text);
}

function choices(one, surface) {
  if (one.type.endsWith("users_select")) {
    return surface.people.all().map((person) => ({ value: person.id, text: { text: "@" + person.name } }));
  }
  if (one.type === "channels_select" || one.type === "conversations_select") {
    return surface.people.channels().map((place) => ({ value: place.id, text: { text: "#" + place.name } }));
  }
  return [...(one.options ?? []), ...(one.option_groups ?? []).flatMap((group) => group.options)];
}

function entryValue(entry) {
  if (!entry) return null;
  if ("selected_option" in entry) return entry.selected_option?.value ?? null;
  if ("selected_options" in entry) return entry.selected_options.map((option) => option.value);
  return Object.entries(entry).find(([key]) => key !== "type")?.[1] ?? null;
}

export function held(block, one, surface) {
  return entryValue(surface.values()?.[block.block_id]?.[one.action_id]) ?? initial(one);
}

function initial(one) {
  return (
    one.initial_option?.value ??
    one.initial_options?.map((option) => option.value) ??
    one.initial_value ??
    one.initial_user ??
    one.initial_channel ??
    one.initial_conversation ??
    one.initial_date ??
    one.initial_time ??
    null
  );
}

function changed(control, block, one, value, surface) {
  surface.note(block, one, value);
  if (block.type !== "input" || block.dispatch_action) use(control, block, one, value, surface);
}

function select(block, one, surface) {
  const now = surface.noted(block, one) ?? held(block, one, surface);
  const options = choices(one, surface).map((option) =>
    h("option", { value: option.value, selected: option.value === now }, plainText(option.text)),
  );
  const empty = h("option", { value: "", disabled: true, selected: !now }, plainText(one.placeholder) || "Choose…");
  const choose = (event) => changed(event.currentTarget, block, one, event.currentTarget.value, surface);
  return h("select", { class: "field", onchange: choose, ...named(block, one) }, empty, ...options);
}

function chosenList(block, one, surface, kind) {
  const now = [surface.noted(block, one) ?? held(block, one, surface) ?? []].flat();
  const frame = h("div", { class: "choices", role: kind === "radio" ? "radiogroup" : "group", ...named(block, one) });
  const name = `${block.block_id}/${one.action_id}/${Math.random()}`;
  const choose = () => {
    const picked = [...frame.querySelectorAll("input:checked")].map((each) => each.value);
    changed(frame, block, one, kind === "radio" ? picked[0] : picked, surface);
  };
  frame.append(
    ...choices(one, surface).map((option) =>
      h(
        "label",
        {},
        h("input", {
          type: kind,
          name,
          value: option.value,
          checked: now.includes(option.value),
          onchange: choose,
        }),
        h(
          "span",
          {},
          ...flat([textObject({ type: "plain_text", ...option.text }, surface.people)]),
          option.description && h("small", {}, ...flat([textObject(option.description, surface.people)])),
        ),
      ),
    ),
  );
  return frame;
}

function radios(block, one, surface) {
  return chosenList(block, one, surface, "radio");
}

function ticks(block, one, surface) {
  return chosenList(block, one, surface, "checkbox");
}

const TYPES = {
  number_input: "number",
  email_text_input: "email",
  url_text_input: "url",
  datepicker: "date",
  timepicker: "time",
};

function typed(block, one, surface) {
  const now = surface.noted(block, one) ?? held(block, one, surface) ?? "";
  const keep = (event) => surface.note(block, one, event.currentTarget.value);
  const done = (event) => {
    if (block.dispatch_action) use(event.currentTarget, block, one, event.currentTarget.value, surface);
  };
  const shared = {
    class: "field",
    placeholder: plainText(one.placeholder) || null,
    maxlength: one.max_length,
    autofocus: one.focus_on_load,
    oninput: keep,
    onchange: done,
    ...named(block, one),
  };
  if (one.multiline) {
    const area = h("textarea", { rows: 4, ...shared });
    area.value = now;
    return area;
  }
  const step = one.type === "number_input" ? (one.is_decimal_allowed ? "any" : "1") : null;
  const range = { min: one.min_value, max: one.max_value, step };
  const field = h("input", { type: TYPES[one.type] ?? "text", autocomplete: "off", ...range, ...shared });
  field.value = now;
  return field;
}

function confirmed(confirm, surface) {
  return new Promise((resolve) => {
    const say = (answer) => {
      dialog.remove();
      resolve(answer);
    };
    const dialog = h(
      "dialog",
      { class: "confirm", oncancel: () => say(false), "aria-label": plainText(confirm.title) },
      h("h2", {}, plainText(confirm.title)),
      h("div", { class: "text" }, ...flat([textObject(confirm.text, surface.people)])),
      h(
        "footer",
        {},
        h("button", { type: "button", class: "button", onclick: () => say(false) }, plainText(confirm.deny)),
        h(
          "button",
          { type: "button", class: `button solid ${confirm.style ?? "primary"}`, onclick: () => say(true) },
          plainText(confirm.confirm),
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
