import { describe, expect, it } from 'vitest';
import type { InstanceInfo } from '../wire/generated';
import { inOrder, instanceWords, versionWords } from './instances';

const NOW = 1_000_000_000;
const instance = (name: string, more: Partial<InstanceInfo> = {}): InstanceInfo => ({
  name, directory: `/data/instances/${name}`, base_dir: '/data', state: { is: 'stopped' }, pid: null, listening: [], sessions: 0, ...more,
});

describe('an instance', () => {
  it('that shows this page comes first, the others by name and place', () => {
    const elsewhere = instance('work', { directory: '/other/instances/work' });
    const instances = [elsewhere, instance('b'), instance('work'), instance('home')];
    const order = inOrder({ instances, own: '/data/instances/home' }).map(({ directory }) => directory);
    expect(order).toEqual(['/data/instances/home', '/data/instances/b', '/data/instances/work', '/other/instances/work']);
    expect(instances[0]).toBe(elsewhere);
  });

  it('says what runs of it and what lives in it', () => {
    const running = instance('a', { state: { is: 'running' }, hub: { listening: [] }, started_at: (NOW - 120_000) * 1000, sessions: 2 });
    expect(instanceWords(running, NOW)).toEqual({ text: 'running since 2 min ago · 2 sessions', bad: false });
    expect(instanceWords({ ...running, hub: undefined, started_at: undefined }, NOW).text).toBe('running, its page is not served · 2 sessions');
    expect(instanceWords(instance('a', { sessions: 1 }), NOW).text).toBe('stopped · 1 session');
    expect(instanceWords(instance('a', { hub: { listening: [] } }), NOW).text).toBe('its relay is stopped · no session');
    const newer = instance('a', { state: { is: 'unknown', why: 'its record is of a newer version (9)' } });
    expect(instanceWords(newer, NOW)).toEqual({ text: 'unknown: its record is of a newer version (9) · no session', bad: true });
  });

  it('tells its versions, if it ever ran', () => {
    expect(versionWords(instance('a', { product_version: '0.1.0', schema_version: 1 }))).toBe('version 0.1.0 · record 1');
    expect(versionWords(instance('a', { product_version: '0.0.9', schema_version: null }))).toBe('version 0.0.9');
    expect(versionWords(instance('a'))).toBe('never started');
  });
});
