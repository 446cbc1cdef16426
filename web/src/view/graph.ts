// The picture, drawn by Cytoscape on a canvas; everything on it can be reached by keyboard and is in the outline too.

import cytoscape, { type CollectionReturnValue, type Core, type EventObject, type StylesheetJson } from "cytoscape";
import type { App } from "../app";
import { button, h } from "../dom";
import { count } from "../format";
import { sizeOf } from "../model/layout";
import type { PictureNode } from "../model/picture";

/** Labels on lines are legible for so many of them. */
const MAX_LABELLED_LINES = 16;

/** Lines bend around each other while they are few; straight ones are quicker to draw. */
const MAX_CURVED_LINES = 130;

/** Few things are not blown up to fill the screen. */
const MAX_FIT = 1.2;

export class Graph {
  readonly #app: App;
  readonly #cy: Core;
  readonly element: HTMLElement;
  #drawn = "";
  #scene = "";
  /** The classes that each line was given last. */
  #looks = new Map<string, string>();
  #theme = "";

  constructor(app: App) {
    this.#app = app;
    const canvas = h("div", { class: "canvas" });
    const keys = "Arrow keys move between things, Enter opens or closes, Escape clears, plus and minus zoom, 0 shows everything.";
    const stage = h("div", { class: "stage", tabindex: 0, role: "application", "aria-label": `Map of dependencies. ${keys}`, keydown: (event) => this.#key(event as KeyboardEvent) }, canvas);
    const tools = h("div", { class: "tools", role: "group", "aria-label": "Zoom" },
      button("+", () => this.#zoom(1.3), { "aria-label": "Zoom in" }),
      button("−", () => this.#zoom(1 / 1.3), { "aria-label": "Zoom out" }),
      button("Fit", () => this.fit(), { "aria-label": "Fit everything" }),
    );
    this.element = h("div", { class: "graph" }, stage, tools);
    this.#cy = cytoscape({ container: canvas, layout: { name: "preset" }, minZoom: 0.08, maxZoom: 2.5, boxSelectionEnabled: false, selectionType: "single", pixelRatio: Math.min(devicePixelRatio, 2) });
    this.#listen();
    new ResizeObserver(() => this.#cy.resize()).observe(canvas);
  }

  get cy(): Core {
    return this.#cy;
  }

  #listen(): void {
    const id = (event: EventObject) => String(event.target.id());
    this.#cy.on("tap", "node, edge", (event) => this.#app.select(id(event)));
    this.#cy.on("dbltap", "node", (event) => this.#open(id(event)));
    this.#cy.on("tap", (event) => event.target === this.#cy && this.#app.select(""));
    this.#cy.on("mouseover", "node, edge", (event) => {
      this.element.classList.add("pointing");
      if (event.target.isEdge()) event.target.addClass("pointed");
    });
    this.#cy.on("mouseout", "node, edge", (event) => {
      this.element.classList.remove("pointing");
      event.target.removeClass("pointed");
    });
  }

