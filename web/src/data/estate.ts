// The document made quick to ask: numbers in typed arrays, one place for each edge's index.

import { shorten } from "../format";
import type { Kind } from "../state";
import type { DocumentJson, EdgeRow, LevelJson, NodeJson, ServiceJson, VerdictJson } from "./document";

/** Milliseconds in an hour. */
export const HOUR = 3_600_000;

const KIND_OF: Record<string, Kind> = {
  accepted: "accepted",
  needs_person: "needs_person",
  unanswered: "attempts",
  refused: "attempts",
  probe: "attempts",
};

export interface Range {
  from: number;
  to: number;
}

/** What the rules of a level say of each edge. */
export interface Policy {
  allowed: Uint8Array;
  outside: Uint8Array;
  /** The rules that let an edge pass, at either end. */
  rulesOf(edge: number): number[];
}

export class Estate {
  readonly nodes: NodeJson[];
  readonly rows: EdgeRow[];
  readonly client: Uint32Array;
  readonly server: Uint32Array;
  readonly service: Uint32Array;
  readonly verdict: Uint8Array;
  readonly connections: Float64Array;
  readonly firstHour: Int32Array;
  readonly lastHour: Int32Array;
  /** By level, once it was asked for. */
  readonly #policies: (Policy | undefined)[] = [];
  /** How many hours there are, from `document.first_hour` on. */
  readonly hours: number;
  readonly byId = new Map<string, number>();
  readonly document: DocumentJson;
  /** Of each verdict, the kind that it is. */
  readonly kinds: Kind[];

  constructor(document: DocumentJson) {
    this.document = document;
    this.nodes = document.nodes;
    this.kinds = document.verdicts.map(({ verdict }) => KIND_OF[verdict] ?? "other");
    this.rows = document.edges;
    const count = this.rows.length;
    this.client = new Uint32Array(count);
    this.server = new Uint32Array(count);
    this.service = new Uint32Array(count);
    this.verdict = new Uint8Array(count);
    this.connections = new Float64Array(count);
    this.firstHour = new Int32Array(count);
    this.lastHour = new Int32Array(count);
    let last = document.loss.reduce((most, entry) => Math.max(most, entry.hour), 0);
    this.rows.forEach((row, index) => {
      this.client[index] = row[0];
      this.server[index] = row[1];
      this.service[index] = row[2];
      this.verdict[index] = row[3];
      this.connections[index] = row[4];
      this.firstHour[index] = row[12][0] ?? 0;
      this.lastHour[index] = row[12].at(-1) ?? 0;
      last = Math.max(last, this.lastHour[index]!);
    });
    this.hours = last + 1;
    this.nodes.forEach((node, index) => this.byId.set(node.id, index));
  }

  /** What the rules of a level say; made when it is first shown, since of four levels one or two are looked at. */
  policy(level: number): Policy | undefined {
    const found = this.document.levels[level];
    return found && (this.#policies[level] ??= policyOf(found, this.rows.length));
  }

  /** What to call a node: an address by a name of its own, and by how many others it may be meant. */
  nameOf(node: number, longest = Infinity): string {
    const { id, kind, names } = this.nodes[node]!;
    if (kind !== "address" || !names?.length) return id;
    const others = names.length > 1 ? ` +${names.length - 1} ?` : "";
    return shorten(names[0]!, longest - others.length) + others;
  }

  /** Whether an edge was seen in an hour of the range. */
  seenIn(edge: number, { from, to }: Range): boolean {
    if (this.firstHour[edge]! > to || this.lastHour[edge]! < from) return false;
    const runs = this.rows[edge]![12];
    for (let i = 0; i + 1 < runs.length; i += 2) if (runs[i]! <= to && runs[i + 1]! >= from) return true;
    return false;
  }

  verdictOf(edge: number): VerdictJson {
    return this.document.verdicts[this.verdict[edge]!]!;
  }

  serviceOf(edge: number): ServiceJson {
    return this.document.services[this.service[edge]!]!;
  }

  /** Milliseconds since the Unix epoch at which an hour starts. */
  timeOf(hour: number): number {
    return this.document.first_hour + hour * HOUR;
  }

  bytesOf(edge: number): number {
    const row = this.rows[edge]!;
    return row[8] + row[9];
  }
}

/** A level's rules by edge, in three arrays rather than a list for each edge. */
function policyOf(level: LevelJson, count: number): Policy {
  const ends = new Uint32Array(count + 1);
  for (const rule of level.rules) for (const edge of rule.edges) ends[edge + 1]! += 1;
  for (let edge = 0; edge < count; edge += 1) ends[edge + 1]! += ends[edge]!;
  const next = ends.slice();
  const rules = new Uint32Array(ends[count]!);
  level.rules.forEach((rule, index) => rule.edges.forEach((edge) => (rules[next[edge]!++] = index)));
  return {
    allowed: among(level.allowed, count),
    outside: among(level.outside, count),
    rulesOf: (edge) => [...rules.subarray(ends[edge]!, ends[edge + 1]!)],
  };
}

/** Marks what lies in runs of first and last. */
function among(runs: number[], count: number): Uint8Array {
  const marks = new Uint8Array(count);
  for (let i = 0; i + 1 < runs.length; i += 2) marks.fill(1, runs[i]!, runs[i + 1]! + 1);
  return marks;
}
