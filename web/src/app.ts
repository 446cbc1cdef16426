// The state, what follows from it, and who is told when it changes.

import type { LevelJson, RuleJson } from "./data/document";
import { Estate, type Range } from "./data/estate";
import { change, periods } from "./model/changes";
import { Decisions } from "./model/decisions";
import { filter, kindOf } from "./model/filter";
import { choices, group, type Groups } from "./model/groups";
import { layout, type Box } from "./model/layout";
import { draw, edgeId, groupId, MAX_LINES, type Picture, type PictureEdge } from "./model/picture";
import { DEFAULTS, KINDS, read, write, type State } from "./state";

/** How a line is coloured, by view. */
export type Tone = "accepted" | "needs_person" | "attempts" | "other" | "allowed" | "denied" | "new" | "gone" | "kept" | "absent";

/** What a line in the policy view is coloured by, the first that any of its edges has. */
const POLICY_TONES = ["denied", "allowed", "attempts", "other"] as const;

/** What becomes of an edge under rules; `outside` lies between two addresses that none is for. */
export type Fate = "allowed" | "denied" | "outside";

/** Lines of a selection that are drawn beyond the busiest. */
const MAX_SELECTED_LINES = 400;

/** An estate of so many workloads and addresses is shown with its groups open. */
const MAX_OPEN = 40;

/** While a slider moves, the page's address waits for it to pause, milliseconds: browsers let it change a few times a second. */
const ADDRESS_PAUSE = 150;

/** Remembers the last result for what it was made of. */
function last<T>(): (key: string, make: () => T) => T {
  let known: { key: string; value: T } | undefined;
  return (key, make) => {
    if (known?.key !== key) known = { key, value: make() };
    return known.value;
  };
}

