import { describe, expect, test } from 'vitest';
import type { LeaseView, Owner, Prompt, SessionInfo } from '../wire/generated';
import { ME, OWNED, session } from '../wire/testing';
import { attention, promptsMayDiffer } from './attention';
import type { SessionEntry } from './fleet';
import type { Machine } from './machine';
import { leaseActions, type Me, standing } from './ownership';
import { groups, projectOf } from './sidebar';
import { ago, bytes, count, duration, exitWords, money, ownerWords, shortPath, stateWords } from './words';

const entry = (id: string, change: Partial<SessionInfo> = {}, machine = 'local'): SessionEntry => ({
  key: id,
  machine,
  info: session({ session: id, label: id, ...change }),
});
const prompt = (id: string, at: number, state: Prompt['state'] = { state: 'open' }): Prompt => ({
  id,
  asked_at_micros: at * 1000,
  title: id,
  ask: { ask: 'unknown' },
  state,
});
const other: Owner = { client: 'c_bob', principal: 'r_1/bob', name: 'phone' };
const NOW = 100_000_000;

describe('attention', () => {
  const ids = (sessions: SessionEntry[], prompts: Record<string, Prompt[]> = {}, dismissed: string[] = []): string[] =>
    attention(sessions, new Map(Object.entries(prompts)), ME, new Set(dismissed), NOW).map(({ id }) => id);

  test('who waits longest comes first, over all machines', () => {
    const sessions = [entry('a'), entry('b', {}, 'm_2')];
    expect(ids(sessions, { a: [prompt('a.2', 20), prompt('a.3', 30)], b: [prompt('b.1', 10)] })).toEqual(['b.1', 'a.2', 'a.3']);
  });

  test('what is answered or dismissed does not wait', () => {
    const answered = prompt('a.1', 1, { state: 'withdrawn' });
    expect(ids([entry('a')], { a: [answered, prompt('a.2', 2)] }, ['a.2'])).toEqual([]);
  });

  test('who asks for a session asks its owner only', () => {
    const lease: LeaseView = { ...OWNED, requested_by: [other] };
    expect(ids([entry('a', { lease })])).toEqual(['a.lease.c_bob.3']);
    expect(ids([entry('a', { lease: { state: 'held', epoch: 3, owner: other, requested_by: [other] } })])).toEqual([]);
  });

  test('trouble comes last and not for ever', () => {
    const lost = { state: 'lost', why: 'its holder is gone', at: (NOW - 1_000) * 1000 } as Partial<SessionInfo>;
    const old = { state: 'lost', why: 'long ago', at: 1000 } as Partial<SessionInfo>;
    expect(ids([entry('a', lost), entry('b', old), entry('c')], { c: [prompt('c.1', 5)] })).toEqual(['c.1', 'a.lost.1']);
  });

  test('a shell that ends with a code is nobody’s trouble, an agent that does is', () => {
    const exited = { state: 'exited', status: { status: 'code', code: 1 }, at: NOW * 1000 } as Partial<SessionInfo>;
    expect(ids([entry('a', exited), entry('b', { ...exited, kind: 'agent' })])).toEqual(['b.failed.1']);
  });

  test('prompts are fetched when a session has some or had some', () => {
    const agent = (prompts: number): SessionInfo =>
      session({ agent: { name: 'claude', vendor: 'claude', turns: 1, prompts, queued: 0 } });
    expect(promptsMayDiffer(undefined, agent(1))).toBe(true);
    expect(promptsMayDiffer(agent(1), agent(0))).toBe(true);
    expect(promptsMayDiffer(agent(0), agent(0))).toBe(false);
    expect(promptsMayDiffer(undefined, session())).toBe(false);
  });
});

describe('ownership', () => {
  const me: Me = { client: ME, principal: 'r_1/ann', scopes: ['read', 'drive'] };
  const held = (owner: Owner, requested: Owner[] = []): LeaseView => ({ state: 'held', epoch: 1, owner, requested_by: requested });
  const same: Owner = { client: 'c_tab', principal: 'r_1/ann', name: 'other tab' };
  const does = (lease: LeaseView, who: Me = me): string[] => leaseActions(lease, who).map((action) => action.do);

  test('the owner may release, and hand over to who asked', () => {
    expect(does(held(OWNED.state === 'held' ? OWNED.owner : other, [other]))).toEqual(['offer', 'release']);
  });

  test('another client of the same person takes over at once', () => {
    expect(standing(held(same), me)).toBe('same_person');
    expect(standing(held({ ...same, principal: 'h_1/ann' }), me)).toBe('same_person');
    expect(does(held(same))).toEqual(['take']);
    expect(does({ state: 'grace', epoch: 1, owner: same })).toEqual(['take']);
  });

  test('anyone else asks, once, and takes only as an administrator', () => {
    expect(leaseActions(held(other), me)).toEqual([{ do: 'request', waiting: false }]);
    const asked = held(other, [{ ...same, client: ME }]);
    expect(leaseActions(asked, me)).toEqual([{ do: 'request', waiting: true }]);
    expect(does(held(other), { ...me, scopes: ['drive', 'admin'] })).toEqual(['request', 'take_with_reason']);
  });

  test('who may not drive is offered nothing', () => {
    expect(does({ state: 'free', epoch: 0 }, { ...me, scopes: ['read', 'answer'] })).toEqual([]);
  });
});

