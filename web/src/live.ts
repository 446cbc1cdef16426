// A served page follows its store: it asks again while it is looked at, and what is selected stays.

import type { App } from "./app";
import type { DocumentJson } from "./data/document";
import { Estate } from "./data/estate";
import { ask } from "./data/source";
import { button } from "./dom";

/** How long it waits before it asks again, milliseconds. The server answers from what it read up to 10 s ago. */
const EVERY = 15_000;

/** Of an answer that took long it waits this many times as long, so that pages do not keep a server busy. */
const REST = 10;

export class Live {
  /** Also for those whom moving things disturb: it can be switched off. */
  readonly element = button("Live", () => this.#switch(), { class: "quiet", "aria-pressed": "true" });
  readonly #app: App;
  #known: string;
  #on = true;

  constructor(app: App) {
    this.#app = app;
    this.#known = fingerprint(app.estate.document);
    this.#say();
    this.#wait(EVERY);
  }

  #switch(): void {
    this.#on = !this.#on;
    this.element.setAttribute("aria-pressed", String(this.#on));
    this.#say();
  }

  #say(problem = ""): void {
    this.element.title = problem || (this.#on ? "Follows the store: click to hold the map as it is" : "Held: click to follow the store");
    this.element.classList.toggle("warn-text", problem !== "");
  }

  #wait(milliseconds: number): void {
    setTimeout(() => void this.#look(), milliseconds);
  }

  async #look(): Promise<void> {
    const started = performance.now();
    if (this.#on && document.visibilityState === "visible") {
      try {
        const data = await ask();
        const seen = fingerprint(data);
        if (this.#on && seen !== this.#known) {
          this.#known = seen;
          this.#app.renew(new Estate(data));
        }
        this.#say();
      } catch (error) {
        this.#say(`No newer data: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    this.#wait(Math.max(EVERY, REST * (performance.now() - started)));
  }
}

/** What changes when anything was seen. */
function fingerprint({ period, counters, nodes, edges, loss, scans }: DocumentJson): string {
  const connections = edges.reduce((sum, edge) => sum + edge[4], 0);
  return JSON.stringify([period, counters, nodes.length, edges.length, loss.length, scans.length, connections]);
}

/** Whether what is asked for can grow: a period that has an end does not. */
export function follows(search: string): boolean {
  return !new URLSearchParams(search).has("to");
}
