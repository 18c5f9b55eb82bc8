import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { expected, TARGET } from './generate-wire.mjs';

test('the committed types are the ones of the schema', async () => {
  const committed = await readFile(TARGET, 'utf8');
  expect(committed === (await expected()), 'run `npm run generate`').toBe(true);
}, 30_000);
