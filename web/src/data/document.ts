// The document as it is written by `watershed` (docs/formats.md): mirror types, nothing computed.

export const SCHEMA_VERSION = 1;

export interface NodeJson {
  id: string;
  kind: string;
  namespace?: string;
  labels?: Record<string, string>;
  addresses: string[];
  names?: string[];
  scope: "internal" | "public" | "group";
  role: string;
  tier: number;
  dependants: number;
  dependencies: number;
}

export interface ServiceJson {
  service: string;
  name?: string;
  port: number;
}

export interface VerdictJson {
  verdict: string;
  doubt?: string;
  text: string;
}

export interface LossJson {
  agent: string;
  hour: number;
  what: string;
  count: number;
}

export interface ScanJson {
  source: string;
  protocol: string;
  kind: string;
  targets: string[];
  ports: string;
  open: { target: string; port: number }[];
  unanswered: number;
  refused: number;
  connections: number;
  first_seen: string;
  last_seen: string;
}

export interface RuleJson {
  id: string;
  subject: string;
  /** Whether it is for connections to the subject or from it; an exact rule has none and is at the server. */
  direction?: "ingress" | "egress";
  service: string;
  peers: string[];
  /** Connections that it allows though nobody was seen to make them. */
  price?: number;
  /** The edges that it lets pass at its end. */
  edges: number[];
}

export interface LevelJson {
  name: string;
  price: number;
  rules: RuleJson[];
  /** Edges that pass at both ends: first and last of each run. */
  allowed: number[];
  /** Those between two addresses, which no rule is for; likewise. */
  outside: number[];
  proof?: {
    edges_replayed: number;
    edges_held_back: number;
    tuples_observed: number;
    tuples_unobserved: number;
    probes_denied: number;
  };
}

/** A level that is too large for a page, and why. */
export interface LeftOutJson {
  name: string;
  why: string;
}

export interface BoundJson {
  horizon_hours: number;
  expected: number;
  at_most: number;
  window_hours: number;
  watched_hours: number;
}

export interface ConfidenceJson {
  level: number;
  coverage: number;
  edges: number;
  seen_once: number;
  hours: number;
  hours_unwatched: number;
  hidden_share: number;
  cycles: { daily: number; weekly: number; monthly: number };
  bound: BoundJson | null;
  backtest: { from: number; expected: number; at_most: number; actual: number; held: boolean } | null;
  ready: boolean;
  missing: { what: string; is: number; wanted: number }[];
}

export interface ReachJson {
  steps: number;
  tuples: [before: number, after: number];
  /** By node: services that it may use, and others that it gets to, each before and after. */
  nodes: ([number, number, number, number] | null)[];
}

export interface ExposureJson {
  node: string;
  services: { protocol: string; port: number; service?: string; peers: number; connections: number; used: boolean }[];
}

/** A row of `edges`: see `edge_columns`. */
export type EdgeRow = [
  client: number,
  server: number,
  service: number,
  verdict: number,
  connections: number,
  answered: number,
  packetsToServer: number,
  packetsToClient: number,
  bytesToServer: number,
  bytesToClient: number,
  firstSeen: number,
  lastSeen: number,
  hours: number[],
  states: number[],
  evidence: number[],
  names: number[],
  clientAddresses: number[],
  serverAddresses: number[],
  observers: number[],
  direction: number,
];

/** Who listened on an address; the process is not there where the agent may not see it. */
export interface ListenerJson {
  address: string;
  service: string;
  process?: string;
  unit?: string;
  user: number;
  agent: string;
  first_seen: string;
  last_seen: string;
}

export interface DocumentJson {
  schema_version: number;
  version: string;
  source: string;
  period: { start: string; end: string };
  first_hour: number;
  counters: { packets: number; in_flows: number };
  loss: LossJson[];
  nodes: NodeJson[];
  services: ServiceJson[];
  verdicts: VerdictJson[];
  states: string[];
  evidence: string[];
  names: string[];
  addresses: string[];
  agents: string[];
  edge_columns: string[];
  edges: EdgeRow[];
  shared_services: { node: string; dependants: number }[];
  exposed: ExposureJson[];
  egress: ExposureJson[];
  scans: ScanJson[];
  levels: LevelJson[];
  levels_left_out: LeftOutJson[];
  confidence: ConfidenceJson;
  reach: ReachJson | null;
  listening: ListenerJson[];
}
