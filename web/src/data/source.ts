// Where the document comes from: a report has it inside, a served page asks the server that it came from.

import { SCHEMA_VERSION, type DocumentJson } from "./document";

/** What stands in a page that has no data yet: see cli/src/report.rs. */
const NO_DATA = "watershed:data";

export interface Loaded {
  data: DocumentJson;
  /** Whether it came from a server. */
  served: boolean;
}

export async function load(): Promise<Loaded> {
  const element = document.getElementById("data");
  performance.mark("data-here");
  const inside: unknown = JSON.parse(element?.textContent || "null");
  // Its text is not needed again, and it is large.
  element?.remove();
  const served = inside === null || inside === NO_DATA;
  return { data: served ? await ask() : check(inside), served };
}

/** How often the server is asked again while it reads its store. */
const AGAIN = 20;

/** Asks the server, for the period in the page's address. */
export async function ask(): Promise<DocumentJson> {
  for (let left = AGAIN; ; left -= 1) {
    const answer = await fetch(`api/v1/map${location.search}`);
    if (answer.ok) return check(await answer.json());
    // It goes on reading meanwhile, and says when to ask again.
    const seconds = Number(answer.headers.get("Retry-After"));
    if (answer.status !== 429 || !(seconds > 0) || left === 0) {
      throw new Error(`the server said ${answer.status}: ${(await answer.text()).slice(0, 300)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}

function check(data: unknown): DocumentJson {
  const read = data as DocumentJson;
  if (read.schema_version !== SCHEMA_VERSION) {
    throw new Error(`the data has version ${read.schema_version}; this page reads ${SCHEMA_VERSION}`);
  }
  return read;
}
