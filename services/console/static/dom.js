// Elements from data. Text only ever becomes text nodes and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "vars") for (const [key, each] of Object.entries(value)) element.style.setProperty(key, each);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** An HTML element; `vars` sets custom properties, other attributes are set as they are. */
export function h(tag, attributes, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

/** Makes `now` look like `next` and keeps every node that can stay, so that focus, selection and scrolling survive. */
export function morph(now, next) {
  if (now.isEqualNode(next)) return;
  copyAttributes(now, next);
  const kept = new Map();
  for (const child of now.children) if (child.dataset?.key) kept.set(child.dataset.key, child);
  let cursor = now.firstChild;
  for (const wanted of [...next.childNodes]) {
    const match = wanted.dataset?.key ? kept.get(wanted.dataset.key) : cursor;
    if (match && canStay(match, wanted)) {
      if (match === cursor) cursor = cursor.nextSibling;
      else now.insertBefore(match, cursor);
      if (match.nodeType === Node.TEXT_NODE) {
        if (match.data !== wanted.data) match.data = wanted.data;
      } else morph(match, wanted);
    } else {
      now.insertBefore(wanted, cursor);
    }
  }
  while (cursor) {
    const gone = cursor;
    cursor = cursor.nextSibling;
    gone.remove();
  }
}

function canStay(now, wanted) {
  return now.nodeType === wanted.nodeType && now.nodeName === wanted.nodeName && now.dataset?.key === wanted.dataset?.key;
}

function copyAttributes(now, next) {
  for (const { name, value } of next.attributes) {
    if (name !== "style" && now.getAttribute(name) !== value) now.setAttribute(name, value);
  }
  for (const { name } of [...now.attributes]) {
    // Whether details are open is the reader's business.
    if (!next.hasAttribute(name) && name !== "style" && name !== "open") now.removeAttribute(name);
  }
  if (now.style.cssText !== next.style.cssText) now.style.cssText = next.style.cssText;
}

/** Replaces the content of `root`. */
export function render(root, ...children) {
  const next = root.cloneNode(false);
  build(next, {}, children);
  morph(root, next);
}
