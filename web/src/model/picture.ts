// What is drawn: groups closed or opened into workloads and addresses, and one line between two of them however
// many dependencies it stands for. A picture stays readable at any size because it is made of few things.

import type { Estate } from "../data/estate";
import { count, plain, plural, shorten } from "../format";
import { kindOf } from "./filter";
import { PUBLIC, type Groups } from "./groups";

/** An opened group of more members than this shows its roles first. */
const MAX_PLAIN_MEMBERS = 36;

/** Members of an opened group or role that are drawn; the others are one box. */
const MAX_MEMBERS = 120;

/** Characters of an address's name on the picture: what its box has room for. */
const MAX_NAME = 22;

/** Lines that are drawn, the busiest first; a selection shows all of its own. */
export const MAX_LINES = 260;

export interface PictureNode {
  id: string;
  kind: "group" | "open" | "bundle" | "workload" | "address" | "more";
  label: string;
  detail: string;
  /** The opened group that it is drawn in. */
  parent?: string;
  /** Indices of the estate's nodes. */
  members: number[];
  external: boolean;
}

export interface PictureEdge {
  id: string;
  from: string;
  to: string;
  /** Indices of the estate's edges. */
  edges: number[];
  connections: number;
  kind: "accepted" | "needs_person" | "attempts" | "other";
  label: string;
}

export interface Picture {
  nodes: PictureNode[];
  /** Busiest first. */
  edges: PictureEdge[];
  byId: Map<string, PictureNode>;
  /** Of each of the estate's nodes, where it is drawn; empty where it is not. */
  place: string[];
}

export const groupId = (name: string) => `g:${encodeURIComponent(name)}`;
const bundleId = (group: string, role: string) => `b:${encodeURIComponent(group)}:${encodeURIComponent(role)}`;
export const nodeId = (id: string) => `n:${id}`;
export const edgeId = (from: string, to: string) => `e:${encodeURIComponent(from)}:${encodeURIComponent(to)}`;

export function draw(estate: Estate, groups: Groups, edges: number[], open: ReadonlySet<string>): Picture {
  const weight = new Float64Array(estate.nodes.length);
  const present = new Uint8Array(estate.nodes.length);
  for (const edge of edges) {
    for (const node of [estate.client[edge]!, estate.server[edge]!]) {
      present[node] = 1;
      weight[node]! += estate.connections[edge]!;
    }
  }
  const members: number[][] = groups.names.map(() => []);
  present.forEach((is, node) => is && members[groups.of[node]!]!.push(node));
  const nodes: PictureNode[] = [];
  const place: string[] = new Array(estate.nodes.length).fill("");
  const put = (node: PictureNode, drawn = true) => {
    nodes.push(node);
    if (drawn) for (const member of node.members) place[member] = node.id;
  };
  groups.names.forEach((name, index) => {
    if (members[index]!.length > 0) drawGroup(estate, name, members[index]!, open, weight, put);
  });
  const lines = join(estate, edges, place);
  return { nodes, edges: lines, byId: new Map(nodes.map((node) => [node.id, node])), place };
}

type Put = (node: PictureNode, drawn?: boolean) => void;

function drawGroup(estate: Estate, name: string, members: number[], open: ReadonlySet<string>, weight: Float64Array, put: Put): void {
  const id = groupId(name);
  const external = members.every((node) => estate.nodes[node]!.scope === "public");
  const unit = external || name === PUBLIC ? "address" : "workload";
  const detail = plural(members.length, unit, unit === "address" ? "addresses" : "workloads");
  const group = { id, label: plain(name), detail, members, external };
  if (!open.has(id)) return put({ ...group, kind: "group" });
  put({ ...group, kind: "open" }, false);
  if (members.length <= MAX_PLAIN_MEMBERS) return drawMembers(estate, id, members, weight, put);
  const roles = new Map<string, number[]>();
  for (const node of members) {
    const role = estate.nodes[node]!.labels?.role ?? estate.nodes[node]!.role;
    roles.set(role, [...(roles.get(role) ?? []), node]);
  }
  if (roles.size === 1) return drawMembers(estate, id, members, weight, put);
  for (const [role, ofRole] of [...roles].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const bundle = bundleId(name, role);
    if (open.has(bundle) || ofRole.length === 1) drawMembers(estate, id, ofRole, weight, put, bundle);
    else put({ id: bundle, kind: "bundle", label: plain(role), detail: plural(ofRole.length, unit, `${unit === "address" ? "addresses" : "workloads"}`), parent: id, members: ofRole, external });
  }
}

function drawMembers(estate: Estate, parent: string, members: number[], weight: Float64Array, put: Put, within = parent): void {
  const busiest = [...members].sort((a, b) => weight[b]! - weight[a]! || a - b);
  for (const index of busiest.slice(0, MAX_MEMBERS)) {
    const node = estate.nodes[index]!;
    const kind = node.kind === "address" ? "address" : "workload";
    // A name says more than an address; which of several it is nobody can know.
    const name = estate.nameOf(index, MAX_NAME);
    const detail = name === node.id ? "" : node.id;
    put({ id: nodeId(node.id), kind, label: plain(name), detail: plain(detail), parent, members: [index], external: node.scope === "public" });
  }
  const rest = busiest.slice(MAX_MEMBERS);
  if (rest.length > 0) {
    put({ id: `m:${within}`, kind: "more", label: `${count(rest.length)} more`, detail: "less busy", parent, members: rest, external: false });
  }
}

/** One line for each two places between which there are edges, busiest first. */
function join(estate: Estate, edges: number[], place: string[]): PictureEdge[] {
  const lines = new Map<string, PictureEdge>();
  const rank = { accepted: 3, needs_person: 2, attempts: 1, other: 0 };
  for (const edge of edges) {
    const from = place[estate.client[edge]!]!;
    const to = place[estate.server[edge]!]!;
    if (from === to) continue;
    const key = `${from}\n${to}`;
    let line = lines.get(key);
    if (line === undefined) {
      line = { id: edgeId(from, to), from, to, edges: [], connections: 0, kind: "other", label: "" };
      lines.set(key, line);
    }
    line.edges.push(edge);
    line.connections += estate.connections[edge]!;
    const kind = kindOf(estate, edge);
    if (rank[kind] > rank[line.kind]) line.kind = kind;
  }
  for (const line of lines.values()) line.label = services(estate, line.edges);
  return [...lines.values()].sort((a, b) => b.connections - a.connections || (a.id < b.id ? -1 : 1));
}

/** `postgresql`, `https +2`: the service with the most connections, and how many others. */
function services(estate: Estate, edges: number[]): string {
  const totals = new Map<number, number>();
  for (const edge of edges) {
    const service = estate.service[edge]!;
    totals.set(service, (totals.get(service) ?? 0) + estate.connections[edge]!);
  }
  let best = -1;
  for (const [service, total] of totals) if (best < 0 || total > totals.get(best)!) best = service;
  const first = estate.document.services[best];
  const label = first ? shorten(first.name ?? first.service, 16) : "";
  return totals.size > 1 ? `${label} +${totals.size - 1}` : label;
}
