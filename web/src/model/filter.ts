// Which edges are shown: kinds, facets, the query. Time is apart, so that a slider does not move the picture.

import type { Estate } from "../data/estate";
import type { Kind, State } from "../state";

export function kindOf(estate: Estate, edge: number): Kind {
  return estate.kinds[estate.verdict[edge]!]!;
}

/** The edges that pass every filter but time, in order. */
export function filter(estate: Estate, state: State): number[] {
  const { services } = estate.document;
  const kinds = estate.kinds.map((kind) => state.kinds.includes(kind));
  const tokens = tokenize(state.query).map((token) => matcher(estate, token));
  const facet = facets(estate, state);
  const service = state.service ? services.map((each) => each.service === state.service) : undefined;
  const edges: number[] = [];
  for (let edge = 0; edge < estate.rows.length; edge += 1) {
    if (!kinds[estate.verdict[edge]!]) continue;
    if (state.since >= 0 && estate.firstHour[edge]! < state.since) continue;
    if (service && !service[estate.service[edge]!]) continue;
    const client = estate.client[edge]!;
    const server = estate.server[edge]!;
    if (!facet.every((nodes) => nodes[client] || nodes[server])) continue;
    if (state.external === "none" && (estate.nodes[client]!.scope === "public" || estate.nodes[server]!.scope === "public")) continue;
    if (tokens.every(({ nodes, services }) => nodes[client] || nodes[server] || services[estate.service[edge]!])) {
      edges.push(edge);
    }
  }
  return edges;
}

/** For each facet that is set, which nodes it is about. */
function facets(estate: Estate, state: State): Uint8Array[] {
  const which = (test: (node: Estate["nodes"][number]) => boolean) =>
    Uint8Array.from(estate.nodes, (node) => Number(test(node)));
  const all: Uint8Array[] = [];
  if (state.label) {
    const [key = "", value = ""] = split(state.label, "=");
    all.push(which((node) => node.labels?.[key] === value));
  }
  if (state.namespace) all.push(which((node) => node.namespace === state.namespace));
  if (state.external === "only") all.push(which((node) => node.scope === "public"));
  return all;
}

interface Matcher {
  nodes: Uint8Array;
  services: Uint8Array;
}

/** Words of a query; quotes keep spaces. */
function tokenize(query: string): string[] {
  return [...query.toLowerCase().matchAll(/(?:[^\s"]|"[^"]*")+/g)].map(([token]) => token.replaceAll('"', ""));
}

/** What a word of the query means: `port:5432`, `ns:shop`, `app=shop`, `name:db`, `ip:10.0`, or any of them. */
function matcher(estate: Estate, token: string): Matcher {
  const [field = "", rest] = split(token, ":");
  const wanted = rest ?? token;
  const [key = "", value] = split(token, "=");
  const has = (text: string | undefined) => text !== undefined && text.toLowerCase().includes(wanted);
  const node = (test: (node: Estate["nodes"][number]) => boolean) => Uint8Array.from(estate.nodes, (n) => Number(test(n)));
  const service = (test: (service: Estate["document"]["services"][number]) => boolean) =>
    Uint8Array.from(estate.document.services, (s) => Number(test(s)));
  const none = { nodes: node(() => false), services: service(() => false) };
  switch (rest === undefined ? "" : field) {
    case "port":
      return { ...none, services: service((s) => String(s.port) === wanted) };
    case "service":
      return { ...none, services: service((s) => has(s.service) || has(s.name)) };
    case "ns":
    case "namespace":
      return { ...none, nodes: node((n) => has(n.namespace)) };
    case "name":
      return { ...none, nodes: node((n) => has(n.id) || (n.names ?? []).some(has)) };
    case "ip":
      return { ...none, nodes: node((n) => n.addresses.some((address) => address.startsWith(wanted))) };
  }
  if (value !== undefined) {
    return { ...none, nodes: node((n) => n.labels?.[key]?.toLowerCase() === value) };
  }
  const any = (text: string | undefined) => text !== undefined && text.toLowerCase().includes(token);
  return {
    nodes: node((n) => any(n.id) || any(n.namespace) || (n.names ?? []).some(any) || n.addresses.some(any) || Object.values(n.labels ?? {}).some(any)),
    services: service((s) => any(s.name) || any(s.service) || String(s.port) === token),
  };
}

function split(text: string, by: string): [string, string | undefined] {
  const at = text.indexOf(by);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
