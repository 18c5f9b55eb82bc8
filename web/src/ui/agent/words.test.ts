import { describe, expect, test } from 'vitest';
import type { Ask, Prompt } from '../../wire/generated';
import { askDetail, settledWords } from './words';

const asks = (input: unknown): Ask => ({
  ask: 'permission',
  tool_call: { tool_call_id: 't', raw_input: input as Record<string, unknown> },
  options: [{ option_id: 'yes', name: 'Allow once', kind: 'allow_once' }],
  can_edit_input: false,
  can_deny_with_message: false,
});

describe('what is asked', () => {
  test.each([
    [{ command: 'ls -l', description: 'lists' }, 'ls -l'],
    [{ command: ['git', 'push'] }, 'git push'],
    [{ file_path: '/home/ann/a.txt', content: 'text' }, '~/a.txt\ntext'],
    [{ path: '/srv/a', line: 3 }, '/srv/a\n{\n  "line": 3\n}'],
    [{}, undefined],
    [null, undefined],
    ['text', undefined],
  ])('%j is shown so', (input, shown) => expect(askDetail(asks(input))).toBe(shown));
});

describe('what became of it', () => {
  const answered = (answer: object): string => {
    const by = { by: 'r_1/ann', at_micros: 1, answer_id: 'a', answer };
    return settledWords({ ask: asks({}), state: { state: 'applied', answered: by } } as unknown as Prompt);
  };
  test('is said by the option’s name and who chose it', () => {
    expect(answered({ answer: 'option', option_id: 'yes' })).toBe('Allow once, by ann');
    expect(answered({ answer: 'deny', message: 'use mv' })).toBe('denied: use mv, by ann');
    expect(answered({ answer: 'deny', message: '' })).toBe('denied, by ann');
  });
});
