// Filters, and the outline: everything on the picture as a list.

import type { App } from "../app";
import { button, h } from "../dom";
import { minute, plain } from "../format";
import { KINDS, type Kind } from "../state";

const KIND_NAMES: Record<Kind, string> = {
  accepted: "Dependencies",
  needs_person: "Needs a person",
  attempts: "Tried in vain",
  other: "Multicast and control",
};

/** Choices of a list at most; the query finds the others. */
const MAX_CHOICES = 400;

export class Sidebar {
  readonly element: HTMLElement;
  readonly #app: App;
  readonly #kinds = new Map<Kind, HTMLInputElement>();
  readonly #by: HTMLSelectElement;
  readonly #label: HTMLSelectElement;
  readonly #namespace: HTMLSelectElement;
  readonly #service: HTMLSelectElement;
  readonly #external: HTMLSelectElement;
  readonly #since: HTMLSelectElement;
  readonly #outline = h("ul", { class: "outline" });
  #drawn = "";
  #generation = 0;

  constructor(app: App) {
    this.#app = app;
    this.#by = choice("Group by", (by) => app.set({ by, open: undefined, selected: "" }));
    this.#label = choice("Label", (label) => app.set({ label }));
    this.#namespace = choice("Namespace", (namespace) => app.set({ namespace }));
    this.#service = choice("Service", (service) => app.set({ service }));
    this.#external = choice("Outside", (external) => app.set({ external: external as "" }));
    this.#since = choice("New since", (since) => app.set({ since: Number(since) }));
    fill(this.#external, [["", "with"], ["only", "only"], ["none", "without"]]);
    this.#fill();
    const boxes = KINDS.map((kind) => {
      const box = h("input", { type: "checkbox", change: () => this.#toggle(kind) }) as HTMLInputElement;
      this.#kinds.set(kind, box);
      return h("label", { class: `check ${kind}` }, box, h("span", { class: "swatch" }), KIND_NAMES[kind]);
    });
    const selects = [this.#by, this.#label, this.#namespace, this.#service, this.#external, this.#since];
    this.element = h("nav", { class: "sidebar", "aria-label": "Filters and outline" },
      h("fieldset", { class: "kinds" }, h("legend", {}, "Show"), ...boxes),
      h("fieldset", { class: "selects" }, h("legend", {}, "Filter"), ...selects.map((select) => h("label", {}, select.getAttribute("aria-label")!, select)), button("Clear filters", () => app.reset(), { class: "quiet" })),
      h("h2", { id: "outline" }, "Outline"), this.#outline);
    this.#outline.setAttribute("aria-labelledby", "outline");
  }

  /** Offers what there is to choose from; a choice of one is none. */
  #fill(): void {
    const { estate, choices } = this.#app;
    const labels = count(estate.nodes.flatMap((node) => Object.entries(node.labels ?? {}).map(([key, value]) => `${key}=${value}`)));
    const namespaces = count(estate.nodes.flatMap((node) => node.namespace ?? []));
    const services = count(Array.from(estate.service, (service) => estate.document.services[service]!.service));
    const hours = Array.from({ length: Math.min(estate.hours, MAX_CHOICES) }, (_, i) => Math.floor((i * estate.hours) / Math.min(estate.hours, MAX_CHOICES)));
    fill(this.#by, choices.map((by) => [by, by]));
    fill(this.#label, any(labels));
    fill(this.#namespace, any(namespaces));
    fill(this.#service, any(services));
    fill(this.#since, [["-1", "any time"], ...hours.slice(1).map((hour): [string, string] => [String(hour), minute(estate.timeOf(hour))])]);
  }

  #toggle(kind: Kind): void {
    const { kinds } = this.#app.state;
    this.#app.set({ kinds: KINDS.filter((each) => kinds.includes(each) !== (each === kind)) });
  }

  update(): void {
    const { state, kinds, by, generation } = this.#app;
    if (generation !== this.#generation) {
      this.#generation = generation;
      this.#fill();
    }
    for (const [kind, box] of this.#kinds) {
      box.checked = kinds.includes(kind);
      // What rules deny is what their view is about.
      box.disabled = kind === "attempts" && state.view === "policy";
    }
    this.#by.value = by;
    for (const [select, value] of [[this.#label, state.label], [this.#namespace, state.namespace], [this.#service, state.service], [this.#external, state.external], [this.#since, String(state.since)]] as const) {
      // What an address asks for may not be among the choices.
      if (![...select.options].some((option) => option.value === value)) select.append(h("option", { value }, plain(value)));
      select.value = value;
    }
    for (const select of [this.#namespace, this.#since]) select.parentElement!.hidden = select.options.length < 2;
    const drawn = this.#app.pictureKey;
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.#list();
    }
    for (const entry of this.#outline.querySelectorAll<HTMLElement>("[data-id]")) {
      entry.toggleAttribute("aria-current", entry.dataset.id === state.selected);
      if (entry.dataset.id === state.selected) entry.setAttribute("aria-current", "true");
    }
  }

  #list(): void {
    const { picture } = this.#app;
    const children = (parent: string | undefined): HTMLElement[] => picture.nodes.filter((node) => node.parent === parent).map((node) => {
      const opens = node.kind === "group" || node.kind === "open" || node.kind === "bundle";
      const open = node.kind === "open";
      const name = h("button", { type: "button", class: "name", "data-id": node.id, click: () => this.#app.select(node.id) }, h("bdi", {}, node.label), opens && h("span", { class: "muted" }, String(node.members.length)));
      const toggle = opens && h("button", { type: "button", class: "toggle", "aria-expanded": String(open), "aria-label": `${open ? "Close" : "Open"} ${node.label}`, click: () => this.#app.toggle(node.id) }, open ? "▾" : "▸");
      return h("li", { class: opens ? "" : "leaf" }, toggle, name, open && h("ul", {}, ...children(node.id)));
    });
    const focused = document.activeElement?.getAttribute("aria-label")?.replace(/^\w+ /, "");
    this.#outline.replaceChildren(...children(undefined));
    // What was opened by keyboard stays where the keyboard is.
    if (focused) [...this.#outline.querySelectorAll<HTMLElement>(".toggle")].find((each) => each.getAttribute("aria-label")?.replace(/^\w+ /, "") === focused)?.focus();
  }
}

/** Values with how often there are, most first. */
function count(values: string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, MAX_CHOICES);
}

function any(values: [string, number][]): [string, string][] {
  return [["", "any"], ...values.map(([value, count]): [string, string] => [value, `${plain(value)} (${count})`])];
}

function choice(name: string, change: (value: string) => void): HTMLSelectElement {
  return h("select", { "aria-label": name, change: (event) => change((event.target as HTMLSelectElement).value) }) as HTMLSelectElement;
}

function fill(select: HTMLSelectElement, options: [string, string][]): void {
  select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
}
