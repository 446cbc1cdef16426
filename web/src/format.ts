// Numbers, times and foreign text as people read them.

const UNITS = ["", " k", " M", " G", " T"];

/** Three significant digits: `1.23 M`. */
export function count(value: number): string {
  let unit = 0;
  if (value < 10_000) return String(value);
  while (value >= 999.5 && unit + 1 < UNITS.length) {
    value /= 1000;
    unit += 1;
  }
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + UNITS[unit];
}

export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  let unit = 0;
  while (value >= 999.5 && unit + 1 < UNITS.length) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)}${UNITS[unit]}B`;
}

/** `99.7 %`, as many digits as tell it apart from what is certain or impossible. */
export function percent(share: number): string {
  if (share <= 0 || share >= 1) return `${share * 100} %`;
  if (share > 0.999999) return "more than 99.9999 %";
  if (share < 0.000001) return "less than 0.0001 %";
  const digits = Math.max(1, Math.ceil(-Math.log10(Math.min(share, 1 - share))) - 1);
  return `${Number((share * 100).toFixed(digits))} %`;
}

/** `1 workload`, `2 workloads`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `2026-01-31 08:00:00` in UTC. */
export function time(milliseconds: number): string {
  const date = new Date(milliseconds);
  return Number.isNaN(date.valueOf()) ? "unknown" : date.toISOString().slice(0, 19).replace("T", " ");
}

/** `2026-01-31 08:00` in UTC. */
export function minute(milliseconds: number): string {
  return time(milliseconds).slice(0, 16);
}

// Characters that a person cannot see, or that change how others are shown: names come from the network.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Foreign text with such characters written out. */
export function plain(text: string): string {
  return text.replace(UNSEEN, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

export function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
