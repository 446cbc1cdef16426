// Applications: which group each node belongs to.

import type { NodeJson } from "../data/document";
import type { Estate } from "../data/estate";

export const PUBLIC = "Public addresses";
const MULTICAST = "Multicast and broadcast";

/** Groups that are drawn; beyond, the smallest become one, so that a picture stays one. */
const MAX_GROUPS = 60;

/** `app-2` comes before `app-10`. */
const ORDER = new Intl.Collator("en", { numeric: true });

export interface Groups {
  /** Of each node, the index of its group. */
  of: Uint32Array;
  names: string[];
  /** How many nodes each has. */
  sizes: number[];
}

/** What groups can be made by, best first: labels that say what an application is, then any others. */
export function choices(estate: Estate): string[] {
  const keys = new Map<string, number>();
  let namespaces = 0;
  for (const node of estate.nodes) {
    for (const key of Object.keys(node.labels ?? {})) keys.set(key, (keys.get(key) ?? 0) + 1);
    namespaces += Number(node.namespace !== undefined);
  }
  const rank = (key: string) => ["app", "app.kubernetes.io/part-of", "app.kubernetes.io/name"].indexOf(key);
  const labels = [...keys.keys()].sort((a, b) => {
    const [ra, rb] = [rank(a), rank(b)];
    if (ra >= 0 || rb >= 0) return (ra < 0 ? 99 : ra) - (rb < 0 ? 99 : rb);
    return (keys.get(b) ?? 0) - (keys.get(a) ?? 0) || (a < b ? -1 : 1);
  });
  return [...labels, ...(namespaces > 0 ? ["namespace"] : []), "network"];
}

/** The group that a node belongs to, by name. */
function nameOf(node: NodeJson, by: string): string {
  if (by !== "network") {
    const value = by === "namespace" ? node.namespace : node.labels?.[by];
    if (value) return value;
  }
  if (node.scope === "group") return MULTICAST;
  if (node.scope === "public") return PUBLIC;
  return network(node.addresses[0]);
}

/** The network that an address is likely to be in: masks are not on the wire. */
function network(address: string | undefined): string {
  if (address === undefined) return "No address";
  if (!address.includes(":")) return `${address.split(".").slice(0, 3).join(".")}.0/24`;
  if (address.startsWith("fe80:")) return "fe80::/64";
  const [head = ""] = address.split("::");
  return `${head.split(":").slice(0, 4).join(":")}::/64`;
}

export function group(estate: Estate, by: string): Groups {
  const nameOfNode = estate.nodes.map((node) => nameOf(node, by));
  const sizes = new Map<string, number>();
  for (const name of nameOfNode) sizes.set(name, (sizes.get(name) ?? 0) + 1);
  const bySize = [...sizes].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const kept = new Set(bySize.slice(0, bySize.length > MAX_GROUPS ? MAX_GROUPS - 1 : MAX_GROUPS).map(([name]) => name));
  if (sizes.has(PUBLIC)) kept.add(PUBLIC);
  const rest = `${bySize.length - kept.size} smaller groups`;
  const names = [...kept].sort(ORDER.compare);
  if (kept.size < bySize.length) names.push(rest);
  const index = new Map(names.map((name, place) => [name, place]));
  const of = Uint32Array.from(nameOfNode, (name) => index.get(name) ?? index.get(rest)!);
  const counts = names.map(() => 0);
  for (const place of of) counts[place]! += 1;
  return { of, names, sizes: counts };
}
