// Holds SARIF against its JSON schema (OASIS, 2.1.0) and JUnit's XML against the schema of Jenkins' xUnit plugin,
// junit-10.xsd, which carries its licence.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import Ajv from 'ajv'
import { validateXML } from 'xmllint-wasm'

const require = createRequire(import.meta.url)
const read = name => readFileSync(new URL(name, import.meta.url), 'utf8')

const ajv = new Ajv({ schemaId: 'id', allErrors: true, meta: false })
ajv.addMetaSchema(require('ajv/lib/refs/json-schema-draft-04.json'))
const sarif = ajv.compile(require('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json'))

async function faults(file) {
  const text = readFileSync(file, 'utf8')
  if (file.endsWith('.xml')) {
    const found = await validateXML({ xml: [{ fileName: file, contents: text }], schema: [read('junit-10.xsd')] })
    return found.valid ? [] : found.errors.map(one => one.rawMessage)
  }
  return sarif(JSON.parse(text)) ? [] : sarif.errors.map(one => `${one.dataPath} ${one.message}`)
}

let wrong = 0
for (const file of process.argv.slice(2)) {
  const found = await faults(file)
  wrong += found.length
  for (const fault of found) console.log(`${file}: ${fault}`)
}
process.exit(wrong > 0 ? 1 : 0)