  /** Opens what can be opened. */
  #open(id: string): void {
    const kind = this.#app.picture.byId.get(id)?.kind;
    if (kind === "group" || kind === "open" || kind === "bundle") this.#app.toggle(id);
  }

  update(): void {
    const { state } = this.#app;
    const theme = getComputedStyle(document.documentElement).getPropertyValue("--surface") + state.theme;
    if (theme !== this.#theme) {
      this.#theme = theme;
      this.#cy.style(stylesheet());
    }
    const drawn = this.#app.pictureKey;
    const moved = drawn !== this.#drawn;
    this.#cy.batch(() => {
      if (moved) this.#place();
      this.#lines();
      this.#emphasize();
    });
    if (moved) {
      this.#drawn = drawn;
    }
    // Newer data of the same scene moves nobody's eyes.
    const scene = this.#app.sceneKey;
    if (scene !== this.#scene) {
      this.#scene = scene;
      this.fit(this.#app.picture.byId.get(state.selected)?.kind === "open" ? this.#cy.getElementById(state.selected) : undefined);
    }
  }

  /** Draws the nodes anew. */
  #place(): void {
    const { picture, boxes } = this.#app;
    this.#cy.elements().remove();
    this.#cy.add(picture.nodes.map((node) => {
      const box = boxes.get(node.id);
      const { width, height } = box ?? sizeOf(node);
      const label = node.detail && node.kind !== "open" ? `${node.label}\n${node.detail}` : node.label;
      const data = { id: node.id, label, width, height, ...(node.parent ? { parent: node.parent } : {}) };
      return { group: "nodes" as const, data, classes: classes(node), ...(box ? { position: { x: box.x, y: box.y } } : {}) };
    }));
  }

  /** Draws the lines: those that are new are added, those of another time are hidden. */
  #lines(): void {
    const { lines } = this.#app;
    const wanted = new Set(lines.map((line) => line.id));
    this.#cy.edges().forEach((edge) => void (wanted.has(edge.id()) || edge.remove()));
    const looks = new Map<string, string>();
    const most = Math.log1p(Math.max(1, ...lines.map((line) => line.connections)));
    const labelled = lines.length <= MAX_LABELLED_LINES;
    const curved = lines.length <= MAX_CURVED_LINES;
    const fresh = [];
    for (const line of lines) {
      const width = 1 + (3 * Math.log1p(line.connections)) / most;
      const tone = this.#app.toneOf(line);
      const known = this.#cy.getElementById(line.id);
      const all = `${tone}${labelled ? " labelled" : ""}${curved ? " curved" : " dense"}`;
      looks.set(line.id, all);
      // Styling is what takes long: lines that look as before are left alone.
      if (known.nonempty()) void (this.#looks.get(line.id) === all || known.classes(all));
      else fresh.push({ group: "edges" as const, data: { id: line.id, source: line.from, target: line.to, width, label: line.label }, classes: all });
    }
    this.#looks = looks;
    this.#cy.add(fresh);
  }

  /** Brings out what is selected and what it touches. */
  #emphasize(): void {
    const { selected } = this.#app.state;
    this.#cy.elements().removeClass("chosen faded near named");
    const chosen = this.#chosen(selected);
    if (chosen.empty()) return;
    const near = chosen.union(chosen.connectedEdges()).union(chosen.descendants().connectedEdges());
    const around = near.union(near.connectedNodes()).union(near.connectedNodes().ancestors()).union(chosen.ancestors()).union(chosen.descendants());
    this.#cy.elements().difference(around).addClass("faded");
    near.edges().addClass(near.edges().length <= MAX_LABELLED_LINES ? "near named" : "near");
    chosen.addClass("chosen");
  }

  #chosen(selected: string) {
    if (!selected.startsWith("x:") && !selected.startsWith("r:")) return this.#cy.getElementById(selected);
    const lines = new Set(this.#app.edgesOf(selected).map((edge) => this.#app.lineOf(edge)));
    return this.#cy.edges().filter((edge) => lines.has(edge.id()));
  }

  /** Brings everything into view, or what was just opened. */
  fit(what?: CollectionReturnValue): void {
    this.#cy.resize();
    this.#cy.fit(what, what ? 90 : 30);
    if (this.#cy.zoom() > MAX_FIT) {
      this.#cy.zoom(MAX_FIT);
      this.#cy.center(what);
    }
  }

  #zoom(factor: number): void {
    const { width, height } = this.element.getBoundingClientRect();
    this.#cy.zoom({ level: this.#cy.zoom() * factor, renderedPosition: { x: width / 2, y: height / 2 } });
  }

  #key(event: KeyboardEvent): void {
    const directions: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const direction = directions[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (direction) this.#move(...direction);
    else if (event.key === "Enter" || event.key === " ") this.#open(this.#app.state.selected);
    else if (event.key === "Escape") this.#app.select("");
    else if (event.key === "+" || event.key === "=") this.#zoom(1.3);
    else if (event.key === "-") this.#zoom(1 / 1.3);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
  }

  /** Selects the nearest thing in a direction; the leftmost where nothing is selected. */
  #move(dx: number, dy: number): void {
    const current = this.#cy.getElementById(this.#app.state.selected);
    const nodes = this.#cy.nodes().filter((node) => !node.isParent());
    if (nodes.empty()) return;
    const from = current.nonempty() && current.isNode() ? current.position() : undefined;
    const cost = (node: cytoscape.NodeSingular) => {
      const { x, y } = node.position();
      if (!from) return x + y;
      const along = (x - from.x) * dx + (y - from.y) * dy;
      const across = Math.abs((x - from.x) * dy) + Math.abs((y - from.y) * dx);
      return along <= 1 ? Infinity : along + 2 * across;
    };
    const best = nodes.min((node) => cost(node as cytoscape.NodeSingular));
    if (best.value === Infinity) return;
    this.#app.select(best.ele.id());
    this.#reveal(best.ele as unknown as cytoscape.NodeSingular);
  }

  #reveal(node: cytoscape.NodeSingular): void {
    const { x1, x2, y1, y2 } = this.#cy.extent();
    const { x, y } = node.position();
    if (x < x1 || x > x2 || y < y1 || y > y2) this.#cy.center(node);
  }

  /** What is drawn, in words. */
  describe(): string {
    const { picture, lines } = this.#app;
    const shown = lines.length < picture.edges.length ? `${count(lines.length)} of ${count(picture.edges.length)} lines drawn; select something to see all of its own` : "";
    return shown;
  }
}

