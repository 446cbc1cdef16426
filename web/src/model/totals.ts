// Sums over edges, for the panel.

import type { Estate, Range } from "../data/estate";
import { kindOf } from "./filter";

export interface Totals {
  edges: number;
  connections: number;
  answered: number;
  bytesToServer: number;
  bytesToClient: number;
  packets: number;
  firstSeen: number;
  lastSeen: number;
  states: [name: string, connections: number][];
  evidence: [name: string, connections: number][];
  observers: string[];
  names: string[];
  kinds: Record<string, number>;
}

/** Sums over these edges. Volumes are kept for an edge's whole period, not by hour. */
export function total(estate: Estate, edges: number[]): Totals {
  const { document } = estate;
  const sums = { connections: 0, answered: 0, bytesToServer: 0, bytesToClient: 0, packets: 0, firstSeen: Infinity, lastSeen: -Infinity };
  const states = document.states.map(() => 0);
  const evidence = document.evidence.map(() => 0);
  const observers = new Uint8Array(document.agents.length);
  const names = new Set<number>();
  const kinds: Record<string, number> = {};
  for (const edge of edges) {
    const row = estate.rows[edge]!;
    sums.connections += row[4];
    sums.answered += row[5];
    sums.packets += row[6] + row[7];
    sums.bytesToServer += row[8];
    sums.bytesToClient += row[9];
    sums.firstSeen = Math.min(sums.firstSeen, row[10]);
    sums.lastSeen = Math.max(sums.lastSeen, row[11]);
    pairs(row[13], states);
    pairs(row[14], evidence);
    for (const name of row[15]) names.add(name);
    for (const agent of row[18]) observers[agent] = 1;
    const kind = kindOf(estate, edge);
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  const named = (names: string[], counts: number[]) =>
    names.map((name, index): [string, number] => [name, counts[index]!]).filter(([, count]) => count > 0).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  return {
    edges: edges.length,
    ...sums,
    states: named(document.states, states),
    evidence: named(document.evidence, evidence),
    observers: document.agents.filter((_, agent) => observers[agent]).sort(),
    names: [...names].map((name) => document.names[name]!).sort(),
    kinds,
  };
}

/** Adds counts that stand as pairs of an index and a count. */
function pairs(flat: number[], into: number[]): void {
  for (let i = 0; i + 1 < flat.length; i += 2) into[flat[i]!]! += flat[i + 1]!;
}

/** What was lost in these hours, by kind: how much, by which agents, in how many hours. */
export function losses(estate: Estate, { from, to }: Range): { what: string; count: number; agents: number; hours: number }[] {
  const kinds = new Map<string, { count: number; agents: Set<string>; hours: Set<number> }>();
  for (const { agent, hour, what, count } of estate.document.loss) {
    if (hour < from || hour > to) continue;
    const kind = kinds.get(what) ?? { count: 0, agents: new Set(), hours: new Set() };
    kind.count += count;
    kind.agents.add(agent);
    kind.hours.add(hour);
    kinds.set(what, kind);
  }
  return [...kinds].map(([what, kind]) => ({ what, count: kind.count, agents: kind.agents.size, hours: kind.hours.size }));
}

/** How many of these edges were seen, and how many for the first time, in each of at most `bins` spans of hours. */
export function histogram(estate: Estate, edges: number[], bins: number): { perBin: number; seen: number[]; fresh: number[] } {
  const perBin = Math.max(1, Math.ceil(estate.hours / bins));
  const size = Math.ceil(estate.hours / perBin);
  const steps = new Float64Array(size + 1);
  const fresh: number[] = new Array(size).fill(0);
  for (const edge of edges) {
    const runs = estate.rows[edge]![12];
    let done = -1;
    for (let i = 0; i + 1 < runs.length; i += 2) {
      const first = Math.max(done + 1, Math.floor(runs[i]! / perBin));
      const last = Math.floor(runs[i + 1]! / perBin);
      if (last < first) continue;
      steps[first]! += 1;
      steps[last + 1]! -= 1;
      done = last;
    }
    const first = Math.floor(estate.firstHour[edge]! / perBin);
    fresh[first] = (fresh[first] ?? 0) + 1;
  }
  let sum = 0;
  const seen = Array.from({ length: size }, (_, bin) => (sum += steps[bin]!));
  return { perBin, seen, fresh };
}
