// Pieces that several views are made of.

import type { App } from "../app";
import { h } from "../dom";
import { bytes, count, plain, plural } from "../format";
import { kindOf } from "../model/filter";

/** What volumes are where the slider shows only some hours. */
export const WHOLE_PERIOD = "Connections and volumes are of the whole period: of each hour it is only known what was seen in it, not how much.";

/** Rows of a list; the table has them all. */
const MAX_ROWS = 60;

/** Terms and what is to be said of them; those without are left out. */
export function facts(pairs: [string, string | number | undefined | null | Node][]): HTMLElement {
  const rows = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return h("dl", { class: "facts" }, ...rows.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value as string)]));
}

export function section(title: string, ...children: (Node | string | null)[]): HTMLElement {
  return h("section", { class: "part" }, h("h3", {}, title), ...children);
}

/** Names with counts, as bars. */
export function bars(pairs: [string, number][]): HTMLElement {
  const most = Math.max(1, ...pairs.map(([, value]) => value));
  return h("ul", { class: "amounts" }, ...pairs.map(([name, value]) => {
    const item = h("li", {}, h("span", {}, plain(name)), h("b", {}, count(value)));
    item.style.setProperty("--part", `${(100 * value) / most}%`);
    return item;
  }));
}

export function tags(texts: string[]): HTMLElement {
  return h("p", { class: "tags" }, ...texts.map((text) => h("span", { class: "tag" }, plain(text))));
}

/** What an edge is good for, as a coloured mark with a word. */
export function mark(app: App, edge: number): HTMLElement {
  const { verdict, doubt } = app.estate.verdictOf(edge);
  const word = (doubt ?? verdict).replaceAll("_", " ");
  return h("span", { class: `mark ${kindOf(app.estate, edge)}` }, word);
}

/** `tcp/5432 postgresql`. */
export function serviceText(app: App, edge: number): string {
  const { service, name } = app.estate.serviceOf(edge);
  return name ? `${service} ${name}` : service;
}

/** The busiest of these edges, in order; sorting all of them would be felt while a slider moves. */
function busiest(app: App, edges: number[]): number[] {
  const { connections } = app.estate;
  const order = (a: number, b: number) => connections[b]! - connections[a]! || a - b;
  let best: number[] = [];
  for (const edge of edges) {
    if (best.length >= 2 * MAX_ROWS) best = best.sort(order).slice(0, MAX_ROWS);
    if (best.length < MAX_ROWS || connections[edge]! >= connections[best[MAX_ROWS - 1]!]!) best.push(edge);
  }
  return best.sort(order).slice(0, MAX_ROWS);
}

/** Edges as a list of buttons, the busiest first. */
export function edgeList(app: App, edges: number[], empty: string): HTMLElement {
  if (edges.length === 0) return h("p", { class: "muted" }, empty);
  const { estate } = app;
  const items = busiest(app, edges).map((edge) => {
    const [client, server] = [estate.nameOf(estate.client[edge]!), estate.nameOf(estate.server[edge]!)];
    const ends = h("span", { class: "ends" }, h("bdi", {}, plain(client)), " → ", h("bdi", {}, plain(server)));
    const what = h("span", { class: "what" }, serviceText(app, edge), mark(app, edge));
    const much = h("span", { class: "much" }, `${count(estate.connections[edge]!)} · ${bytes(estate.bytesOf(edge))}`);
    return h("li", {}, h("button", { type: "button", click: () => app.select(app.edgeKey(edge)) }, ends, much, what));
  });
  const rest = edges.length - items.length;
  return h("div", {}, h("ul", { class: "edges" }, ...items), rest > 0 && h("p", { class: "muted" }, `and ${plural(rest, "other")}: see the table`));
}
