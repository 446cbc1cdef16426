// Holds dashboards against the types that Grafana publishes: the dashboard and its panels, and each panel's options
// and fields against those of its plugin. What Grafana does not know is an error, so a misspelt option is found.
//
//     node check.mjs DASHBOARD.json...

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = dirname(fileURLToPath(import.meta.url));
const work = join(here, 'node_modules', '.check');

// Where the types of each panel's options are, and whether it has options of fields too. A panel that is not listed
// here is refused.
const PANELS = {
  barchart: ['barchart', 'BarChartPanelCfg', true],
  nodeGraph: ['nodegraph', 'NodeGraphPanelCfg', false],
  stat: ['stat', 'StatPanelCfg', false],
  table: ['table', 'TablePanelCfg', true],
  text: ['text', 'TextPanelCfg', false],
  timeseries: ['timeseries', 'TimeSeriesPanelCfg', true],
};

// Enumerations are written by value in JSON.
const HEAD = `import type { Dashboard, Panel, RowPanel } from '@grafana/schema/dist/types/raw/dashboard/x/dashboard_types.gen';
type Plain<T> = T extends string ? \`\${T}\` : T extends number ? number
  : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
`;

function source(path) {
  const dashboard = JSON.parse(readFileSync(path, 'utf8'));
  const lines = [HEAD];
  const panels = dashboard.panels ?? [];
  const ids = new Set(panels.map((panel) => panel.id));
  if (ids.size !== panels.length) throw new Error(`${path}: two panels have the same id`);
  for (const type of new Set(panels.map((panel) => panel.type).filter((type) => type !== 'row'))) {
    if (!PANELS[type]) throw new Error(`${path}: check.mjs knows no panel ${type}`);
    const [folder, file] = PANELS[type];
    lines.push(
      `import type * as ${type} from '@grafana/schema/dist/types/raw/composable/${folder}/panelcfg/x/${file}_types.gen';`,
    );
  }
  const check = (value, type) => lines.push(`(${JSON.stringify(value, null, 1)}) satisfies Plain<${type}>;`);
  check({ ...dashboard, panels: [] }, 'Dashboard');
  for (const panel of panels) {
    if (panel.type === 'row') {
      check(panel, 'RowPanel');
      continue;
    }
    check({ ...panel, options: {} }, 'Panel');
    check(panel.options, `Partial<${panel.type}.Options>`);
    const custom = panel.fieldConfig?.defaults?.custom;
    if (custom) {
      if (!PANELS[panel.type][2]) throw new Error(`${path}: a panel ${panel.type} has no options of fields`);
      check(custom, `Partial<${panel.type}.FieldConfig>`);
    }
  }
  return lines.join('\n');
}

rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
const files = process.argv.slice(2).map((path) => {
  const file = join(work, `${basename(path, '.json')}.ts`);
  writeFileSync(file, source(path));
  return file;
});
const program = ts.createProgram(files, {
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Node10,
});
const found = ts.getPreEmitDiagnostics(program);
if (found.length > 0) {
  const host = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => work, getNewLine: () => '\n' };
  console.error(ts.formatDiagnosticsWithColorAndContext(found, host));
  process.exit(1);
}
console.log(`${files.length} dashboards are as Grafana's schema has them`);
