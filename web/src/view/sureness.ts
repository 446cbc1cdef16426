// The error bar: what was not seen yet, how that was tried on the past, and what is missing for enough.

import type { App } from "../app";
import type { ConfidenceJson } from "../data/document";
import { h } from "../dom";
import { count, minute, percent, plural } from "../format";
import { facts } from "./parts";

/** What each thing that may be missing is called, and how it is written. */
const MISSING: Record<string, [name: string, write: (value: number) => string, than: string]> = {
  coverage: ["coverage", percent, "at least"],
  weekly_cycles: ["whole weeks watched", count, "at least"],
  monthly_cycles: ["whole months watched", count, "at least"],
  loss: ["time hidden by loss", percent, "at most"],
};

/** What can be said about everything in the data, whatever is shown of it. */
export function sureness(app: App): Node[] {
  const { confidence } = app.estate.document;
  const { coverage, cycles, bound, backtest, hours_unwatched: unwatched, hidden_share: hidden } = confidence;
  return [
    verdict(confidence),
    facts([
      ["New to come", bound ? `at most ${plural(bound.at_most, "dependency", "dependencies")} in ${span(bound.horizon_hours)}, with ${percent(confidence.level)} confidence; ${expected(bound.expected)} expected` : "cannot be said: it takes two hours with traffic at least"],
      ["Coverage", `${percent(coverage)} of what is used in an hour had been seen`],
      ["Cycles seen", `${plural(cycles.daily, "day")}, ${plural(cycles.weekly, "week")}, ${plural(cycles.monthly, "month")} whole`],
      ["Backtest", backtest ? `at most ${count(backtest.at_most)} predicted from ${minute(backtest.from)} on; ${count(backtest.actual)} came: ${backtest.held ? "it held" : "it did not hold"}` : "the history is too short"],
      ["Loss", hidden > 0 ? `hid ${percent(hidden)} of the time watched; the bound is wider for it` : undefined],
      ["Not watched", unwatched > 0 ? `${plural(unwatched, "hour")} in between` : undefined],
    ]),
  ];
}

/** Whether it is enough, by the rule in the settings. */
function verdict({ ready, missing }: ConfidenceJson): HTMLElement {
  if (ready) return h("p", { class: "verdict good" }, h("b", {}, "Ready to enforce"), ", by the rule in the settings.");
  const gaps = missing.map(({ what, is, wanted }) => {
    const [name, write, than] = MISSING[what] ?? [what, count, "at least"];
    return h("li", {}, `${name}: ${write(is)}, wanted ${than} ${write(wanted)}`);
  });
  return h("div", { class: "verdict warn" }, h("p", {}, h("b", {}, "Not ready to enforce"), ". Missing:"), h("ul", {}, ...gaps));
}

/** `7 days`, `12 hours`. */
function span(hours: number): string {
  return hours % 24 === 0 ? plural(hours / 24, "day") : plural(hours, "hour");
}

function expected(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1) : count(Math.round(value));
}
