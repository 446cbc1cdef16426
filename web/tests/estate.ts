// A generated estate as a document: the same seed gives the same estate. Applications of a few tiers call each
// other and shared services, public clients come in, scanners try doors, two weeks pass, and one agent lost packets.

import type { DocumentJson, EdgeRow, NodeJson, RuleJson } from "../src/data/document";

/** Mulberry32: small, seeded, good enough to make data. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface Size {
  seed: number;
  workloads: number;
  edges: number;
  applications: number;
  hours: number;
}

export const LARGE: Size = { seed: 7, workloads: 10_000, edges: 100_000, applications: 160, hours: 336 };
export const SMALL: Size = { seed: 11, workloads: 300, edges: 1_500, applications: 12, hours: 72 };

/** Names that a hostile network could come up with. */
export const HOSTILE = ["<img src=x onerror=\"globalThis.hacked=1\">", "</script><script>globalThis.hacked=1</script>", "\u202egnp.exe", "=HYPERLINK(\"x\")"];

const TIERS = ["web", "api", "worker", "cache", "db"] as const;
const PORTS: Record<(typeof TIERS)[number], number> = { web: 2, api: 3, worker: 4, cache: 5, db: 6 };
const FIRST_HOUR = Date.UTC(2026, 0, 5);
const HOUR = 3_600_000;

export function generate(size: Size): DocumentJson {
  const next = random(size.seed);
  const below = (limit: number) => Math.floor(next() * limit);
  const nodes = makeNodes(size, below);
  const document: DocumentJson = {
    ...frame(size),
    nodes,
    addresses: nodes.map((node) => node.addresses[0]!),
    names: nodes.map((node) => `${node.id}.example`),
  };
  document.edges = makeEdges(size, nodes, below);
  document.levels = [rules(document), mined(document, "nano", 0), mined(document, "service", 3), mined(document, "ring-fence", 40)];
  document.reach!.nodes = nodes.map((node) => (node.scope === "internal" ? [900, 12, 800, 30] : null));
  return document;
}

function makeNodes(size: Size, below: (limit: number) => number): NodeJson[] {
  const nodes: NodeJson[] = [];
  const outside = Math.floor(size.workloads * 0.1);
  for (let index = 0; index < size.workloads - outside; index += 1) {
    // Few applications are large and many are small, as in real estates.
    const app = index < size.applications ? index : Math.floor((below(1000) / 1000) ** 2 * size.applications);
    const tier = TIERS[below(TIERS.length)]!;
    nodes.push({
      id: `app-${app}/${tier}-${index}`,
      kind: "host",
      namespace: `team-${app % 20}`,
      labels: { app: `app-${app}`, role: tier, env: app % 3 === 0 ? "test" : "prod" },
      addresses: [`10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`],
      scope: "internal", role: "both", tier: TIERS.indexOf(tier), dependants: 1, dependencies: 1,
    });
  }
  for (let index = 0; index < outside; index += 1) {
    const id = `198.51.${index >> 8}.${index & 255}`;
    const names = index < HOSTILE.length ? { names: [HOSTILE[index]!] } : index === HOSTILE.length ? { names: ["api.example.com", "www.example.com", "cdn.example.com"] } : {};
    nodes.push({ id, kind: "address", addresses: [id], ...names, scope: "public", role: "client", tier: 0, dependants: 0, dependencies: 1 });
  }
  const hostile = HOSTILE.map((id, index): NodeJson => ({ id, kind: "host", labels: { app: HOSTILE[0]! }, addresses: [`10.255.255.${index}`], scope: "internal", role: "client", tier: 0, dependants: 0, dependencies: 1 }));
  return [...nodes, ...hostile];
}

