// Words and numbers onto the page. Everything is set as text, never as HTML: words of agents are
// words of strangers.
export const byId = (id) => document.getElementById(id);

export function put(node, text, kind) {
  const shown = text ?? "-";
  if (node.textContent !== shown) node.textContent = shown;
  if (kind !== undefined && node.className !== kind) node.className = kind;
  return node;
}

export function made(tag, text, kind, ...inside) {
  const node = document.createElement(tag);
  if (text !== null) put(node, text, kind);
  else if (kind) node.className = kind;
  node.append(...inside);
  return node;
}

function row(cells, tag) {
  return made("tr", null, "", ...cells.map((cell) => {
    const [text, kind] = Array.isArray(cell) ? cell : [cell, ""];
    return made(tag, text, kind);
  }));
}

export function fill(id, rows, heads) {
  byId(id).replaceChildren(...(heads ? [row(heads, "th")] : []), ...rows.map((each) => row(each, "td")));
}

export const num = (text) => [text, "number"];

export function short(text, digits = 2) {
  if (text === null || text === undefined) return "-";
  return Number(text).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

const sign = (text) => (Number(text) < 0 ? "bad" : Number(text) > 0 ? "good" : "");
export const signed = (text) => [(Number(text) > 0 ? "+" : "") + short(text), `number ${sign(text)}`];
export const percent = (share, digits = 1) => (share === null || share === undefined ? "-" : `${(100 * share).toFixed(digits)} %`);
export const plain = (name) => name.replaceAll("_", " ");
export const hour = (text) => (text || "").slice(11, 19);
export const ms = (row) => row.time_ns / 1e6;

export function span(seconds) {
  if (seconds === null || seconds === undefined) return "-";
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}
