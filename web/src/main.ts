// The map that people look at.

import "./style.css";
import { App } from "./app";
import { Estate } from "./data/estate";
import { load } from "./data/source";
import { h } from "./dom";
import { plain, plural } from "./format";
import { follows, Live } from "./live";
import { Graph } from "./view/graph";
import { Header, LossBanner } from "./view/header";
import { Panel } from "./view/panel";
import { Sidebar } from "./view/sidebar";
import { Tables } from "./view/tables";
import { Timeline } from "./view/timeline";

/** While a slider moves, lists wait for it to pause, milliseconds: the picture follows at once. */
const PAUSE = 90;

const root = document.getElementById("app")!;

try {
  const { data, served } = await load();
  const app = new App(new Estate(data), served);
  show(app);
  if (served) void app.decisions.ask().catch(() => undefined);
  // The second frame after drawing begins when the first is on the screen.
  requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("first-picture")));
} catch (error) {
  root.replaceChildren(h("p", { class: "waiting", role: "alert" }, `The map cannot be shown: ${error instanceof Error ? error.message : String(error)}`));
  throw error;
}

function show(app: App): void {
  document.title = `Watershed · ${plain(app.estate.document.source)}`;
  const graph = new Graph(app);
  const header = new Header(app, graph, app.served && follows(location.search) ? new Live(app).element : null);
  const banner = new LossBanner(app);
  const [sidebar, timeline, tables, panel] = [new Sidebar(app), new Timeline(app), new Tables(app), new Panel(app)];
  const note = h("p", { class: "note" });
  const said = h("p", { class: "unseen", role: "status" });
  const stage = h("div", { class: "center" }, graph.element, legend(), note, tables.element, timeline.element);
  root.replaceChildren(header.element, banner.element, sidebar.element, h("main", {}, stage), panel.element, said);
  const rows = () => {
    panel.update();
    tables.update();
    say(said, app);
  };
  let pause: number | undefined;
  app.listen(() => {
    const picture = app.state.view !== "scans" && app.state.view !== "table";
    graph.element.hidden = !picture;
    root.dataset.view = app.state.view;
    header.update();
    banner.update();
    sidebar.update();
    clearTimeout(pause);
    if (app.moving) pause = window.setTimeout(() => rows(), PAUSE);
    else rows();
    timeline.update();
    if (picture) graph.update();
    const empty = app.edges.length === 0 ? "Nothing matches: clear some filters." : graph.describe();
    note.textContent = picture ? empty : "";
    note.hidden = note.textContent === "";
  });
}

/** Tells those who do not see the picture what is selected. */
function say(said: HTMLElement, app: App): void {
  const { selected } = app.state;
  const node = app.picture.byId.get(selected);
  const text = node ? `${node.label}, ${node.detail ? `${node.detail}, ` : ""}${plural(app.edgesOf(selected).length, "dependency", "dependencies")}` : "";
  if (said.textContent !== text) said.textContent = text;
}

/** What the colours mean in each view; the style sheet shows those of the view. */
function legend(): HTMLElement {
  const entries: [string, string, string][] = [
    ["map", "accepted", "dependency"], ["map", "needs_person", "needs a person"], ["map", "attempts", "tried in vain"],
    ["policy", "allowed", "allowed by a rule"], ["policy", "denied", "would be denied"], ["policy", "attempts", "vain tries, denied"], ["policy", "other", "no rule is for it"],
    ["changes", "new", "new"], ["changes", "gone", "gone"], ["changes", "kept", "in both periods"],
  ];
  return h("ul", { class: "legend", "aria-label": "Colours" }, ...entries.map(([view, tone, text]) => h("li", { class: `${view} ${tone}` }, h("span", { class: "stroke" }), text)));
}