describe('the sidebar', () => {
  const machine = (id: string, name: string, local: boolean): Machine => ({ id, name, local, state: { state: 'connected' } });
  const machines = [machine('local', 'laptop', true), machine('m_2', 'dev', false)];
  const ended = { state: 'exited', status: { status: 'code', code: 0 }, at: 1 } as Partial<SessionInfo>;
  const all = { grouping: 'machine', show: 'all', text: '' } as const;

  test('machines keep their order and stay without sessions', () => {
    const list = groups(machines, [entry('a')], all);
    expect(list.map(({ title, live }) => [title, live.length])).toEqual([['Local', 1], ['dev', 0]]);
  });

  test('what has ended is apart, the newest first', () => {
    const sessions = [entry('old', { created_at: 1 }), entry('new', { created_at: 9 }), entry('gone', ended)];
    const [group] = groups(machines, sessions, all);
    expect(group?.live.map(({ key }) => key)).toEqual(['new', 'old']);
    expect(group?.ended.map(({ key }) => key)).toEqual(['gone']);
  });

  test('a filter has every word somewhere, and leaves empty groups out', () => {
    const sessions = [entry('build', { cwd: '/src/site' }), entry('test', {}, 'm_2')];
    const list = groups(machines, sessions, { ...all, text: 'DEV te' });
    expect(list.map(({ title, live }) => [title, live[0]?.key])).toEqual([['dev', 'test']]);
  });

  test('only what waits is shown when only that is wanted', () => {
    const sessions = [entry('a'), entry('b', { state: 'waiting' } as Partial<SessionInfo>)];
    expect(groups(machines, sessions, { ...all, show: 'waiting' })[0]?.live.map(({ key }) => key)).toEqual(['b']);
  });

  test('sessions of directories in one another are one project, homes are none', () => {
    const sessions = [entry('a', { cwd: '/home/ann/site' }), entry('b', { cwd: '/home/ann/site/web' }), entry('c', { cwd: '/home/ann' })];
    const list = groups(machines, sessions, { ...all, grouping: 'project' });
    expect(list.map(({ title, live }) => [title, live.length])).toEqual([['ann', 1], ['site', 2]]);
    expect(projectOf('/home/ann/site-two', ['/home/ann/site'])).toBe('/home/ann/site-two');
  });
});

describe('words', () => {
  test('states say what they are', () => {
    const word = (change: object): string => stateWords(session(change as Partial<SessionInfo>)).word;
    expect(word({ state: 'waiting' })).toBe('waits for you');
    expect(word({ state: 'exited', status: { status: 'code', code: 3 }, at: 1 })).toBe('exited 3');
    expect(exitWords({ status: 'signal', signal: 9, core: false })).toEqual({ word: 'signal 9', tone: 'bad' });
    expect(exitWords({ status: 'oom' }).word).toBe('out of memory');
  });

  test('owners are named by person and client', () => {
    expect(ownerWords(OWNED, ME)).toBe('you own it');
    expect(ownerWords({ state: 'held', epoch: 1, owner: other }, ME)).toBe('bob · phone');
    expect(ownerWords({ state: 'grace', epoch: 1, owner: other }, ME)).toBe('bob is away');
    expect(ownerWords({ state: 'free', epoch: 0 }, ME)).toBe('nobody owns it');
  });

  test.each([
    [bytes(1), '1 byte'],
    [bytes(999), '999 bytes'],
    [bytes(1_234), '1.2 kB'],
    [bytes(56_000_000), '56 MB'],
    [duration(0.2), '1 s'],
    [duration(150), '3 min'],
    [duration(90_000), '1 d'],
    [ago(0, 10_000), 'just now'],
    [ago(0, 240_000), '4 min ago'],
    [ago(5_000, 0), 'just now'],
    [money({ amount_micros: 410_000, currency: 'USD' }), '$0.41'],
    [money({ amount_micros: 1_200, currency: 'USD' }), '$0.0012'],
    [money({ amount_micros: 1_000_000, currency: 'credits' }), '1.00 credits'],
    [count(999), '999'],
    [count(1_234), '1.2k'],
    [count(2_500_000), '2.5M'],
    [shortPath('/home/ann/site'), '~/site'],
    [shortPath('/home/ann'), '~'],
    [shortPath('/homeland/x'), '/homeland/x'],
  ])('%s is written so', (written, wanted) => expect(written).toBe(wanted));
});
