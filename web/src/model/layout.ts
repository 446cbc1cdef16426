// Where things stand: clients left, what they depend on right. Each opened group is laid out by itself, then the
// groups among each other, so that opening one moves the others little. The same picture always looks the same.

import dagre from "@dagrejs/dagre";
import type { Picture, PictureEdge, PictureNode } from "./picture";

/** Room between things of one layer, and between layers: outside and within opened groups. */
const OUTSIDE = { nodesep: 30, ranksep: 84 };
const WITHIN = { nodesep: 40, ranksep: 58 };
type Room = typeof OUTSIDE;

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Lines that decide where things stand; more take long and change little. */
const MAX_GUIDING_LINES = 160;

/** More things than this, or more lines for each than this, are packed into columns: layers would be long and thin. */
const MAX_LAYERED = 26;
const MAX_LINES_EACH = 4;

/** How much wider than high packed columns should be: as the stage is. */
const ASPECT = 1.25;

/** Room around the members of an opened group, and for its name. */
const PADDING = 22;
const HEADING = 26;

export function sizeOf(node: PictureNode): { width: number; height: number } {
  const letters = Math.max(node.label.length, node.detail.length * 0.85);
  const width = Math.min(190, Math.max(84, letters * 7.3 + 26));
  return { width, height: node.kind === "workload" || (node.kind === "address" && node.detail === "") ? 34 : 50 };
}

/** Places of all nodes but opened groups, whose box is around their members. */
export function layout(picture: Picture): Map<string, Box> {
  const boxes = new Map<string, Box>();
  const inside = new Map<string, PictureNode[]>();
  for (const node of picture.nodes) {
    if (node.parent !== undefined) inside.set(node.parent, [...(inside.get(node.parent) ?? []), node]);
  }
  const top = picture.nodes.filter((node) => node.parent === undefined);
  const outer = new Map<string, { width: number; height: number }>();
  const inner = new Map<string, Map<string, Box>>();
  for (const node of top) {
    const members = inside.get(node.id);
    if (members === undefined) {
      outer.set(node.id, sizeOf(node));
      continue;
    }
    const ids = new Set(members.map((member) => member.id));
    const lines = picture.edges.filter((line) => ids.has(line.from) && ids.has(line.to));
    const places = arrange(new Map(members.map((member) => [member.id, sizeOf(member)])), guides(lines), WITHIN);
    inner.set(node.id, places);
    const { width, height } = extent(places);
    outer.set(node.id, { width: width + 2 * PADDING, height: height + 2 * PADDING + HEADING });
  }
  const parents = new Map(picture.nodes.map((node) => [node.id, node.parent ?? node.id]));
  const places = arrange(outer, between(guides(picture.edges), parents), OUTSIDE);
  for (const [id, box] of places) {
    const members = inner.get(id);
    if (members === undefined) boxes.set(id, box);
    else {
      const left = box.x - box.width / 2 + PADDING;
      const above = box.y - box.height / 2 + PADDING + HEADING;
      for (const [member, place] of members) boxes.set(member, { ...place, x: left + place.x, y: above + place.y });
    }
  }
  return boxes;
}

/** What should decide where things stand: dependencies, and other lines only of what has none. */
function guides(lines: PictureEdge[]): PictureEdge[] {
  const settled = lines.filter((line) => line.kind === "accepted");
  const joined = new Set(settled.flatMap(({ from, to }) => [from, to]));
  return [...settled, ...lines.filter((line) => line.kind !== "accepted" && !(joined.has(line.from) && joined.has(line.to)))];
}

/** Lines between groups, each once. */
function between(lines: PictureEdge[], parents: Map<string, string>): Line[] {
  const seen = new Map<string, Line>();
  for (const { from, to } of lines) {
    const [a, b] = [parents.get(from)!, parents.get(to)!];
    if (a !== b) seen.set(`${a}\n${b}`, { from: a, to: b });
  }
  return [...seen.values()];
}