function makeEdges(size: Size, nodes: NodeJson[], below: (limit: number) => number): EdgeRow[] {
  const inside = nodes.findIndex((node) => node.kind === "address");
  const byApp = new Map<string, number[]>();
  for (let index = 0; index < inside; index += 1) {
    const app = nodes[index]!.labels!.app!;
    byApp.set(app, [...(byApp.get(app) ?? []), index]);
  }
  const rows = new Map<number, EdgeRow>();
  for (let tries = 0; rows.size < size.edges && tries < size.edges * 20; tries += 1) {
    const hostile = tries < HOSTILE.length;
    const client = hostile ? nodes.length - 1 - tries : below(nodes.length);
    const own = byApp.get(nodes[client]!.labels?.app ?? "") ?? [];
    const near = own.length > 1 && below(10) < 7;
    const server = near ? own[below(own.length)]! : below(10) < 3 ? below(Math.min(8, inside)) : below(inside);
    if (client === server) continue;
    const outside = client >= inside;
    const kind = below(100);
    const verdict = kind < 88 ? 0 : kind < 94 ? 1 : kind < 97 ? 2 : 3;
    const service = outside ? below(2) : near ? PORTS[nodes[server]!.labels!.role as "db"]! : below(12) === 0 ? 7 : PORTS[nodes[server]!.labels!.role as "db"]!;
    const key = (client * nodes.length + server) * 16 + service;
    if (!rows.has(key)) rows.set(key, row(client, server, service, verdict, size, below));
  }
  return [...rows.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
}

function row(client: number, server: number, service: number, verdict: number, size: Size, below: (limit: number) => number): EdgeRow {
  const connections = 1 + Math.floor(10 ** (below(4000) / 1000));
  const answered = verdict < 2 ? connections : 0;
  const start = below(4) === 0 ? below(size.hours) : 0;
  const hours = below(3) === 0 ? [start, Math.min(size.hours - 1, start + below(24))] : [start, size.hours - 1];
  const state = answered > 0 ? 2 : verdict === 2 ? 3 : 0;
  return [
    client, server, service, verdict, connections, answered, connections * 6, answered * 5, connections * 900, answered * 4200,
    FIRST_HOUR + hours[0]! * HOUR + 1000, FIRST_HOUR + hours[1]! * HOUR + 2000, hours, [state, connections], [0, connections, 1, answered], [server], [client], [server], [below(3)],
    verdict === 0 ? 0.999999 : 0.5 + below(480) / 1000,
  ];
}

/** First and last of each run of numbers. */
function runs(numbers: number[]): number[] {
  const runs: number[] = [];
  for (const number of numbers) {
    if (runs.at(-1) === number - 1) runs[runs.length - 1] = number;
    else runs.push(number, number);
  }
  return runs;
}

const accepted = (document: DocumentJson) => document.edges.flatMap((edge, index) => (edge[3] === 0 ? [index] : []));

/** Rules at both ends, between roles of applications; each allows `price` connections that nobody made. */
function mined(document: DocumentJson, name: string, price: number): DocumentJson["levels"][number] {
  const who = (node: NodeJson) => (node.labels?.app ? `hosts/app=${node.labels.app},role=${node.labels.role ?? ""}` : node.id);
  const rules = new Map<string, RuleJson>();
  const allowed = accepted(document);
  for (const index of allowed) {
    const edge = document.edges[index]!;
    const ends = [who(document.nodes[edge[1]]!), who(document.nodes[edge[0]]!)] as const;
    const { service } = document.services[edge[2]]!;
    for (const [direction, [subject, peer]] of [["ingress", ends], ["egress", [ends[1], ends[0]]]] as const) {
      const key = `${direction} ${subject} ${peer} ${service}`;
      const rule = rules.get(key) ?? { id: `allow-${name}-${rules.size}`, subject, direction, service, peers: [peer], price: price * (rules.size % 7), edges: [] };
      rule.edges.push(index);
      rules.set(key, rule);
    }
  }
  const all = [...rules.values()];
  return { name, price: all.reduce((sum, rule) => sum + rule.price!, 0), rules: all, allowed: runs(allowed), outside: [] };
}

function rules(document: DocumentJson): DocumentJson["levels"][number] {
  const byService = new Map<number, number[]>();
  document.edges.forEach((edge, index) => {
    if (edge[3] !== 0) return;
    const key = edge[1] * 16 + edge[2];
    byService.set(key, [...(byService.get(key) ?? []), index]);
  });
  const level = [...byService].map(([key, edges]) => ({
    id: `allow-${key}`,
    subject: document.nodes[Math.floor(key / 16)]!.id,
    service: document.services[key % 16]!.service,
    peers: edges.map((edge) => document.nodes[document.edges[edge]![0]]!.id),
    edges,
  }));
  const replayed = level.reduce((sum, rule) => sum + rule.edges.length, 0);
  return { name: "exact", price: 0, rules: level, allowed: runs(accepted(document)), outside: [], proof: { edges_replayed: replayed, edges_held_back: 0, tuples_observed: replayed, tuples_unobserved: 0, probes_denied: 1000 } };
}

/** Everything but nodes, edges and rules. */
function frame(size: Size): DocumentJson {
  const services = ["443 https", "80 http", "8080 http-alt", "8443", "9000", "6379 redis", "5432 postgresql", "22 ssh"];
  const end = FIRST_HOUR + size.hours * HOUR;
  return {
    schema_version: 1,
    version: "0.0.0",
    source: `estate of seed ${size.seed}`,
    period: { start: new Date(FIRST_HOUR).toISOString(), end: new Date(end).toISOString() },
    first_hour: FIRST_HOUR,
    counters: { packets: size.edges * 100, in_flows: size.edges * 100 },
    loss: [{ agent: "agent-1", hour: 10, what: "packets dropped by the kernel", count: 1234 }],
    nodes: [],
    services: services.map((text) => {
      const [port = "", name] = text.split(" ");
      return { service: `tcp/${port}`, port: Number(port), ...(name ? { name } : {}) };
    }),
    verdicts: [
      { verdict: "accepted", text: "answered, and the direction is clear" },
      { verdict: "needs_person", doubt: "midstream", text: "seen only from the middle, with data at most one way" },
      { verdict: "refused", text: "refused" },
      { verdict: "unanswered", text: "nothing came back" },
    ],
    states: ["S0", "S1", "SF", "REJ"],
    evidence: ["syn", "syn_ack"],
    names: [],
    addresses: [],
    agents: ["agent-0", "agent-1", "agent-2"],
    edge_columns: [],
    edges: [],
    shared_services: [{ node: "app-0/web-0", dependants: 400 }],
    exposed: [],
    egress: [],
    // Processes called as hosts are.
    listening: HOSTILE.map((process, index) => ({
      address: `10.255.255.${index}`, service: "tcp/443", process, unit: "web.service", user: 33, agent: "a", first_seen: "2026-01-01T00:00:00Z", last_seen: "2026-01-01T01:00:00Z",
    })),
    scans: [{ source: "198.51.0.9", protocol: "tcp", kind: "port_scan", targets: ["app-0/web-0"], ports: "20-99,443", open: [], unanswered: 3, refused: 80, connections: 83, first_seen: new Date(FIRST_HOUR).toISOString(), last_seen: new Date(FIRST_HOUR + HOUR).toISOString() }],
    levels: [],
    levels_left_out: [],
    confidence: {
      level: 0.95, coverage: 0.9973, edges: 1200, seen_once: 9, hours: size.hours, hours_unwatched: 0, hidden_share: 0.0031,
      cycles: { daily: Math.floor(size.hours / 24), weekly: Math.floor(size.hours / 168), monthly: 0 },
      bound: { horizon_hours: 168, expected: 5.4, at_most: 13, window_hours: 24, watched_hours: 23.8 },
      backtest: { from: end - 24 * HOUR, expected: 4, at_most: 11, actual: 6, held: true },
      ready: false,
      missing: [{ what: "weekly_cycles", is: 0, wanted: 1 }, { what: "loss", is: 0.0031, wanted: 0.001 }],
    },
    reach: { steps: 3, tuples: [90000, 1200], nodes: [] },
  };
}
