import { describe, expect, it } from 'vitest';
import type { HookInfo } from '../wire/generated';
import { eventWords, hookWords } from './hooks';

const NOW = 1_000_000_000;
const hook = (more: Partial<HookInfo> = {}): HookInfo => ({
  name: 'phone', kind: 'ntfy', to: 'https://ntfy.example.org', on: ['prompt.opened'], waiting: 0, sent: 0, failed: 0, dropped: 0, ...more,
});
const ago = (seconds: number): number => (NOW - seconds * 1000) * 1000;

describe('a hook', () => {
  it('says what it has done', () => {
    expect(hookWords(hook(), NOW)).toEqual({ text: 'nothing was told yet', bad: false });
    expect(hookWords(hook({ sent: 3, sent_at: ago(120) }), NOW)).toEqual({ text: 'told 3, last 2 min ago', bad: false });
  });

  it('that fails says why, until it succeeds again', () => {
    const failing = { sent: 3, sent_at: ago(600), failed: 1, failed_at: ago(120), error: 'connection refused', waiting: 1, dropped: 2 };
    expect(hookWords(hook(failing), NOW)).toEqual({ text: 'failed 2 min ago: connection refused, 1 waits, 2 given up', bad: true });
    expect(hookWords(hook({ ...failing, sent_at: ago(60) }), NOW).bad).toBe(false);
  });

  it('tells events in words, also those of a newer hub', () => {
    expect(eventWords('turn.ended')).toBe('a turn ended');
    expect(eventWords('moon.rose' as never)).toBe('moon.rose');
  });
});
