import { beforeEach, describe, expect, test } from 'vitest';
import { type Program, Typing } from './typing.svelte';

let sent: string[];
let program: Program & { takes: boolean; reason: 'not_owner' | 'full' | 'ended'; bracketed: boolean };
let typing: Typing;

beforeEach(() => {
  sent = [];
  program = {
    takes: true,
    reason: 'not_owner',
    bracketed: false,
    send: (bytes) => program.takes && sent.push(new TextDecoder().decode(bytes)) > 0,
    refusal: () => program.reason,
    hasBracketedPaste: () => program.bracketed,
    full: () => void sent.push('(full)'),
  };
  typing = new Typing(program);
});

const paste = (text: string): void => {
  const event = { preventDefault: () => {}, stopPropagation: () => {}, clipboardData: { getData: () => text } };
  typing.handlePaste(event as unknown as ClipboardEvent);
};

describe('typing', () => {
  test('where somebody else owns offers to take over, and sends nothing', () => {
    program.takes = false;
    typing.type('x');
    expect(typing.wantsToType).toBe(true);
    expect(sent).toEqual([]);
  });

  test('into a program that has ended is nothing, and into a full one is said', () => {
    Object.assign(program, { takes: false, reason: 'ended' });
    typing.type('x');
    program.reason = 'full';
    typing.type('x');
    expect([typing.wantsToType, sent]).toEqual([false, ['(full)']]);
  });

  test('Ctrl counts for one key', () => {
    typing.ctrlArmed = true;
    for (const key of 'cc') typing.handleTyped(new TextEncoder().encode(key));
    expect(sent).toEqual(['\x03', 'c']);
  });

  test('a paste of one line goes on, one of many waits for a person', () => {
    paste('ls');
    paste('a\nb\n');
    expect(sent).toEqual(['ls']);
    expect(typing.risk?.risk.lines).toBe(2);
    typing.confirmPaste('as_it_is');
    expect(sent).toEqual(['ls', 'a\rb\r']);
    expect(typing.risk).toBeUndefined();
  });

  test('control characters of a paste can be left out', () => {
    program.bracketed = true;
    paste('a\x1b[31mb');
    typing.confirmPaste('without_control');
    expect(sent).toEqual(['\x1b[200~a[31mb\x1b[201~']);
  });
});
