// What changed between two periods.

import type { Estate, Range } from "../data/estate";

export type Change = "new" | "gone" | "kept";

/** The two periods of a comparison: as given, or the first and the last half of all hours. */
export function periods(estate: Estate, given: readonly number[]): [Range, Range] {
  const last = estate.hours - 1;
  const within = (hour: number) => Math.min(Math.max(0, hour), last);
  const [a, b, c, d] = given.length === 4 ? given.map(within) : [0, Math.max(0, Math.ceil(estate.hours / 2) - 1), Math.min(last, Math.ceil(estate.hours / 2)), last];
  return [
    { from: a!, to: Math.max(a!, b!) },
    { from: c!, to: Math.max(c!, d!) },
  ];
}

/** How an edge changed; `undefined` where it was in neither period. */
export function change(estate: Estate, edge: number, [before, after]: [Range, Range]): Change | undefined {
  const was = estate.seenIn(edge, before);
  const is = estate.seenIn(edge, after);
  if (was && is) return "kept";
  return is ? "new" : was ? "gone" : undefined;
}
