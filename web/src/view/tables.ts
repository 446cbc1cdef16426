// The scan ledger and the table of edges: everything as rows.

import type { App } from "../app";
import { button, h } from "../dom";
import { bytes, count, minute, plain, plural, shorten } from "../format";
import { mark, serviceText, WHOLE_PERIOD } from "./parts";

/** Rows on a page of a table. */
const PAGE = 200;

type Cell = string | number | Node;

interface Column {
  name: string;
  numeric?: boolean;
}

function table(caption: string, columns: Column[], rows: Cell[][]): HTMLElement {
  const align = (index: number) => (columns[index]?.numeric ? "number" : undefined);
  return h("table", {}, h("caption", {}, caption),
    h("thead", {}, h("tr", {}, ...columns.map((column, index) => h("th", { scope: "col", class: align(index) }, column.name)))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((cell, index) => h("td", { class: align(index) }, cell))))));
}

export class Tables {
  readonly element = h("section", { class: "tables", tabindex: 0, "aria-label": "Table" });
  readonly #app: App;
  #page = 0;
  #shown = "";

  constructor(app: App) {
    this.#app = app;
  }

  update(): void {
    const { state } = this.#app;
    this.element.hidden = state.view !== "scans" && state.view !== "table";
    if (this.element.hidden) return;
    const shown = JSON.stringify([state.view, this.#app.pictureKey, this.#app.range]);
    if (shown !== this.#shown) this.#page = 0;
    this.#shown = shown;
    this.element.replaceChildren(...(state.view === "scans" ? this.#scans() : this.#edges()));
  }

  #scans(): Node[] {
    const scans = [...this.#app.estate.document.scans].sort((a, b) => b.connections - a.connections);
    const node = (id: string): Node => (this.#app.estate.byId.has(id) ? button(plain(id), () => this.#app.set({ view: "map", selected: `n:${id}`, kinds: ["accepted", "needs_person", "attempts"] }), { class: "link" }) : h("bdi", {}, plain(id)));
    const rows = this.#slice(scans).map((scan) => [
      node(scan.source),
      scan.kind.replaceAll("_", " "),
      scan.targets.length === 1 ? plain(scan.targets[0]!) : plural(scan.targets.length, "host"),
      `${scan.protocol} ${shorten(scan.ports, 32)}`,
      count(scan.connections), count(scan.refused), count(scan.unanswered),
      scan.open.length === 0 ? "" : h("span", { class: "warn" }, plural(scan.open.length, "open port")),
      minute(Date.parse(scan.first_seen)), minute(Date.parse(scan.last_seen)),
    ]);
    const columns = ["Source", "What", "Whom", "Ports"].map((name): Column => ({ name }));
    const numbers = ["Tries", "Refused", "Silent"].map((name) => ({ name, numeric: true }));
    const caption = `Scan ledger: ${plural(scans.length, "source and protocol", "sources and protocols")} that tried in vain. None of it becomes a rule.`;
    return [table(caption, [...columns, ...numbers, { name: "Found" }, { name: "First" }, { name: "Last" }], rows), this.#pages(scans.length)];
  }

  #edges(): Node[] {
    const { estate } = this.#app;
    const active = [...this.#app.active].sort((a, b) => estate.connections[b]! - estate.connections[a]! || a - b);
    const rows = this.#slice(active).map((edge) => {
      const row = estate.rows[edge]!;
      const end = (index: number) => button(plain(estate.nameOf(index)), () => this.#app.set({ view: "map", selected: this.#app.edgeKey(edge) }), { class: "link" });
      return [end(row[0]), end(row[1]), serviceText(this.#app, edge), mark(this.#app, edge), count(row[4]), count(row[5]), bytes(row[8]), bytes(row[9]), minute(row[10]), minute(row[11])];
    });
    const columns = ["Client", "Server", "Service", "Verdict"].map((name): Column => ({ name }));
    const numbers = ["Connections", "Answered", "To server", "To client"].map((name) => ({ name, numeric: true }));
    const whole = this.#app.isWhole ? "" : ` ${WHOLE_PERIOD}`;
    return [table(`${plural(active.length, "dependency", "dependencies")}, the busiest first.${whole}`, [...columns, ...numbers, { name: "First seen" }, { name: "Last seen" }], rows), this.#pages(active.length)];
  }

  #slice<T>(all: T[]): T[] {
    return all.slice(this.#page * PAGE, (this.#page + 1) * PAGE);
  }

  #pages(all: number): HTMLElement {
    const last = Math.max(0, Math.ceil(all / PAGE) - 1);
    const go = (by: number) => () => {
      this.#page = Math.min(last, Math.max(0, this.#page + by));
      this.update();
      this.element.scrollTop = 0;
    };
    return h("p", { class: "pages", hidden: last === 0 }, button("Previous", go(-1), { disabled: this.#page === 0 }), `Page ${this.#page + 1} of ${last + 1}`, button("Next", go(1), { disabled: this.#page === last }));
  }
}