/** What stands in an address; nonsense stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export class App {
  estate: Estate;
  choices: string[];
  /** Which data this is: goes up when the server sends newer. */
  generation = 0;
  /** Whether a server can be asked for more than the page holds. */
  readonly served: boolean;
  readonly decisions = new Decisions(this);
  state: State;
  #listeners: (() => void)[] = [];
  #scheduled = false;
  /** The address that waits to be written. */
  #pending: number | undefined;
  /** Whether the last change is one of many in a row, as while a slider moves. */
  moving = false;
  readonly #groups = last<Groups>();
  readonly #edges = last<number[]>();
  readonly #active = last<number[]>();
  readonly #open = last<readonly string[]>();
  readonly #picture = last<Picture>();
  readonly #boxes = last<Map<string, Box>>();

  constructor(estate: Estate, served = false) {
    this.estate = estate;
    this.served = served;
    this.choices = choices(estate);
    this.state = read(location.hash);
    addEventListener("hashchange", () => {
      clearTimeout(this.#pending);
      this.#pending = undefined;
      if (location.hash.slice(1) !== write(this.state)) this.#replace(read(location.hash));
    });
  }

  /** Calls `listener` after every change, and once now. */
  listen(listener: () => void): void {
    this.#listeners.push(listener);
    listener();
  }

  /** Changes the state. Steps that a person would want to take back are steps in the browser's history. */
  set(patch: Partial<State>, step = true): void {
    const state = { ...this.state, ...patch };
    if (step) {
      this.#address();
      if (write(state) !== write(this.state)) history.pushState(null, "", `#${write(state)}`);
    } else {
      clearTimeout(this.#pending);
      this.#pending = window.setTimeout(() => this.#address(), ADDRESS_PAUSE);
    }
    this.moving = !step;
    this.#replace(state);
  }

  /** Writes the address that waits. */
  #address(): void {
    if (this.#pending === undefined) return;
    clearTimeout(this.#pending);
    this.#pending = undefined;
    history.replaceState(null, "", `#${write(this.state)}`);
  }

  /** Shows anew what is shown: something beside the state has changed. */
  touch(): void {
    this.#replace(this.state);
  }

  /** Shows newer data; what is shown of it, and what is selected, stays. */
  renew(estate: Estate): void {
    this.estate = estate;
    this.choices = choices(estate);
    this.generation += 1;
    this.moving = false;
    this.touch();
  }

  reset(): void {
    const { view, theme, by } = this.state;
    this.set({ ...DEFAULTS, view, theme, by });
  }

  #replace(state: State): void {
    this.state = state;
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      for (const listener of this.#listeners) listener();
    });
  }

  get by(): string {
    return this.choices.includes(this.state.by) ? this.state.by : this.choices[0]!;
  }

  get groups(): Groups {
    return this.#groups(JSON.stringify([this.generation, this.by]), () => group(this.estate, this.by));
  }

  /** Opened groups and roles: as chosen, or all while that is a picture of few things. */
  get open(): readonly string[] {
    return this.state.open ?? this.#open(this.by + this.#filters, () => this.#suitable());
  }

  #suitable(): readonly string[] {
    const ends = new Set<number>();
    for (const edge of this.edges) {
      ends.add(this.estate.client[edge]!).add(this.estate.server[edge]!);
      if (ends.size > MAX_OPEN) return [];
    }
    return this.groups.names.filter((_, index) => this.groups.sizes[index]! > 1).map(groupId);
  }

  /** The edges that pass every filter but time. */
  get edges(): number[] {
    return this.#edges(this.#filters, () => filter(this.estate, { ...this.state, kinds: this.kinds }));
  }

  get #filters(): string {
    const { query, external, label, namespace, service, since } = this.state;
    return JSON.stringify([this.generation, this.kinds, query, external, label, namespace, service, since]);
  }

  /** The kinds shown: what rules deny includes what was tried in vain. */
  get kinds(): State["kinds"] {
    const { kinds, view } = this.state;
    return view === "policy" && !kinds.includes("attempts") ? [...kinds, "attempts"] : kinds;
  }

  get picture(): Picture {
    const edges = this.edges;
    return this.#picture(this.#key, () => draw(this.estate, this.groups, edges, new Set(this.open)));
  }

  get boxes(): Map<string, Box> {
    return this.#boxes(this.#key, () => layout(this.picture));
  }

  get #key(): string {
    return JSON.stringify([this.by, this.open, this.#filters]);
  }

  /** What a person chose to see: while it stays, so does where they look. */
  get sceneKey(): string {
    const { query, external, label, namespace, service, since } = this.state;
    return JSON.stringify([this.by, this.open, this.kinds, query, external, label, namespace, service, since]);
  }

  /** What makes the picture: the same key is the same picture. */
  get pictureKey(): string {
    return this.#key;
  }

  get range(): Range {
    const last = this.estate.hours - 1;
    const to = this.state.to < 0 ? last : Math.min(this.state.to, last);
    return { from: Math.min(this.state.from, to), to };
  }

  /** Whether all hours are shown. */
  get isWhole(): boolean {
    const { from, to } = this.range;
    return this.state.view === "changes" || (from === 0 && to === this.estate.hours - 1);
  }

  get periods(): [Range, Range] {
    return periods(this.estate, this.state.compare);
  }

  /** Whether an edge was seen in what is shown. */
  isActive(edge: number): boolean {
    if (this.state.view === "changes") return change(this.estate, edge, this.periods) !== undefined;
    return this.estate.seenIn(edge, this.range);
  }

  /** The edges shown. */
  get active(): number[] {
    const { view } = this.state;
    const when = view === "changes" ? this.periods : this.range;
    return this.#active(JSON.stringify([this.#filters, when]), () => this.edges.filter((edge) => this.isActive(edge)));
  }

  /** The lines to draw: the busiest, and those of what is selected. */
  get lines(): PictureEdge[] {
    const { edges } = this.picture;
    const { selected } = this.state;
    const rest = edges.slice(MAX_LINES).filter((line) => line.from === selected || line.to === selected || line.id === selected);
    return [...edges.slice(0, MAX_LINES), ...rest.slice(0, MAX_SELECTED_LINES)];
  }

  toneOf(line: PictureEdge): Tone {
    const { estate } = this;
    if (this.state.view === "changes") {
      const changes = new Set(line.edges.map((edge) => change(estate, edge, this.periods)));
      return changes.has("new") ? "new" : changes.has("gone") ? "gone" : changes.has("kept") ? "kept" : "absent";
    }
    const tones = this.state.view === "policy" ? POLICY_TONES : KINDS;
    const { range } = this;
    let best: number = tones.length;
    for (const edge of line.edges) {
      const rank = tones.indexOf(this.#tone(edge) as never);
      if (rank < best && estate.seenIn(edge, range)) best = rank;
      if (best === 0) break;
    }
    return tones[best] ?? "absent";
  }

  #tone(edge: number): Tone {
    const kind = kindOf(this.estate, edge);
    if (this.state.view !== "policy") return kind;
    return { allowed: "allowed", outside: "other", denied: kind === "needs_person" || kind === "accepted" ? "denied" : "attempts" }[this.fate(edge)] as Tone;
  }

  /** The level of generalisation that is shown: which, of the document's. */
  get #level(): number {
    return Math.min(this.state.level, this.estate.document.levels.length - 1);
  }

  get level(): LevelJson | undefined {
    return this.estate.document.levels[this.#level];
  }

  /** What becomes of an edge under the rules of the level. */
  fate(edge: number): Fate {
    const policy = this.estate.policy(this.#level);
    return policy?.allowed[edge] ? "allowed" : policy?.outside[edge] ? "outside" : "denied";
  }

  /** The rules that let an edge pass, at either end. */
  rulesOf(edge: number): RuleJson[] {
    return (this.estate.policy(this.#level)?.rulesOf(edge) ?? []).map((rule) => this.level!.rules[rule]!);
  }

  /** What a selection stands for: edges of the estate. */
  edgesOf(selected: string): number[] {
    const { estate } = this;
    const [kind = "", ...parts] = selected.split(":");
    if (kind === "n") {
      const node = estate.byId.get(selected.slice(2));
      return this.edges.filter((edge) => estate.client[edge] === node || estate.server[edge] === node);
    }
    if (kind === "x") {
      const [client, server, service] = parts.map(decoded);
      const [from, to] = [estate.byId.get(client ?? ""), estate.byId.get(server ?? "")];
      return this.edges.filter((edge) => estate.client[edge] === from && estate.server[edge] === to && estate.serviceOf(edge).service === service);
    }
    if (kind === "r") return this.level?.rules.find((rule) => rule.id === parts.join(":"))?.edges ?? [];
    if (kind === "e") return this.picture.edges.find((line) => line.id === selected)?.edges ?? [];
    const members = new Set(this.picture.byId.get(selected)?.members ?? []);
    return this.edges.filter((edge) => members.has(estate.client[edge]!) || members.has(estate.server[edge]!));
  }

  /** What to call one edge in an address. */
  edgeKey(edge: number): string {
    const { estate } = this;
    const [client, server] = [estate.nodes[estate.client[edge]!]!.id, estate.nodes[estate.server[edge]!]!.id];
    return `x:${[client, server, estate.serviceOf(edge).service].map(encodeURIComponent).join(":")}`;
  }

  /** Selects the line that an edge is drawn as, if it is. */
  lineOf(edge: number): string {
    const { place } = this.picture;
    return edgeId(place[this.estate.client[edge]!] ?? "", place[this.estate.server[edge]!] ?? "");
  }

  toggle(id: string): void {
    const { open } = this;
    this.set({ open: open.includes(id) ? open.filter((each) => each !== id) : [...open, id], selected: id });
  }

  select(id: string): void {
    this.set({ selected: id });
  }
}
