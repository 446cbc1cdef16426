// What people decide about rules on this page: sent to the server that it came from, or kept for a file.

import type { App } from "../app";
import { save } from "../dom";

export type Decision = "approved" | "rejected";

/** What somebody said of a rule: a decision, a comment, or both. */
export interface Said {
  decision?: Decision;
  by?: string;
  at?: string;
  comment?: string;
}

/** As the server tells it. */
interface DecisionJson {
  id: string;
  decision: Decision | "none";
  by?: string;
  at?: string;
  comment?: string;
}

function read({ decision, by, at, comment }: DecisionJson): Said {
  return { ...(decision === "none" ? {} : { decision }), ...(by ? { by } : {}), ...(at ? { at } : {}), ...(comment ? { comment } : {}) };
}

/** Characters of a comment: no more than the file takes, whatever they are encoded to. */
export const MAX_COMMENT = 1000;

/** Characters of a server's refusal that are shown. */
const MAX_ANSWER = 300;

/** How the file begins. */
const HEAD = "version: 1\nrules:\n";

export class Decisions {
  readonly #app: App;
  /** By rule. */
  readonly said = new Map<string, Said>();
  /** Comments that are being written, by rule: drawing the panel anew does not lose them. */
  readonly drafts = new Map<string, string>();
  /** Who decides, for the file; and what proves it, to a server. Neither is kept longer than the page is open. */
  by = "";
  token = "";
  /** What came of the last try. */
  told = { rule: "", text: "", wrong: false };
  #unsaved = false;

  constructor(app: App) {
    this.#app = app;
    addEventListener("beforeunload", (event) => this.#unsaved && event.preventDefault());
  }

  /** The comment as it stands in the form: what is being written, or else what was said last. */
  draft(rule: string): string {
    return this.drafts.get(rule) ?? this.said.get(rule)?.comment ?? "";
  }

  /** Says something of a rule; what was said of it before is replaced. */
  async decide(rule: string, decision: Decision | undefined): Promise<void> {
    const comment = this.draft(rule).trim();
    if (decision === undefined && comment === "") return this.#tell(rule, "Write a comment first.", true);
    const said: Said = { ...(decision ? { decision } : {}), ...(comment ? { comment } : {}) };
    if (this.#app.served) return this.#send(rule, said);
    this.#keep(rule, { ...said, ...(this.by ? { by: this.by } : {}), at: new Date().toISOString().replace(/\.\d+Z$/, "Z") });
    this.#unsaved = true;
    this.#tell(rule, "Kept by this page until it is closed: download decisions.yaml.", false);
  }

  async #send(rule: string, said: Said): Promise<void> {
    try {
      const headers = { "Content-Type": "application/json", ...(this.token ? { Authorization: `Bearer ${this.token}` } : {}) };
      const body = JSON.stringify({ ...said, decision: said.decision ?? "none" });
      const answer = await fetch(`api/v1/rules/${encodeURIComponent(rule)}/decision${location.search}`, { method: "POST", headers, body });
      if (!answer.ok) return this.#tell(rule, `Not taken: ${reason(await answer.text(), answer.status)}.`, true);
      this.#keep(rule, read((await answer.json()) as DecisionJson));
      this.#tell(rule, "Written to the server's decisions.", false);
    } catch {
      this.#tell(rule, "Not taken: the server does not answer. Try again.", true);
    }
  }

  /** Asks the server what was decided before. Who may not know it sees none. */
  async ask(): Promise<void> {
    for (let offset: number | null = 0; offset !== null; ) {
      const answer = await fetch(`api/v1/decisions?limit=1000&offset=${offset}`);
      if (!answer.ok) return;
      const page = (await answer.json()) as { items: DecisionJson[]; next: number | null };
      for (const item of page.items) this.said.set(item.id, read(item));
      offset = page.next;
    }
    if (this.said.size > 0) this.#app.touch();
  }

  #keep(rule: string, said: Said): void {
    this.said.set(rule, said);
    this.drafts.delete(rule);
  }

  #tell(rule: string, text: string, wrong: boolean): void {
    this.told = { rule, text, wrong };
    this.#app.touch();
  }

  /** Takes the decisions away as a file. */
  download(): void {
    save("decisions.yaml", new Blob([this.yaml()], { type: "application/yaml" }));
    this.#unsaved = false;
    this.#app.touch();
  }

  /** Rules in order of their ids; every text in double quotes, whose escapes JSON and YAML share. */
  yaml(): string {
    const entries = [...this.said].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, { decision, by, at, comment }]) => {
      const fields = [`id: ${quoted(id)}`, decision && `decision: ${decision}`, by && `by: ${quoted(by)}`, at && `at: ${at}`, comment && `comment: ${quoted(comment)}`];
      return `- ${fields.filter(Boolean).join("\n  ")}\n`;
    });
    return HEAD + entries.join("");
  }
}

/** Text as YAML, in which no character can end a line or hide. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029\ufeff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Why a server refused, in its own words where it has some. */
function reason(text: string, status: number): string {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === "string") return error.slice(0, MAX_ANSWER);
  } catch {
    // It is no JSON: what sits between may answer in its own way.
  }
  return { 401: "it needs a token that the server knows", 403: "this token may not decide", 404: "the server knows no such rule, or takes no decisions" }[status] ?? `the server said ${status}`;
}

/** `approved by alice on 2026-11-28: as designed`. */
export function sentence({ decision, by, at, comment }: Said): string {
  const parts = [decision ?? "commented", by && `by ${by}`, at && `on ${at.slice(0, 10)}`].filter(Boolean).join(" ");
  return comment ? `${parts}: ${comment}` : parts;
}