interface Line {
  from: string;
  to: string;
}

/** Boxes with their upper left corner at 0, 0: those with lines in layers, the others in rows below. */
function arrange(sizes: Map<string, { width: number; height: number }>, lines: Line[], room: Room): Map<string, Box> {
  const guiding = lines.slice(0, Math.max(MAX_GUIDING_LINES, sizes.size));
  const joined = new Set(guiding.flatMap(({ from, to }) => [from, to]));
  const boxes = new Map<string, Box>();
  if (joined.size > 0) layers(sizes, guiding, joined, room, boxes);
  const { width, height } = extent(boxes);
  const alone = [...sizes].filter(([id]) => !joined.has(id));
  const area = alone.reduce((sum, [, size]) => sum + (size.width + 24) * (size.height + 20), 0);
  rows(alone, Math.max(width, Math.sqrt(area * 1.9)), height > 0 ? height + 40 : 0, boxes);
  return boxes;
}

function layers(sizes: Map<string, { width: number; height: number }>, lines: Line[], joined: Set<string>, room: Room, boxes: Map<string, Box>): void {
  const graph = new dagre.graphlib.Graph();
  const dense = joined.size > MAX_LAYERED || lines.length > MAX_LINES_EACH * joined.size;
  const ranker = dense ? "longest-path" : "network-simplex";
  graph.setGraph({ rankdir: "LR", ...room, edgesep: 14, ranker });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of [...joined].sort()) graph.setNode(id, { ...sizes.get(id)! });
  for (const { from, to } of lines) graph.setEdge(from, to);
  dagre.layout(graph);
  const placed = graph.nodes().map((id): [string, Box] => {
    const { x, y, width, height } = graph.node(id) as Box;
    return [id, { x, y, width, height }];
  });
  if (dense) columns(placed, room, boxes);
  else for (const [id, box] of placed) boxes.set(id, box);
}

/** Packs layered things into columns of like height, in the order of their layers. */
function columns(placed: [string, Box][], room: Room, boxes: Map<string, Box>): void {
  const area = placed.reduce((sum, [, box]) => sum + (box.width + room.ranksep) * (box.height + room.nodesep), 0);
  const tall = Math.sqrt(area / ASPECT);
  placed.sort(([a, one], [b, other]) => one.x - other.x || one.y - other.y || (a < b ? -1 : 1));
  let column: [string, Box][] = [];
  let [left, height] = [0, 0];
  const finish = () => {
    const width = Math.max(...column.map(([, box]) => box.width));
    let y = Math.max(0, (tall - height) / 2);
    for (const [id, box] of column.sort(([, one], [, other]) => one.y - other.y)) {
      boxes.set(id, { ...box, x: left + width / 2, y: y + box.height / 2 });
      y += box.height + room.nodesep;
    }
    left += width + room.ranksep;
    [column, height] = [[], 0];
  };
  for (const entry of placed) {
    if (column.length > 0 && height + entry[1].height > tall) finish();
    column.push(entry);
    height += entry[1].height + room.nodesep;
  }
  finish();
}

function rows(alone: [string, { width: number; height: number }][], width: number, above: number, boxes: Map<string, Box>): void {
  let [x, y, tallest] = [0, above, 0];
  for (const [id, size] of alone) {
    if (x > 0 && x + size.width > width) [x, y, tallest] = [0, y + tallest + 20, 0];
    boxes.set(id, { ...size, x: x + size.width / 2, y: y + size.height / 2 });
    x += size.width + 24;
    tallest = Math.max(tallest, size.height);
  }
}

function extent(boxes: Map<string, Box>): { width: number; height: number } {
  let [width, height] = [0, 0];
  for (const box of boxes.values()) {
    width = Math.max(width, box.x + box.width / 2);
    height = Math.max(height, box.y + box.height / 2);
  }
  return { width, height };
}
