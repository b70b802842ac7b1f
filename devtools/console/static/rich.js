// Draws rich_text blocks, tables and markdown blocks. Slack's mrkdwn is in mrkdwn.js.

import { h, link } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { channel, group, moment, person, symbol } from "./mrkdwn.js";

const STYLES = { bold: "b", italic: "i", strike: "s", code: "code", underline: "u", highlight: "mark" };

export function richText(block, people) {
  return h("div", { class: "rich" }, ...block.elements.map((part) => richPart(part, people)));
}

function richPart(part, people) {
  const inside = (part.elements ?? []).map((one) => richInline(one, people));
  switch (part.type) {
    case "rich_text_list": {
      const items = part.elements.map((item) => h("li", {}, ...item.elements.map((one) => richInline(one, people))));
      const tag = part.style === "ordered" ? "ol" : "ul";
      return h(tag, { class: `indent-${part.indent ?? 0}`, start: part.offset ? part.offset + 1 : null }, ...items);
    }
    case "rich_text_preformatted":
      return h("pre", {}, ...inside);
    case "rich_text_quote":
      return h("blockquote", {}, ...inside);
    default:
      return h("p", {}, ...inside);
  }
}

function richInline(one, people) {
  let drawn = bare(one, people);
  for (const [name, tag] of Object.entries(STYLES)) {
    if (one.style?.[name]) drawn = h(tag, {}, drawn);
  }
  return drawn;
}

function bare(one, people) {
  switch (one.type) {
    case "text":
      return one.text;
    case "link":
      return link(one.url, one.text ?? one.url);
    case "emoji":
      return symbol(one.name);
    case "user":
      return person(one.user_id, people);
    case "usergroup":
      return group(one.usergroup_id, people);
    case "channel":
      return channel(one.channel_id, people);
    case "broadcast":
      return h("span", { class: "mention everyone" }, "@" + one.range);
    case "date":
      return moment(one.timestamp, one.format, one.url, one.fallback);
    case "color":
      return h("code", {}, one.value);
    default:
      return `[${one.type}]`;
  }
}

export function table(block, people) {
  const align = (index) => "align-" + (block.column_settings?.[index]?.align ?? "left");
  const cell = (tag, content, index) => {
    const drawn = content.type === "raw_text" ? content.text : richText(content, people);
    return h(tag, { class: align(index) }, drawn);
  };
  const [head, ...rows] = block.rows;
  return h(
    "div",
    { class: "table-frame" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...head.map((content, index) => cell("th", content, index)))),
      h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((content, index) => cell("td", content, index))))),
    ),
  );
}

// Standard Markdown as far as messages use it: headings, lists, code, bold, italics, links.
export function markdown(text) {
  return h(
    "div",
    { class: "rich" },
    ...text.split(/```\w*\n?/).map((part, index) => (index % 2 ? h("pre", {}, part.trimEnd()) : markdownLines(part))),
  );
}

function markdownLines(text) {
  const drawn = [];
  for (const line of text.split("\n")) {
    const heading = line.match(/^(#{1,6}) (.*)$/);
    const item = line.match(/^\s*(?:[-*]|(\d+)\.) (.*)$/);
    if (heading) drawn.push(h("h4", {}, ...markdownInline(heading[2])));
    else if (item) {
      const tag = item[1] ? "OL" : "UL";
      const list = drawn.at(-1)?.tagName === tag ? drawn.pop() : h(tag);
      list.append(h("li", {}, ...markdownInline(item[2])));
      drawn.push(list);
    } else if (line.trim()) drawn.push(h("p", {}, ...markdownInline(line)));
  }
  return drawn;
}

function markdownInline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|_[^_]+_|~~[^~]+~~|\[[^\]]+\]\([^)\s]+\))/).map((part) => {
    const target = part.match(/^\[([^\]]+)\]\(([^)\s]+)\)$/);
    if (target) return link(target[2], target[1]);
    if (part.startsWith("`") && part.length > 1) return h("code", {}, part.slice(1, -1));
    if (part.startsWith("**") && part.length > 3) return h("b", {}, part.slice(2, -2));
    if (part.startsWith("~~") && part.length > 3) return h("s", {}, part.slice(2, -2));
    if (/^_[^_]+_$/.test(part)) return h("i", {}, part.slice(1, -1));
    return withEmoji(part);
  });
}
