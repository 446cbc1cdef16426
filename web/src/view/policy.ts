// The policy view: what the rules of a level allow, what they would deny, and what each generalisation costs.

import type { App } from "../app";
import type { LevelJson, RuleJson } from "../data/document";
import { button, h } from "../dom";
import { count, plain, plural } from "../format";
import { kindOf } from "../model/filter";
import { kept } from "./decide";
import { edgeList, facts, section } from "./parts";
import { figures, head } from "./summaries";
import { sureness } from "./sureness";

/** Rows of a list of rules. */
const MAX_ROWS = 80;

/** What each level is, in a sentence. */
const ABOUT: Record<string, string> = {
  exact: "Every address by itself: nothing is allowed that was not seen.",
  nano: "What was seen, as far as labels can say it.",
  service: "By role and port: where most of a role were seen, all of it may.",
  "ring-fence": "By application and environment: free inside, by observed port between.",
};

export function policy(app: App): Node[] {
  const { estate, level } = app;
  if (!level) return [head("Policy", "No rules were proposed.")];
  const of = { allowed: [] as number[], denied: [] as number[], outside: [] as number[] };
  const inView = new Set<RuleJson>();
  for (const edge of app.active) {
    of[app.fate(edge)].push(edge);
    for (const rule of app.rulesOf(edge)) inView.add(rule);
  }
  const vainly = (edge: number) => kindOf(estate, edge) === "attempts";
  const real = of.denied.filter((edge) => !vainly(edge) && kindOf(estate, edge) !== "other");
  const vain = of.denied.filter(vainly);
  const open = of.allowed.filter(vainly);
  const rules = level.rules.filter((rule) => inView.has(rule));
  return [
    head("Policy", "What the proposed rules allow of what was seen, and what they would deny once default deny is on."),
    levels(app),
    h("p", { class: "muted" }, ABOUT[level.name] ?? ""),
    figures([
      ["rules", count(level.rules.length)],
      ["dependencies allowed", count(of.allowed.length - open.length), "good"],
      ["would be denied", count(real.length), real.length > 0 ? "warn" : ""],
      ["vain tries denied", count(vain.length)],
      ["allowed unseen", count(level.price), level.price > 0 ? "warn" : "good"],
      ...(of.outside.length > 0 ? [["between addresses", count(of.outside.length)] as [string, string]] : []),
    ]),
    ...decided(app),
    section("Levels side by side", comparison(app)),
    section("Error bar", ...sureness(app)),
    section("Proof", proof(level)),
    section("Price of each generalisation, worst first", prices(app, level)),
    section("Would be denied, though it is real traffic", edgeList(app, real, "Nothing.")),
    ...(open.length > 0 ? [section("Vain tries that would be allowed", edgeList(app, open, "None."))] : []),
    section(`Rules for what is shown: ${count(rules.length)}`, ruleList(app, rules, "No rule is for it.")),
    section("Vain tries, rightly denied", edgeList(app, vain, "None.")),
  ];
}

/** What was decided, on this page or before. */
function decided(app: App): Node[] {
  const { said } = app.decisions;
  if (said.size === 0) return [];
  const items = [...said].slice(0, MAX_ROWS).map(([id, what]) => h("li", {}, button(id, () => app.select(`r:${id}`), { class: "link code" }), h("span", { class: what.decision ?? "muted" }, what.decision ?? "comment")));
  const download = kept(app);
  return [section(app.served ? "Decided" : "Decided on this page", h("ul", { class: "pairs" }, ...items), download)];
}

/** What a rule allows beyond what was seen. */
export function price(connections: number): string {
  return connections === 0 ? "nothing is allowed that was not seen" : `${plural(connections, "connection")} allowed that nobody was seen to make`;
}

/** The switch between levels of generalisation. */
function levels(app: App): HTMLElement {
  const { levels } = app.estate.document;
  const buttons = levels.map((level, index) => button(level.name, () => app.set({ level: index }), { "aria-pressed": String(app.level === level) }));
  return h("div", { class: "choice", role: "group", "aria-label": "Level" }, ...buttons);
}

/** Rules against what they admit: the choice between few rules and little allowed unseen. */
function comparison(app: App): HTMLElement {
  const { levels, levels_left_out: leftOut } = app.estate.document;
  const rows = levels.map((level) => h("tr", { class: level === app.level ? "current" : "" }, h("th", { scope: "row" }, level.name), h("td", { class: "number" }, count(level.rules.length)), h("td", { class: "number" }, count(level.price))));
  return h("div", {},
    h("table", { class: "small" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "level"), h("th", { scope: "col", class: "number" }, "rules"), h("th", { scope: "col", class: "number" }, "allowed unseen"))),
      h("tbody", {}, ...rows)),
    ...leftOut.map(({ name, why }) => h("p", { class: "muted" }, `${name} is left out: ${plain(why)}.`)));
}

function proof({ name, proof }: LevelJson): HTMLElement {
  if (!proof) return h("p", { class: "muted" }, `Proven when it is exported, in the language of where it is enforced: `, h("span", { class: "code" }, `watershed rules export --level ${name}`));
  return facts([
    ["Replayed", `${plural(proof.edges_replayed, "dependency", "dependencies")} as ${plural(proof.tuples_observed, "connection")}: all allowed`],
    ["Probed", `${plural(proof.probes_denied, "connection")} that nobody made: all denied`],
    ["Price", price(proof.tuples_unobserved)],
    ["Held back", proof.edges_held_back > 0 ? `${plural(proof.edges_held_back, "dependency", "dependencies")} that no rule can express` : undefined],
  ]);
}

function prices(app: App, level: LevelJson): HTMLElement {
  const priced = level.rules.filter((rule) => (rule.price ?? 0) > 0).sort((a, b) => b.price! - a.price! || (a.id < b.id ? -1 : 1));
  return ruleList(app, priced, "No rule allows what was not seen.");
}

function ruleList(app: App, rules: RuleJson[], none: string): HTMLElement {
  if (rules.length === 0) return h("p", { class: "muted" }, none);
  const items = rules.slice(0, MAX_ROWS).map((rule) => {
    const away = rule.direction === "egress" ? "to" : "from";
    const much = rule.price ? `${count(rule.price)} unseen` : rule.direction ? "" : `from ${count(rule.peers.length)}`;
    return h("li", {}, h("button", { type: "button", click: () => app.select(`r:${rule.id}`) },
      h("span", { class: "ends" }, h("bdi", {}, plain(rule.subject)), " ", h("span", { class: "code" }, rule.service)),
      h("span", { class: "much" }, much),
      h("span", { class: "what" }, `${away} ${rule.peers.slice(0, 6).map(plain).join(", ")}${rule.peers.length > 6 ? " …" : ""}`)));
  });
  const rest = rules.length - items.length;
  return h("div", {}, h("ul", { class: "edges" }, ...items), rest > 0 && h("p", { class: "muted" }, `and ${plural(rest, "other")}: filter to see them`));
}
