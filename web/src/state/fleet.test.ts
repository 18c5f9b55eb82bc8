import { beforeEach, describe, expect, test } from 'vitest';
import type { SessionInfo } from '../wire/generated';
import { hello, OWNED, session } from '../wire/testing';
import { Fleet } from './fleet';

let fleet: Fleet;

const sync = (rev: number, sessions: SessionInfo[], more: object = {}): void => {
  fleet.handleNotification('sync', { rev, part: 0, last: true, sessions, ...more });
};
const changed = (rev: number, info: SessionInfo) => fleet.handleNotification('session.changed', { rev, session: info });
const on = (machine: string, more: object = {}): object => ({ on: { machine, label: machine, ...more } });
const remote = (id: string, more: object = {}): SessionInfo => ({ ...session({ session: id }), ...on('m_2', more) }) as SessionInfo;
const MACHINES = [
  { machine: 'm_2', label: 'dev', local: false, auto_connect: true, link: 'connected', live: 1, prompts: 0 },
  { machine: 'm_1', label: 'laptop', local: true, auto_connect: true, link: 'connected', live: 1, prompts: 0 },
];
const keys = (): string[] => fleet.sessions.map(({ key }) => key);

describe('a fleet behind a relay', () => {
  beforeEach(() => {
    fleet = new Fleet();
    fleet.handleHello(hello());
  });

  test('has one machine, and its requests name none', () => {
    expect(fleet.machines).toMatchObject([{ name: 'laptop', local: true }]);
    sync(1, [session()]);
    expect(fleet.target(fleet.sessions[0]!)).toEqual({ session: 's_1' });
  });

  test('an instance with a name is part of the machine’s', () => {
    fleet.handleHello({ ...hello(), instance: 'work' });
    expect(fleet.machines[0]?.name).toBe('laptop:work');
  });

  test('a sync replaces the view when its last part is there', () => {
    sync(1, [session({ session: 's_old' })]);
    fleet.handleNotification('sync', { rev: 2, part: 0, last: false, sessions: [session({ session: 's_a', created_at: 2 })] });
    expect(keys()).toEqual(['s_old']);
    fleet.handleNotification('sync', { rev: 2, part: 1, last: true, sessions: [session({ session: 's_b' })] });
    expect(keys()).toEqual(['s_a', 's_b']);
  });

  test('changes and removals are followed', () => {
    sync(1, []);
    expect(changed(2, session())).toMatchObject({ kind: 'session', before: undefined });
    expect(changed(3, session({ state: 'idle' } as Partial<SessionInfo>))).toMatchObject({ before: { state: 'running' } });
    expect(fleet.handleNotification('session.removed', { rev: 4, session: 's_1' })).toMatchObject({ kind: 'removed' });
    expect(keys()).toEqual([]);
  });

  test('a change that overtook others is followed like any other', () => {
    sync(1, []);
    expect(changed(9, session())).toMatchObject({ kind: 'session', entry: { key: 's_1' } });
  });

  test('an answer does not undo what the view knows better', () => {
    sync(1, [session({ state: 'waiting' } as Partial<SessionInfo>)]);
    fleet.handleAnswer(session({ state: 'starting' } as Partial<SessionInfo>));
    fleet.handleAnswer(session({ session: 's_new' }));
    expect(fleet.session('s_1')?.info.state).toBe('waiting');
    expect(keys()).toContain('s_new');
  });

  test('a lease is followed, and an older one is not', () => {
    sync(1, [session()]);
    fleet.handleNotification('lease.changed', { rev: 2, session: 's_1', lease: { ...OWNED, epoch: 9 } });
    fleet.handleNotification('lease.changed', { rev: 3, session: 's_1', lease: { state: 'free', epoch: 4 } });
    expect(fleet.session('s_1')?.info.lease).toMatchObject({ state: 'held', epoch: 9 });
  });

  test('without a link everything that lived is shown as last known, and what ended has ended', () => {
    const exited = { state: 'exited', status: { status: 'code', code: 0 }, at: 5 } as Partial<SessionInfo>;
    sync(1, [session(), session({ session: 's_2', ...exited })]);
    fleet.handleLinkLost(77);
    fleet.handleLinkLost(99);
    expect(fleet.session('s_1')?.info).toMatchObject({ state: 'unreachable', since: 77_000 });
    expect(fleet.session('s_2')?.info).toMatchObject({ state: 'exited' });
    expect(fleet.machines[0]?.state).toEqual({ state: 'unreachable', since: 77 });
    fleet.handleHello(hello());
    expect(fleet.session('s_1')?.info.state).toBe('running');
  });
});

describe('a fleet behind a hub', () => {
  beforeEach(() => {
    fleet = new Fleet();
    fleet.handleHello({ ...hello(), hub: 'h_1' } as ReturnType<typeof hello>);
  });

  test('has the machines of the sync, this one first, and requests name them', () => {
    sync(1, [remote('s_9')], { machines: MACHINES });
    expect(fleet.machines.map(({ name }) => name)).toEqual(['laptop', 'dev']);
    expect(fleet.target(fleet.sessions[0]!)).toEqual({ machine: 'm_2', session: 's_9' });
  });

  test('a machine that cannot be seen makes its sessions unreachable, and no others', () => {
    const here = { ...session(), ...on('m_1') } as SessionInfo;
    sync(1, [here, remote('s_9')], { machines: MACHINES });
    const lost = { ...MACHINES[0], link: 'reconnecting', at: 9_000, why: 'no route', unreachable_since: 5_000 };
    fleet.handleNotification('machine.changed', { rev: 2, machine: lost });
    expect(fleet.machines[1]?.state).toEqual({ state: 'unreachable', since: 5, why: 'no route', retryAt: 9 });
    expect(fleet.session('s_9')?.info).toMatchObject({ state: 'unreachable', since: 5_000 });
    expect(fleet.session('s_1')?.info.state).toBe('running');
  });

  test('what the hub says of a session’s machine counts as well', () => {
    sync(1, [remote('s_9', { unreachable_since: 8_000 })], { machines: MACHINES });
    expect(fleet.session('s_9')?.info).toMatchObject({ state: 'unreachable', since: 8_000 });
  });

  test('a removed machine takes its sessions along', () => {
    sync(1, [remote('s_9')], { machines: MACHINES });
    fleet.handleNotification('machine.removed', { rev: 2, machine: 'm_2' });
    expect(fleet.machines.map(({ name }) => name)).toEqual(['laptop']);
    expect(keys()).toEqual([]);
  });

  test('a machine of a form that is not known is left out, not fatal', () => {
    sync(1, [], { machines: [...MACHINES, null, 7, { label: 'no id' }, { machine: 'm_3', link: 'teleported' }] });
    expect(fleet.machines.map(({ name, state }) => [name, state.state])).toEqual([
      ['laptop', 'connected'],
      ['dev', 'connected'],
      ['m_3', 'disconnected'],
    ]);
  });
});
