// What is shown, kept in the address so that it can be shared.

export type View = "map" | "policy" | "changes" | "scans" | "table";
export const VIEWS: readonly View[] = ["map", "policy", "changes", "scans", "table"];

/** Kinds of edges that a person can switch on and off. */
export type Kind = "accepted" | "needs_person" | "attempts" | "other";
export const KINDS: readonly Kind[] = ["accepted", "needs_person", "attempts", "other"];

export interface State {
  view: View;
  /** What groups are made by: a label's key, `namespace`, `network`. */
  by: string;
  /** Opened groups and roles; undefined is whatever suits the size of the estate. */
  open: readonly string[] | undefined;
  selected: string;
  query: string;
  kinds: readonly Kind[];
  external: "" | "only" | "none";
  label: string;
  namespace: string;
  service: string;
  /** Hours from the first; `to` -1 is the last. */
  from: number;
  to: number;
  /** Only edges first seen in this hour or later; -1 is all. */
  since: number;
  /** The four hours that the changes are between. */
  compare: readonly number[];
  level: number;
  theme: "" | "light" | "dark";
}

export const DEFAULTS: State = {
  view: "map",
  by: "",
  open: undefined,
  selected: "",
  query: "",
  kinds: ["accepted", "needs_person"],
  external: "",
  label: "",
  namespace: "",
  service: "",
  from: 0,
  to: -1,
  since: -1,
  compare: [],
  level: 0,
  theme: "",
};

/** The state that an address stands for; what it does not say, or says wrongly, is as by default. */
export function read(hash: string): State {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const text = (name: string, otherwise: string) => given.get(name) ?? otherwise;
  const number = (name: string, otherwise: number) => {
    const value = Number(given.get(name) ?? otherwise);
    return Number.isSafeInteger(value) ? value : otherwise;
  };
  const one = <T extends string>(name: string, all: readonly T[], otherwise: T) =>
    all.find((each) => each === given.get(name)) ?? otherwise;
  const kinds = given.get("kinds")?.split(" ");
  return {
    view: one("view", VIEWS, DEFAULTS.view),
    by: text("by", ""),
    open: given.has("open") ? given.getAll("open").filter(Boolean) : undefined,
    selected: text("selected", ""),
    query: text("q", ""),
    kinds: kinds ? KINDS.filter((kind) => kinds.includes(kind)) : DEFAULTS.kinds,
    external: one("external", ["", "only", "none"] as const, ""),
    label: text("label", ""),
    namespace: text("namespace", ""),
    service: text("service", ""),
    from: Math.max(0, number("from", 0)),
    to: number("to", -1),
    since: number("since", -1),
    compare: (given.get("compare") ?? "").split(" ").filter(Boolean).map(Number).filter(Number.isSafeInteger),
    level: Math.max(0, number("level", 0)),
    theme: one("theme", ["", "light", "dark"] as const, ""),
  };
}

/** The address of a state: only what is not as by default. */
export function write(state: State): string {
  const out = new URLSearchParams();
  const put = (name: string, value: string | number, otherwise: string | number) => {
    if (value !== otherwise) out.set(name, String(value));
  };
  put("view", state.view, DEFAULTS.view);
  put("by", state.by, "");
  for (const group of state.open?.length === 0 ? [""] : (state.open ?? [])) out.append("open", group);
  put("selected", state.selected, "");
  put("q", state.query, "");
  put("kinds", state.kinds.join(" "), DEFAULTS.kinds.join(" "));
  put("external", state.external, "");
  put("label", state.label, "");
  put("namespace", state.namespace, "");
  put("service", state.service, "");
  put("from", state.from, 0);
  put("to", state.to, -1);
  put("since", state.since, -1);
  put("compare", state.compare.join(" "), "");
  put("level", state.level, 0);
  put("theme", state.theme, "");
  return out.toString();
}
