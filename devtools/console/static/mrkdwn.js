// Draws Slack's mrkdwn: bold, italics, code, quotes, mentions, links, dates, emoji. Rich text is in rich.js.

import { h, link } from "./dom.js";
import { emoji } from "./emoji.js";

// Entities are the only escapes that mrkdwn knows.
export function unescape(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

export function mrkdwn(text, people) {
  return text.split(/```/).map((part, index, parts) => {
    const isCode = index % 2 === 1 && index < parts.length - 1;
    if (isCode) return h("pre", {}, codeText(part.replace(/^\n|\n$/g, ""), people));
    return quoted(index % 2 === 1 ? "```" + part : part, people);
  });
}

function quoted(text, people) {
  const groups = [];
  for (const line of text.split("\n")) {
    const isQuote = line.startsWith("&gt;");
    const content = isQuote ? line.replace(/^&gt; ?/, "") : line;
    const last = groups.at(-1);
    if (last && last.isQuote === isQuote) last.lines.push(content);
    else groups.push({ isQuote, lines: [content] });
  }
  return groups.map((group) => {
    const drawn = inline(group.lines.join("\n"), people);
    return group.isQuote ? h("blockquote", {}, ...drawn) : h("span", { class: "run" }, ...drawn);
  });
}

const INLINE = new RegExp(
  [
    "(?<code>`[^`\\n]+`)",
    "<(?<angle>[^<>\\n]+)>",
    "(?<![\\p{L}\\p{N}])\\*(?<bold>[^\\s*](?:[^*\\n]*[^\\s*])?)\\*(?![\\p{L}\\p{N}])",
    "(?<![\\p{L}\\p{N}])_(?<italic>[^\\s_](?:[^_\\n]*[^\\s_])?)_(?![\\p{L}\\p{N}])",
    "(?<![\\p{L}\\p{N}])~(?<strike>[^\\s~](?:[^~\\n]*[^\\s~])?)~(?![\\p{L}\\p{N}])",
    ":(?<emoji>[a-z0-9_+-]+):",
  ].join("|"),
  "gu",
);

export function inline(text, people) {
  const drawn = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > from) drawn.push(unescape(text.slice(from, match.index)));
    drawn.push(piece(match, people));
    from = match.index + match[0].length;
  }
  if (from < text.length) drawn.push(unescape(text.slice(from)));
  return drawn;
}

function piece(match, people) {
  const { code, angle, bold, italic, strike, emoji: name } = match.groups;
  if (code !== undefined) return h("code", {}, codeText(code.slice(1, -1), people));
  if (angle !== undefined) return reference(angle, people);
  if (bold !== undefined) return h("b", {}, ...inline(bold, people));
  if (italic !== undefined) return h("i", {}, ...inline(italic, people));
  if (strike !== undefined) return h("s", {}, ...inline(strike, people));
  return symbol(name);
}

// Inside code only references are still resolved, as in Slack.
function codeText(text, people) {
  return text.split(/(<[^<>\n]+>)/).map((part) => {
    if (part.startsWith("<") && part.endsWith(">")) return reference(part.slice(1, -1), people);
    return unescape(part);
  });
}

export function symbol(name) {
  const found = emoji(name);
  return found ? h("span", { class: "emoji", role: "img", "aria-label": name, title: `:${name}:` }, found) : `:${name}:`;
}

function reference(content, people) {
  const bar = content.indexOf("|");
  const target = bar < 0 ? content : content.slice(0, bar);
  const label = bar < 0 ? null : unescape(content.slice(bar + 1));
  if (target.startsWith("@")) return person(target.slice(1), people, label);
  if (target.startsWith("#")) return channel(target.slice(1), people, label);
  if (target.startsWith("!subteam^")) return group(target.slice(9), people, label);
  if (target.startsWith("!date^")) return date(target, label);
  if (target.startsWith("!")) return h("span", { class: "mention everyone" }, "@" + target.slice(1));
  const address = unescape(target);
  return /^[a-z]+:/i.test(address) ? link(address, label ?? address) : `<${unescape(content)}>`;
}

export function person(id, people, label = null) {
  const name = people.name(id) ?? label ?? id;
  const own = id === people.me ? " me" : "";
  return h("span", { class: "mention" + own, title: id }, "@" + name);
}

export function channel(id, people, label = null) {
  return h("span", { class: "mention", title: id }, "#" + (people.channel(id) ?? label ?? id));
}

export function group(id, people, label = null) {
  const found = people.group(id);
  const own = found?.members.includes(people.me) ? " me" : "";
  return h("span", { class: "mention" + own, title: id }, "@" + (found?.handle ?? label?.replace(/^@/, "") ?? id));
}

function date(target, fallback) {
  const [, seconds, format, address] = target.split("^");
  return moment(Number(seconds), format ?? "{date} {time}", address, fallback);
}

export function moment(seconds, format, address, fallback) {
  const at = new Date(seconds * 1000);
  if (Number.isNaN(at.getTime())) return fallback ?? "";
  const text = format.replace(/\{(\w+)\}/g, (whole, token) => dateToken(token, at) ?? whole);
  const shown = h("time", { datetime: at.toISOString(), title: at.toString() }, text);
  return address ? link(address, shown) : shown;
}

function dateToken(token, at) {
  const day = (options) => at.toLocaleDateString("en-US", options);
  const near = nearDay(at);
  switch (token) {
    case "date_num":
      return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
    case "date":
      return day({ year: "numeric", month: "long", day: "numeric" });
    case "date_short":
      return day({ year: "numeric", month: "short", day: "numeric" });
    case "date_long":
      return day({ weekday: "long", year: "numeric", month: "long", day: "numeric" });
    case "date_pretty":
      return near ?? dateToken("date", at);
    case "date_short_pretty":
      return near ?? dateToken("date_short", at);
    case "date_long_pretty":
      return near ?? dateToken("date_long", at);
    case "time":
      return clock(at);
    case "time_secs":
      return at.toLocaleTimeString("en-GB");
    case "ago":
      return ago(at);
    default:
      return null;
  }
}

export function clock(at) {
  return at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

export function nearDay(at) {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const days = Math.floor((at - midnight) / 86_400_000);
  return { 0: "today", 1: "tomorrow", "-1": "yesterday" }[days] ?? null;
}

function ago(at) {
  const minutes = Math.round((Date.now() - at) / 60_000);
  const size = Math.abs(minutes);
  const text = size < 60 ? `${size} min` : size < 2880 ? `${Math.round(size / 60)} h` : `${Math.round(size / 1440)} days`;
  return minutes < 0 ? `in ${text}` : `${text} ago`;
}
