// The hours: how much was seen in each, and a slider at either end of what is shown.

import type { App } from "../app";
import { button, h } from "../dom";
import { minute, plural } from "../format";
import { histogram } from "../model/totals";
import type { Range } from "../data/estate";
import { write } from "../state";

/** Bars at most: as many as fit a screen. */
const MAX_BARS = 160;

export class Timeline {
  readonly element: HTMLElement;
  readonly #app: App;
  readonly #bars = h("div", { class: "bars", "aria-hidden": "true" });
  readonly #caption = h("p", { class: "caption", "aria-live": "polite" });
  readonly #from: HTMLInputElement;
  readonly #to: HTMLInputElement;
  readonly #all: HTMLElement;
  #drawn = "";
  readonly #exact = button("Exact numbers of these hours", () => this.#ask(), { class: "quiet" });
  readonly #back = button("All that the store holds", () => location.assign(`${location.pathname}${location.hash}`), { class: "quiet" });

  constructor(app: App) {
    this.#app = app;
    const slider = (label: string, input: (value: number) => void) =>
      h("input", { type: "range", min: 0, max: app.estate.hours - 1, step: 1, "aria-label": label, disabled: app.estate.hours < 2, input: (event) => input(Number((event.target as HTMLInputElement).value)) }) as HTMLInputElement;
    this.#from = slider("First hour shown", (value) => app.set({ from: Math.min(value, app.range.to) }, false));
    this.#to = slider("Last hour shown", (value) => app.set({ to: Math.max(value, app.range.from) === app.estate.hours - 1 ? -1 : Math.max(value, app.range.from) }, false));
    this.#all = button("All hours", () => app.set({ from: 0, to: -1 }), { class: "quiet" });
    this.element = h("section", { class: "timeline", "aria-label": "Time" }, h("div", { class: "line" }, this.#caption, h("span", {}, this.#back, this.#exact, this.#all)), h("div", { class: "track" }, this.#bars, this.#from, this.#to));
  }

  /** Asks the server for the hours shown alone: what the page has counts the whole period. */
  #ask(): void {
    const { estate, range, state } = this.#app;
    const iso = (hour: number) => new Date(estate.timeOf(hour)).toISOString().replace(".000Z", "Z");
    // A period includes its end.
    const to = new Date(estate.timeOf(range.to + 1) - 1).toISOString();
    const hash = write({ ...state, from: 0, to: -1, since: -1, compare: [] });
    location.assign(`?${new URLSearchParams({ from: iso(range.from), to })}#${hash}`);
  }

  update(): void {
    const { estate, range, state } = this.#app;
    for (const slider of [this.#from, this.#to]) {
      slider.max = String(estate.hours - 1);
      slider.disabled = estate.hours < 2;
    }
    this.element.hidden = state.view === "changes" || state.view === "scans";
    this.#from.value = String(range.from);
    this.#to.value = String(range.to);
    this.#from.setAttribute("aria-valuetext", minute(estate.timeOf(range.from)));
    this.#to.setAttribute("aria-valuetext", minute(estate.timeOf(range.to)));
    const whole = range.from === 0 && range.to === estate.hours - 1;
    this.#all.hidden = whole;
    this.#exact.hidden = whole || !this.#app.served;
    this.#back.hidden = !whole || !this.#app.served || location.search === "";
    this.#caption.textContent = `${span(this.#app, range)} UTC · ${plural(range.to - range.from + 1, "hour")}${whole ? "" : ` of ${estate.hours}`}`;
    const key = `${this.#app.pictureKey}`;
    if (key !== this.#drawn) {
      this.#drawn = key;
      this.#draw();
    }
    const { perBin } = this.#bins!;
    [...this.#bars.children].forEach((bar, index) => bar.classList.toggle("out", (index + 1) * perBin - 1 < range.from || index * perBin > range.to));
  }

  #bins: ReturnType<typeof histogram> | undefined;

  #draw(): void {
    this.#bins = histogram(this.#app.estate, this.#app.edges, MAX_BARS);
    const { seen, fresh } = this.#bins;
    const lost = new Set(this.#app.estate.document.loss.map((entry) => Math.floor(entry.hour / this.#bins!.perBin)));
    const most = Math.max(1, ...seen);
    this.#bars.replaceChildren(...seen.map((value, bin) => {
      const bar = h("span", { class: lost.has(bin) ? "bar lossy" : "bar" }, h("i", { class: "fresh" }));
      bar.style.setProperty("--height", `${(100 * value) / most}%`);
      bar.style.setProperty("--fresh", `${value > 0 ? (100 * fresh[bin]!) / value : 0}%`);
      return bar;
    }));
  }
}

/** `2026-01-31 08:00 – 09:59`. */
export function span(app: App, { from, to }: Range): string {
  const start = minute(app.estate.timeOf(from));
  const end = minute(app.estate.timeOf(to + 1) - 60_000);
  return start.slice(0, 10) === end.slice(0, 10) ? `${start} – ${end.slice(11)}` : `${start} – ${end}`;
}
