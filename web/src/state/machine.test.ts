import { describe, expect, it } from 'vitest';
import { type MachineState, machineWords, parseMachine, wayWords } from './machine';

const NOW = 1_000_000_000;
const given = { machine: 'm_2', label: 'dev', local: false, auto_connect: true, url: 'wss://dev:7717', way: 'key', pin: 'sha256:x', link: 'connected' };

describe('a machine of a hub', () => {
  it('is read with everything that is known of it', () => {
    expect(parseMachine({ ...given, relay: { version: '0.1.0' } })).toEqual({
      id: 'm_2', name: 'dev', local: false, state: { state: 'connected' }, endpoint: 'wss://dev:7717', way: 'key', pin: 'sha256:x', version: '0.1.0', autoConnect: true,
    });
  });

  it('without an id is none', () => {
    for (const nothing of [undefined, null, 'm_1', {}, { label: 'dev' }]) expect(parseMachine(nothing)).toBeUndefined();
  });

  it('of a newer hub is shown as far as it is understood', () => {
    expect(parseMachine({ machine: 'm_2', link: 'dreaming', way: 'by_pigeon' })).toMatchObject({ name: 'm_2', state: { state: 'disconnected' }, way: 'by_pigeon' });
    expect(wayWords({ way: 'by_pigeon' })).toBe('');
    const guest = parseMachine({ machine: 'm_3', link: 'connected', way: 'joined', relay: { version: '1', scopes: [] } });
    expect(wayWords(guest ?? {})).toBe('it dials this hub, for mail only');
  });

  it('says since when it cannot be seen, why, and when it is tried again', () => {
    const link = { link: 'reconnecting', at: (NOW + 8_000) * 1000, why: 'connection refused', unreachable_since: (NOW - 180_000) * 1000 };
    const state = parseMachine({ ...given, ...link })?.state as MachineState;
    expect(machineWords(state, NOW)).toEqual({ text: 'unreachable since 3 min ago: connection refused, tried again in 8 s', bad: true });
    expect(machineWords(state, NOW + 9_000).text).toContain('tried again now');
  });

  it('that is refused stays so until something changes', () => {
    const state = parseMachine({ ...given, link: 'refused', why: 'its key is another one' })?.state as MachineState;
    expect(machineWords(state, NOW)).toEqual({ text: 'refused: its key is another one', bad: true });
  });

  it('says how it is reached', () => {
    expect(['local', 'key', 'ssh', 'token', 'joined'].map((way) => wayWords({ way }))).toEqual(['this machine', 'paired', 'by ssh', 'by a token', 'it dials this hub']);
  });
});
