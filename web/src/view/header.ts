// The head of the page: what this is, the views, the query, and what can be taken away.

import type { App } from "../app";
import { button, h } from "../dom";
import { csv, png, svg } from "../export";
import { count, plural } from "../format";
import { losses } from "../model/totals";
import { VIEWS, type View } from "../state";
import type { Graph } from "./graph";

const NAMES: Record<View, string> = { map: "Map", policy: "Policy", changes: "Changes", scans: "Scans", table: "Table" };

/** A query is taken once the typing pauses: filtering 100,000 edges at every letter would stutter. */
const TYPING = 120;

export class Header {
  readonly element: HTMLElement;
  readonly #app: App;
  readonly #views = new Map<View, HTMLElement>();
  readonly #query: HTMLInputElement;

  constructor(app: App, graph: Graph, live: HTMLElement | null) {
    this.#app = app;
    const views = VIEWS.map((view) => {
      const tab = button(NAMES[view], () => app.set({ view, selected: "" }));
      this.#views.set(view, tab);
      return tab;
    });
    let typing: number | undefined;
    const typed = () => {
      clearTimeout(typing);
      typing = window.setTimeout(() => app.set({ query: this.#query.value }, false), TYPING);
    };
    this.#query = h("input", { type: "search", placeholder: "Search: db, port:5432, app=shop, ns:web, ip:10.20.", "aria-label": "Search names, labels, addresses and services", spellcheck: "false", autocomplete: "off", input: typed }) as HTMLInputElement;
    const themes = button("Theme", () => app.set({ theme: dark(app) ? "light" : "dark" }, false), { class: "quiet", "aria-label": "Theme: switch between light and dark" });
    const save = h("details", { class: "menu" }, h("summary", {}, "Export"),
      h("div", {}, ...([["Picture (PNG)", () => png(graph.cy)], ["Drawing (SVG)", () => svg(graph.cy)], ["Edges shown (CSV)", () => csv(app)]] as const).map(([text, run]) => button(text, () => { run(); (save as HTMLDetailsElement).open = false; }))));
    this.element = h("header", { class: "top" },
      h("h1", {}, mark(), "Watershed"),
      h("nav", { class: "views", "aria-label": "Views" }, ...views),
      this.#query, live ?? "", save, themes);
    addEventListener("keydown", (event) => {
      const typingNow = ["INPUT", "SELECT", "TEXTAREA"].includes((event.target as Element).tagName);
      if (event.key === "/" && !typingNow && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        this.#query.focus();
      }
    });
  }

  update(): void {
    const { state } = this.#app;
    for (const [view, tab] of this.#views) {
      if (view === state.view) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    if (document.activeElement !== this.#query) this.#query.value = state.query;
    if (state.theme) document.documentElement.dataset.theme = state.theme;
    else delete document.documentElement.dataset.theme;
  }
}

function dark(app: App): boolean {
  return app.state.theme ? app.state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Two streams that part: the mark of the page. */
function mark(): Element {
  const name = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(name, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const d of ["M12 3v6c0 4-6 4-6 12", "M12 9c0 4 6 4 6 12"]) {
    const path = document.createElementNS(name, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/** Says what was lost in the hours shown: numbers without that would be believed. */
export class LossBanner {
  readonly element = h("div", { class: "loss", role: "status", hidden: true });
  readonly #app: App;
  #text = "";

  constructor(app: App) {
    this.#app = app;
  }

  update(): void {
    const { view } = this.#app.state;
    const [before, after] = this.#app.periods;
    const range = view === "changes" ? { from: Math.min(before.from, after.from), to: Math.max(before.to, after.to) } : this.#app.range;
    const lost = losses(this.#app.estate, range);
    this.element.hidden = lost.length === 0;
    const text = lost.map(({ what, count: much, agents, hours }) => `${count(much)} ${what} (${plural(agents, "agent")}, ${plural(hours, "hour")})`).join("; ");
    if (text === this.#text) return;
    this.#text = text;
    this.element.replaceChildren(h("b", {}, "Not everything was seen. "), `In these hours: ${text}. What is missing here may exist.`);
  }
}
