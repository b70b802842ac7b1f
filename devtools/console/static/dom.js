// Makes elements. Text always becomes a text node: nothing in this page is ever parsed as HTML.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "color") element.style.backgroundColor = value;
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...flat(children));
  return element;
}

export function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

// A link, when its address is one that is safe to follow; its label alone otherwise.
export function link(address, ...label) {
  let url = null;
  try {
    url = new URL(address);
  } catch {
    return h("span", {}, ...label);
  }
  if (!["http:", "https:", "mailto:"].includes(url.protocol)) return h("span", {}, ...label);
  if (url.origin === location.origin && url.pathname.startsWith("/archives/")) {
    return h("a", { href: url.pathname + url.search, class: "inside" }, ...label);
  }
  return h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, ...label);
}

export function replace(element, ...children) {
  element.replaceChildren(...flat(children));
}

export function toast(text) {
  const note = h("div", { class: "toast" }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), 8000);
}
