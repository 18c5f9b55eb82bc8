// TypeScript of the wire, from the JSON Schema that the Rust types generate.
//
// `npm run generate` writes src/wire/generated.ts; `--check` (and a unit test) only compares.
import { readFile, writeFile } from 'node:fs/promises';
import { compile } from 'json-schema-to-typescript';

const SCHEMA = new URL('../../docs/schema/quarterdeck.v1.json', import.meta.url);
export const TARGET = new URL('../src/wire/generated.ts', import.meta.url);
const HEAD = `// Generated from docs/schema/quarterdeck.v1.json by \`npm run generate\`. Do not edit.\n`;

const typeName = (schema) => {
  const name = schema.$ref?.split('/').pop();
  if (!name) throw new Error(`not a reference: ${JSON.stringify(schema)}`);
  return name;
};

/** The file's text for a schema's text. */
export async function generate(schemaText) {
  const schema = JSON.parse(schemaText);
  const root = {
    $schema: schema.$schema,
    title: 'WireTypes',
    type: 'object',
    additionalProperties: false,
    // names every type once, so that each becomes an export of its own
    properties: Object.fromEntries(
      Object.keys(schema.$defs).map((name) => [name, { $ref: `#/definitions/${name}` }]),
    ),
    required: Object.keys(schema.$defs),
    definitions: pointed(schema.$defs),
  };
  const types = await compile(root, 'WireTypes', {
    bannerComment: '',
    additionalProperties: false,
    unknownAny: true,
    format: true,
    style: { singleQuote: true, printWidth: 100 },
  });
  return HEAD + types + tables(schema);
}

/** The definitions with bare references: words beside a `$ref` would make a second type of the same. */
function pointed(node) {
  if (Array.isArray(node)) return node.map(pointed);
  if (node === null || typeof node !== 'object') return node;
  if (typeof node.$ref === 'string') {
    const { $ref, description: _, default: __, ...members } = node;
    const bare = { $ref: $ref.replace('#/$defs/', '#/definitions/') };
    // a variant that is another type with a tag
    return Object.keys(members).length === 0 ? bare : { allOf: [bare, pointed(members)] };
  }
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, pointed(value)]));
}

function tables(schema) {
  const methods = Object.entries(schema.methods).map(
    ([name, { params, result, scope }]) =>
      `  '${name}': { params: ${typeName(params)}; result: ${typeName(result)}; scope: ${scope ? `'${scope}'` : 'null'} };`,
  );
  const notifications = Object.entries(schema.notifications).map(
    ([name, body]) => `  '${name}': ${typeName(body)};`,
  );
  const codes = Object.entries(schema.errorCodes).map(([word, code]) => `  ${word}: ${code},`);
  return [
    '/** Every method: what it takes, what it gives, the scope that it needs. */',
    'export interface Methods {',
    ...methods,
    '}',
    '/** Every notification. */',
    'export interface Notifications {',
    ...notifications,
    '}',
    '/** Error words and their JSON-RPC numbers. */',
    'export const ERROR_CODES = {',
    ...codes,
    '} as const;',
    '/** What can go wrong, by its stable word. */',
    'export type ErrorWord = keyof typeof ERROR_CODES;',
    '',
  ].join('\n');
}

/** The text that should stand in the committed file. */
export async function expected() {
  return generate(await readFile(SCHEMA, 'utf8'));
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const text = await expected();
  if (process.argv.includes('--check')) {
    const same = text === (await readFile(TARGET, 'utf8'));
    if (!same) {
      process.stderr.write('src/wire/generated.ts is not what the schema says: npm run generate\n');
      process.exitCode = 1;
    }
  } else {
    await writeFile(TARGET, text);
  }
}
