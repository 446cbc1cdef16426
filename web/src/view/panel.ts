// What is selected, with its evidence; with nothing selected, what the view is about.

import type { App } from "../app";
import { append, button, h } from "../dom";
import { bytes, count, percent, plain, plural, time } from "../format";
import { total, type Totals } from "../model/totals";
import type { PictureNode } from "../model/picture";
import { decision } from "./decide";
import { bars, edgeList, facts, mark, section, serviceText, tags, WHOLE_PERIOD } from "./parts";
import { policy, price } from "./policy";
import { changes, overview } from "./summaries";

export class Panel {
  readonly element = h("aside", { class: "panel", "aria-label": "Details" });
  readonly #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  update(): void {
    const { view } = this.#app.state;
    this.element.hidden = view === "scans" || view === "table";
    if (this.element.hidden) return;
    const selection = selected(this.#app);
    const focus = focused(this.element);
    this.element.replaceChildren();
    if (selection) {
      append(this.element, [button("Close", () => this.#app.select(""), { class: "close quiet", "aria-label": "Close the details" }), ...selection]);
    } else {
      append(this.element, view === "policy" ? policy(this.#app) : view === "changes" ? changes(this.#app) : overview(this.#app));
    }
    focus?.();
  }
}

/** What gives the focus back to what has it now, once the panel was drawn anew. */
function focused(panel: HTMLElement): (() => void) | undefined {
  const had = document.activeElement;
  if (!(had instanceof HTMLElement) || had === panel || !panel.contains(had)) return undefined;
  const caret = had instanceof HTMLTextAreaElement ? had.selectionStart : undefined;
  return () => {
    const like = had.id ? panel.querySelector<HTMLElement>(`#${had.id}`) : [...panel.querySelectorAll<HTMLElement>(had.tagName)].find((each) => each.textContent === had.textContent);
    like?.focus();
    if (caret !== undefined && like instanceof HTMLTextAreaElement) like.setSelectionRange(caret, caret);
  };
}

/** Parts of the panel; what there is nothing to say of is left out. */
type Content = (Node | false)[];

/** The panel's content for what is selected; nothing where that is no longer there. */
function selected(app: App): Content | undefined {
  const { selected } = app.state;
  if (selected === "") return undefined;
  const all = app.edgesOf(selected);
  const active = all.filter((edge) => app.isActive(edge));
  switch (selected[0]) {
    case "x":
      return all.length === 0 ? undefined : oneEdge(app, all[0]!);
    case "e":
      return all.length === 1 ? oneEdge(app, all[0]!) : line(app, selected, active);
    case "r":
      return rule(app, selected.slice(2), active);
    case "n": {
      const node = app.estate.byId.get(selected.slice(2));
      return node === undefined ? undefined : oneNode(app, node, active);
    }
    default: {
      const node = app.picture.byId.get(selected);
      return node && several(app, node, active);
    }
  }
}

function title(kind: string, name: string): HTMLElement {
  return h("header", {}, h("p", { class: "kind" }, kind), h("h2", {}, h("bdi", {}, plain(name))));
}

function amounts(totals: Totals): HTMLElement {
  return facts([
    ["Connections", `${count(totals.connections)}, ${totals.answered === totals.connections ? "all answered" : `${count(totals.answered)} answered`}`],
    ["To server", bytes(totals.bytesToServer)],
    ["To client", bytes(totals.bytesToClient)],
    ["Packets", count(totals.packets)],
    ["First seen", totals.edges > 0 ? time(totals.firstSeen) : undefined],
    ["Last seen", totals.edges > 0 ? time(totals.lastSeen) : undefined],
    ["Seen by", totals.observers.map(plain).join(", ")],
  ]);
}

/** Volumes, and where only some hours are shown, that these are of them all. */
function volumes(app: App, totals: Totals): Node[] {
  return [amounts(totals), ...(app.isWhole ? [] : [h("p", { class: "muted hint" }, WHOLE_PERIOD)])];
}

/** How connections went and why the client is taken for the client. */
function evidence(totals: Totals): Node[] {
  return [
    section("States of its connections", bars(totals.states)),
    section("Evidence", bars(totals.evidence.map(([name, value]) => [name.replaceAll("_", " "), value]))),
  ];
}

function oneEdge(app: App, edge: number): Node[] {
  const { estate } = app;
  const totals = total(estate, [edge]);
  const verdict = estate.verdictOf(edge);
  const row = estate.rows[edge]!;
  const end = (label: string, node: number, addresses: number[]) => {
    const { id } = estate.nodes[node]!;
    const known = addresses.map((index) => estate.document.addresses[index]!).filter((address) => address !== id);
    return [label, h("span", {}, button(plain(id), () => app.select(`n:${id}`), { class: "link" }), known.length > 0 && h("span", { class: "muted" }, ` ${known.join(", ")}`))] as [string, Node];
  };
  return [
    title("Dependency", `${estate.nameOf(row[0])} → ${estate.nameOf(row[1])}`),
    h("p", {}, h("b", {}, serviceText(app, edge)), " ", mark(app, edge)),
    h("p", { class: "muted" }, `${verdict.text.charAt(0).toUpperCase()}${verdict.text.slice(1)}.`),
    facts([end("Client", row[0], row[16]), end("Server", row[1], row[17])]),
    ...volumes(app, totals),
    section("Direction", ...direction(app, edge)),
    section("Policy", ...fate(app, edge)),
    ...(totals.names.length > 0 ? [section("Names that clients used", tags(totals.names))] : []),
    ...evidence(totals),
    section("Hours", h("p", { class: "muted" }, hoursText(app, row[12]))),
  ];
}

/** Below this nothing becomes a rule, unless the settings say otherwise: `graph.min_direction_probability`. */
const SURE = 0.99;

/** From here on a probability may have been rounded up, at most to what nothing ever is. */
const ROUNDED_UP = 0.999999;

/** How sure it is that the client is the client. */
function direction(app: App, edge: number): Node[] {
  const { estate } = app;
  const row = estate.rows[edge]!;
  const client = plain(estate.nameOf(row[0]));
  const text = h("p", {}, h("b", {}, row[19] >= ROUNDED_UP ? "more than 99.999 %" : percent(row[19])), ` sure that ${client} is the client.`);
  return row[19] < SURE ? [text, h("p", { class: "muted" }, "That is too little for a rule: a handshake seen from its start would settle it.")] : [text];
}

/** What the rules do with it, and which. */
function fate(app: App, edge: number): Node[] {
  const rules = app.rulesOf(edge).map((rule) => h("li", {}, button(rule.id, () => app.select(`r:${rule.id}`), { class: "link code" })));
  const level = app.level?.name ?? "";
  switch (app.fate(edge)) {
    case "allowed":
      return [h("p", {}, `Allowed at level ${level} by `), h("ul", {}, ...rules)];
    case "outside":
      return [h("p", {}, `Between two addresses: at level ${level} no rule is for it.`)];
    case "denied":
      return [h("p", {}, rules.length > 0 ? `Denied at level ${level}: one end would let it pass, the other would not.` : "No rule allows it: denied once default deny is on."), h("ul", {}, ...rules)];
  }
}

function hoursText(app: App, runs: number[]): string {
  let hours = 0;
  for (let i = 0; i + 1 < runs.length; i += 2) hours += runs[i + 1]! - runs[i]! + 1;
  return `Seen in ${count(hours)} of ${plural(app.estate.hours, "hour")}.`;
}

function line(app: App, id: string, edges: number[]): Node[] | undefined {
  const found = app.picture.edges.find((each) => each.id === id);
  if (!found) return undefined;
  const name = (end: string) => app.picture.byId.get(end)?.label ?? end;
  const totals = total(app.estate, edges);
  return [
    title(plural(edges.length, "dependency", "dependencies"), `${name(found.from)} → ${name(found.to)}`),
    ...volumes(app, totals),
    section("Dependencies", edgeList(app, edges, "None in this period.")),
    ...evidence(totals),
  ];
}

function oneNode(app: App, index: number, edges: number[]): Content {
  const { estate } = app;
  const node = estate.nodes[index]!;
  const kind = { host: "Workload", network: "Network", address: "Address" }[node.kind] ?? node.kind;
  const uses = edges.filter((edge) => estate.client[edge] === index);
  const used = edges.filter((edge) => estate.server[edge] === index);
  const exposed = estate.document.exposed.find((each) => each.node === node.id);
  const labels = Object.entries(node.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  const role = { client: "uses services", server: "offers services", both: "uses and offers services", bystander: "no settled dependency" }[node.role];
  return [
    title(kind, estate.nameOf(index)),
    node.kind === "address" && (node.names?.length ?? 0) > 1 && h("p", { class: "muted" }, "It has several names: which of them a connection meant is not known."),
    labels.length > 0 ? tags(labels) : h("span"),
    facts([
      ["Namespace", node.namespace && plain(node.namespace)],
      ["Lies", { internal: "inside", public: "outside", group: "multicast or broadcast" }[node.scope]],
      ["Role", role],
      ["Addresses", some(node.addresses)],
      ["Names", some((node.names ?? []).map(plain))],
      ["Group", app.groups.names[app.groups.of[index]!]],
    ]),
    ...listening(app, node.addresses),
    ...reach(app, index),
    ...(exposed ? [section("Reached from public addresses", bars(exposed.services.map((each) => [`${each.protocol}/${each.port}${each.used ? "" : " (only probed)"}`, each.connections])))] : []),
    section(`Used by ${used.length}`, edgeList(app, used, "Nobody in this period.")),
    section(`Uses ${uses.length}`, edgeList(app, uses, "Nothing in this period.")),
  ];
}

/** The processes that listened on these addresses, as far as agents may see them. */
function listening(app: App, addresses: string[]): Node[] {
  const own = app.estate.document.listening.filter((each) => addresses.includes(each.address));
  const who = own.map(({ service, process, unit, user }) => `${service} ${process ?? `user ${user}`}${unit ? ` (${unit})` : ""}`);
  return who.length > 0 ? [section("Listens on", tags([...new Set(who)]))] : [];
}

/** Where a workload gets to before the exact rules and after. */
function reach(app: App, index: number): Node[] {
  const { reach } = app.estate.document;
  const of = reach?.nodes[index];
  if (!reach || !of) return [];
  const [mayBefore, mayAfter, getsBefore, getsAfter] = of;
  const row = (name: string, before: number, after: number) => h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "number" }, count(before)), h("td", { class: "number" }, count(after)));
  return [section("Reach, before the exact rules and after",
    h("table", { class: "small" },
      h("thead", {}, h("tr", {}, h("td"), h("th", { scope: "col", class: "number" }, "before"), h("th", { scope: "col", class: "number" }, "after"))),
      h("tbody", {}, row("services it may use", mayBefore, mayAfter), row(`others it gets to in ${reach.steps} steps`, getsBefore, getsAfter))))];
}

/** The first few, and how many more. */
function some(texts: string[]): string {
  const SHOWN = 8;
  return texts.slice(0, SHOWN).join(", ") + (texts.length > SHOWN ? ` and ${texts.length - SHOWN} more` : "");
}

function several(app: App, node: PictureNode, edges: number[]): Node[] {
  const { estate } = app;
  const members = new Set(node.members);
  const inside = edges.filter((edge) => members.has(estate.client[edge]!) && members.has(estate.server[edge]!));
  const uses = edges.filter((edge) => members.has(estate.client[edge]!) && !members.has(estate.server[edge]!));
  const used = edges.filter((edge) => !members.has(estate.client[edge]!));
  const kind = { group: "Application", open: "Application", bundle: "Role", more: "Others" }[node.kind as "group"] ?? "";
  const open = app.open.includes(node.id);
  const [busiest] = [[...node.members].sort((a, b) => estate.nodes[b]!.dependants - estate.nodes[a]!.dependants || a - b).slice(0, 30)];
  return [
    title(kind, node.label),
    h("p", { class: "muted" }, node.detail),
    node.kind === "more" ? h("span") : h("p", {}, button(open ? "Close it" : "Open it", () => app.toggle(node.id), { class: "primary" })),
    ...volumes(app, total(estate, edges)),
    section("Members", h("ul", { class: "members" }, ...busiest!.map((member) => h("li", {}, button(plain(estate.nameOf(member)), () => app.select(`n:${estate.nodes[member]!.id}`), { class: "link" }))),
      node.members.length > busiest!.length && h("li", { class: "muted" }, `and ${count(node.members.length - busiest!.length)} more`))),
    section(`Used by others: ${uses.length === 0 && used.length === 0 ? "none" : count(used.length)}`, edgeList(app, used, "Nobody outside it, in this period.")),
    section(`Uses others: ${count(uses.length)}`, edgeList(app, uses, "Nothing outside it, in this period.")),
    section(`Within: ${count(inside.length)}`, edgeList(app, inside, "Nothing.")),
  ];
}

function rule(app: App, id: string, edges: number[]): Node[] | undefined {
  const found = app.level?.rules.find((each) => each.id === id);
  if (!found) return undefined;
  const [subject, peers] = [plain(found.subject), some(found.peers.map(plain))];
  const [from, to] = found.direction === "egress" ? [subject, peers] : [peers, subject];
  const stands = { ingress: "at the server: what may come in", egress: "at the client: what may go out" };
  return [
    title(`Rule, level ${app.level!.name}`, found.id),
    facts([
      ["Allows", found.service],
      ["To", to],
      ["From", from],
      ["Stands", found.direction && stands[found.direction]],
      ["Price", found.price === undefined ? undefined : price(found.price)],
      ["Rests on", `${plural(found.edges.length, "dependency", "dependencies")}, ${plural(total(app.estate, found.edges).connections, "connection")}`],
    ]),
    decision(app, id),
    section("What it allows of what was seen", edgeList(app, edges, "Nothing of this period.")),
    ...evidence(total(app.estate, edges)),
  ];
}

