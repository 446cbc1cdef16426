// What a view is about, when nothing is selected: the estate, its changes.

import type { App } from "../app";
import { button, h } from "../dom";
import { bytes, count, plain } from "../format";
import { change } from "../model/changes";
import { kindOf } from "../model/filter";
import { total } from "../model/totals";
import { edgeList, section, WHOLE_PERIOD } from "./parts";
import { sureness } from "./sureness";
import { span } from "./timeline";

/** Rows of a list of nodes or rules. */
const MAX_ROWS = 80;

export function head(title: string, text: string): HTMLElement {
  return h("header", {}, h("h2", {}, title), h("p", { class: "muted" }, text));
}

/** Numbers in large type. */
export function figures(pairs: [string, string, string?][]): HTMLElement {
  return h("dl", { class: "figures" }, ...pairs.map(([term, value, tone]) => h("div", { class: tone ?? "" }, h("dt", {}, term), h("dd", {}, value))));
}

export function overview(app: App): Node[] {
  const { estate } = app;
  const active = app.active;
  const totals = total(estate, active);
  const nodes = new Set(active.flatMap((edge) => [estate.client[edge]!, estate.server[edge]!]));
  const doubtful = active.filter((edge) => kindOf(estate, edge) === "needs_person");
  const { shared_services: shared, exposed, scans } = estate.document;
  const nodeButton = (id: string) => button(plain(estate.byId.has(id) ? estate.nameOf(estate.byId.get(id)!) : id), () => app.select(`n:${id}`), { class: "link" });
  return [
    head("Overview", `${estate.document.source} · ${span(app, app.range)} UTC`),
    figures([
      ["workloads and addresses", count(nodes.size)],
      ["dependencies", count(totals.kinds.accepted ?? 0)],
      ["need a person", count(doubtful.length), doubtful.length > 0 ? "warn" : ""],
      ["connections", count(totals.connections)],
      ["traffic", bytes(totals.bytesToClient + totals.bytesToServer)],
      ["in the scan ledger", count(scans.length), scans.length > 0 ? "warn" : ""],
    ]),
    ...(app.isWhole ? [] : [h("p", { class: "muted hint" }, WHOLE_PERIOD)]),
    section("Error bar", ...sureness(app)),
    section("Shared services", shared.length > 0 ? h("ul", { class: "pairs" }, ...shared.slice(0, MAX_ROWS).map((each) => h("li", {}, nodeButton(each.node), h("span", { class: "muted" }, `used by ${count(each.dependants)}`)))) : h("p", { class: "muted" }, "None: nothing is used by many and uses few.")),
    section("Reached from public addresses", exposed.length > 0 ? h("ul", { class: "pairs" }, ...exposed.slice(0, MAX_ROWS).map((each) => h("li", {}, nodeButton(each.node), h("span", { class: "muted" }, each.services.map((s) => `${s.protocol}/${s.port}${s.used ? "" : " probed"}`).slice(0, 4).join(", "))))) : h("p", { class: "muted" }, "Nothing.")),
    section("Needs a person", edgeList(app, doubtful, "Nothing: every direction is clear.")),
    section("Busiest", edgeList(app, active, "Nothing is shown: widen the filters or the hours.")),
  ];
}

export function changes(app: App): Node[] {
  const { estate } = app;
  const periods = app.periods;
  const found = { new: [] as number[], gone: [] as number[], kept: [] as number[] };
  for (const edge of app.edges) {
    const kind = change(estate, edge, periods);
    if (kind) found[kind].push(edge);
  }
  const hour = (label: string, index: number, value: number) => {
    const set = (event: Event) => {
      const compare = [periods[0].from, periods[0].to, periods[1].from, periods[1].to];
      compare[index] = Number((event.target as HTMLSelectElement).value);
      app.set({ compare });
    };
    return h("label", {}, label, hours(app, value, set));
  };
  const [before, after] = periods;
  return [
    head("Changes", "What appeared and what went between two periods, by the hours in which it was seen."),
    h("div", { class: "periods" },
      h("fieldset", {}, h("legend", {}, "Before"), hour("from", 0, before.from), hour("to", 1, before.to)),
      h("fieldset", {}, h("legend", {}, "After"), hour("from", 2, after.from), hour("to", 3, after.to))),
    figures([["new", count(found.new.length), "good"], ["gone", count(found.gone.length), "warn"], ["in both", count(found.kept.length)]]),
    section("New", edgeList(app, found.new, "Nothing new.")),
    section("Gone", edgeList(app, found.gone, "Nothing went.")),
  ];
}

/** A choice of hours: all of them, or where there are many, each n-th and the one in force. */
function hours(app: App, value: number, change: (event: Event) => void): HTMLElement {
  const MOST = 400;
  const step = Math.max(1, Math.ceil(app.estate.hours / MOST));
  const all = new Set([value, app.estate.hours - 1]);
  for (let hour = 0; hour < app.estate.hours; hour += step) all.add(hour);
  const options = [...all].sort((a, b) => a - b).map((hour) => h("option", { value: hour, selected: hour === value }, new Date(app.estate.timeOf(hour)).toISOString().slice(0, 16).replace("T", " ")));
  return h("select", { change }, ...options);
}
