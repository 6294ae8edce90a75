// Elements without innerHTML: text from the server can never become markup.

const SVG = 'http://www.w3.org/2000/svg';

function build(node, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'on') {
      for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
    } else {
      node.setAttribute(name, value === true ? '' : String(value));
    }
  }
  node.append(...children.flat(Infinity).filter((child) => child || child === 0));
  return node;
}

/** An HTML element; `properties.on` holds listeners, all else becomes attributes. */
export const el = (tag, properties, ...children) => build(document.createElement(tag), properties, children);

/** The same for SVG. */
export const svg = (tag, properties, ...children) =>
  build(document.createElementNS(SVG, tag), properties, children);

export const byId = (id) => document.getElementById(id);