function classes(node: PictureNode): string {
  return `${node.kind}${node.external ? " external" : ""}`;
}

/** The colours of the style sheet, on the canvas. */
function stylesheet(): StylesheetJson {
  const css = getComputedStyle(document.documentElement);
  const color = (name: string) => css.getPropertyValue(`--${name}`).trim();
  const font = css.getPropertyValue("--font").trim();
  const line = (tone: string, variable: string, more: object = {}) => ({
    selector: `edge.${tone}`,
    style: { "line-color": color(variable), "target-arrow-color": color(variable), ...more },
  });
  const rules = [
    {
      selector: "node",
      style: {
        shape: "round-rectangle", "corner-radius": 8, width: "data(width)", height: "data(height)", label: "data(label)",
        "background-color": color("node"), "border-width": 1, "border-color": color("node-line"), color: color("text"),
        "font-family": font, "font-size": 12.5, "font-weight": 500, "text-valign": "center", "text-halign": "center",
        "text-wrap": "wrap", "text-max-width": "180px", "line-height": 1.25, "min-zoomed-font-size": 5,
      },
    },
    { selector: "node.group, node.bundle", style: { "background-color": color("group"), "border-color": color("group-line"), "border-width": 1.5, "font-weight": 600 } },
    { selector: "node.address", style: { "background-color": color("address") } },
    { selector: "node.external", style: { "background-color": color("outside"), "border-color": color("outside-line") } },
    { selector: "node.more", style: { "border-style": "dashed", color: color("muted") } },
    {
      selector: "node.open",
      style: {
        "background-color": color("inside"), "background-opacity": 1, "border-color": color("group-line"), "border-width": 1,
        "text-valign": "top", "text-halign": "center", "text-margin-y": 22, padding: "22px", "font-weight": 600, "min-height": "0px",
        "min-height-bias-top": "100%",
      },
    },
    {
      selector: "edge",
      style: {
        width: "data(width)", "curve-style": "straight", "target-arrow-shape": "triangle", "arrow-scale": 0.75, opacity: 0.8,
        "font-family": font, "font-size": 10.5, color: color("muted"), "text-background-color": color("surface"),
        "text-background-opacity": 0.92, "text-background-padding": "2px", "text-background-shape": "roundrectangle", "min-zoomed-font-size": 8,
      },
    },
    { selector: "edge.curved", style: { "curve-style": "bezier", "control-point-step-size": 34 } },
    { selector: "edge.dense", style: { opacity: 0.3 } },
    { selector: "edge.labelled, edge.named, edge.pointed", style: { label: "data(label)" } },
    line("accepted", "accepted"), line("needs_person", "needs-person", { "line-style": "dashed" }), line("attempts", "attempts", { "line-style": "dotted" }),
    line("other", "other", { "line-style": "dotted" }), line("allowed", "allowed"), line("denied", "denied", { "line-style": "dashed" }),
    line("new", "new"), line("gone", "gone", { "line-style": "dashed" }), line("kept", "kept", { opacity: 0.45 }),
    { selector: "edge.absent", style: { display: "none" } },
    { selector: "edge.near", style: { opacity: 1, "z-index": 10 } },
    { selector: ".faded", style: { opacity: 0.13 } },
    { selector: "node.open.faded", style: { opacity: 0.35 } },
    { selector: "node.chosen", style: { "border-width": 2.5, "border-color": color("focus") } },
    { selector: "edge.chosen", style: { "underlay-color": color("focus"), "underlay-opacity": 0.25, "underlay-padding": 4 } },
    { selector: ":active", style: { "overlay-opacity": 0.06 } },
  ];
  return rules as unknown as StylesheetJson;
}
