// The document made quick to ask: numbers in typed arrays, one place for each edge's index.

import type { Kind } from "../state";
import type { DocumentJson, EdgeRow, NodeJson, ServiceJson, VerdictJson } from "./document";

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
  /** By level: the rule that allows each edge, or -1. */
  readonly ruleOf: Int32Array[];
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
    this.ruleOf = document.levels.map((level) => {
      const rules = new Int32Array(count).fill(-1);
      level.rules.forEach((rule, index) => rule.edges.forEach((edge) => (rules[edge] = index)));
      return rules;
    });
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
