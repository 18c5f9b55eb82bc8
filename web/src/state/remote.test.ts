import { describe, expect, it } from 'vitest';
import type { RemoteInfo, RemoteReport } from '../wire/generated';
import { blocker, remoteWords, vendorName } from './remote';

const info = (state: object): RemoteInfo => ({ vendor: 'claude', mode: 'server', restarts: 0, ...state }) as RemoteInfo;

describe('Remote Control in words', () => {
  it('says why it failed and what to type', () => {
    const words = remoteWords(info({ state: 'failed', reason: 'not logged in', advice: 'claude auth login', refused: true }));
    expect(words).toEqual({ text: 'Failed: not logged in', advice: 'claude auth login', isBad: true });
  });

  it('never says that an app has joined where that cannot be told', () => {
    expect(remoteWords(info({ state: 'running' })).text).toContain('cannot be told');
    expect(remoteWords(info({ state: 'of a newer version' })).isBad).toBe(false);
  });

  it('names the first thing that stands in the way, and no doubt', () => {
    const report = {
      vendor: 'claude',
      profile: 'claude',
      ready: false,
      findings: [
        { check: 'trust', level: 'doubtful', message: 'a' },
        { check: 'login', level: 'blocked', message: 'b', advice: 'c' },
      ],
    } as RemoteReport;
    expect(blocker(report)?.message).toBe('b');
    expect(vendorName('codex')).toBe('Codex Remote Control');
  });
});
