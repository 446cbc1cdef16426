// What can be taken away: the picture as PNG and SVG, the edges shown as CSV.

import type { Core, EdgeSingular, NodeSingular } from "cytoscape";
import type { App } from "./app";
import { save } from "./dom";

export function png(cy: Core): void {
  const bg = getComputedStyle(document.documentElement).getPropertyValue("--surface").trim();
  save("watershed.png", cy.png({ full: true, scale: 2, bg, output: "blob", maxWidth: 8000, maxHeight: 8000 }));
}

export function svg(cy: Core): void {
  save("watershed.svg", new Blob([drawing(cy)], { type: "image/svg+xml" }));
}

const SVG = "http://www.w3.org/2000/svg";

/** The picture as SVG, made of elements rather than of text, so that a name cannot become markup. */
export function drawing(cy: Core): string {
  const make = (name: string, attributes: Record<string, string | number>) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    return element;
  };
  const { x1, y1, w, h } = cy.elements(":visible").boundingBox();
  const root = make("svg", { viewBox: `${x1 - 20} ${y1 - 20} ${w + 40} ${h + 40}`, width: Math.round(w + 40), height: Math.round(h + 40), "font-family": "sans-serif" });
  const put = (element: Element) => root.append(element);
  const parents = cy.nodes().filter((node) => node.isParent());
  parents.forEach((node) => box(node as NodeSingular, make).forEach(put));
  cy.edges(":visible").forEach((edge) => arrow(edge as EdgeSingular, make).forEach(put));
  cy.nodes().difference(parents).forEach((node) => box(node as NodeSingular, make).forEach(put));
  return new XMLSerializer().serializeToString(root);
}

type Make = (name: string, attributes: Record<string, string | number>) => Element;

function box(node: NodeSingular, make: Make): Element[] {
  const { x1, y1, w, h } = node.boundingBox({ includeLabels: false, includeOverlays: false, includeUnderlays: false });
  const frame = make("rect", { x: x1, y: y1, width: w, height: h, rx: 8, fill: node.style("background-color"), stroke: node.style("border-color"), "stroke-width": 1 });
  const lines = String(node.data("label")).split("\n");
  const middle = node.isParent() ? y1 + 20 : y1 + h / 2 - (lines.length - 1) * 8 + 4;
  const texts = lines.map((line, index) => {
    const text = make("text", { x: x1 + w / 2, y: middle + index * 16, "text-anchor": "middle", "font-size": 12.5, fill: node.style("color") });
    text.textContent = line;
    return text;
  });
  return [frame, ...texts];
}

function arrow(edge: EdgeSingular, make: Make): Element[] {
  const [from, to] = [edge.sourceEndpoint(), edge.targetEndpoint()];
  const bend = edge.controlPoints()?.[0];
  const stroke = edge.style("line-color");
  const dash = { dashed: "6 4", dotted: "2 3" }[edge.style("line-style") as string] ?? "none";
  const path = bend ? `M${from.x} ${from.y}Q${bend.x} ${bend.y} ${to.x} ${to.y}` : `M${from.x} ${from.y}L${to.x} ${to.y}`;
  const line = make("path", { d: path, fill: "none", stroke, "stroke-width": edge.data("width"), "stroke-dasharray": dash });
  const before = bend ?? from;
  const angle = (Math.atan2(to.y - before.y, to.x - before.x) * 180) / Math.PI;
  const head = make("path", { d: "M0 0L-9 4.5L-9 -4.5Z", fill: stroke, transform: `translate(${to.x} ${to.y}) rotate(${angle})` });
  return [line, head];
}

export function csv(app: App): void {
  save("watershed-edges.csv", new Blob([rows(app)], { type: "text/csv;charset=utf-8" }));
}

/** The edges shown, as RFC 4180 has it; a cell that a spreadsheet would run as a formula gets a quote before it. */
export function rows(app: App): string {
  const { estate } = app;
  const cell = (value: string | number) => {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const head = ["client", "server", "service", "name", "verdict", "doubt", "connections", "answered", "bytes_to_server", "bytes_to_client", "first_seen", "last_seen", "rule"];
  const lines = app.active.map((edge) => {
    const row = estate.rows[edge]!;
    const { service, name } = estate.serviceOf(edge);
    const { verdict, doubt } = estate.verdictOf(edge);
    const rule = app.rulesOf(edge).map(({ id }) => id).join(" ");
    const iso = (time: number) => new Date(time).toISOString();
    return [estate.nodes[row[0]]!.id, estate.nodes[row[1]]!.id, service, name ?? "", verdict, doubt ?? "", row[4], row[5], row[8], row[9], iso(row[10]), iso(row[11]), rule];
  });
  return [head, ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

