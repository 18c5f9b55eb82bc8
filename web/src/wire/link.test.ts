import { beforeEach, describe, expect, test } from 'vitest';
import { DoorError } from './door';
import { Link, type LinkState } from './link';
import { hello, settled, TestClock, TestDoor } from './testing';

let clock: TestClock;
let door: TestDoor;
let link: Link;
let tickets: string[];
let states: LinkState['at'][];

beforeEach(() => {
  clock = new TestClock();
  door = new TestDoor();
  tickets = [];
  states = [];
  const store = { load: () => tickets.at(-1), save: (ticket: string) => void tickets.push(ticket) };
  link = new Link({ door, name: 'test', tickets: store, clock, random: () => 0 });
  link.listen({ state: ({ at }) => states.push(at) });
});

const connect = async (): Promise<void> => {
  link.start();
  await settled();
};

/** A connection that has served for a while. */
const connectSteadily = async (): Promise<void> => {
  await connect();
  await clock.advance(3_000);
};

describe('link', () => {
  test('it says hello with the ticket of its last life and is then ready', async () => {
    tickets.push('old');
    await connect();
    expect(door.last.requests[0]).toMatchObject({ method: 'hello', params: { ticket: 'old', watch: true } });
    expect(states).toEqual(['connecting', 'ready']);
    expect(tickets).toEqual(['old', 'ticket']);
  });

  test('a cut is followed by an attempt at once and then by longer and longer waits', async () => {
    await connectSteadily();
    door.refusal = new DoorError('nobody there', false);
    door.last.cut();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      await settled();
      const { state } = link;
      if (state.at !== 'reconnecting') throw new Error(state.at);
      waits.push((state.retryAt - clock.now()) / 1000);
      await clock.advance(state.retryAt - clock.now());
    }
    expect(waits).toEqual([0, 1, 2, 4, 8, 16, 30, 30]);
  });

  test('after a success the waits begin anew', async () => {
    await connectSteadily();
    door.refusal = new DoorError('nobody there', false);
    door.last.cut();
    await clock.advance(5_000);
    door.refusal = undefined;
    link.retryNow();
    await settled();
    expect(link.state.at).toBe('ready');
    await clock.advance(3_000);
    door.last.cut();
    expect(link.state).toMatchObject({ at: 'reconnecting', attempt: 0, retryAt: clock.now() });
  });

  test('a refusal is final until somebody tries again', async () => {
    door.refusal = new DoorError('the token is not known', true);
    await connect();
    expect(link.state).toEqual({ at: 'refused', why: 'the token is not known' });
    await clock.advance(600_000);
    expect(door.sockets).toHaveLength(0);
    door.refusal = undefined;
    link.retryNow();
    await settled();
    expect(link.state.at).toBe('ready');
  });

  test('a lock-out is waited for', async () => {
    door.refusal = new DoorError('too many wrong credentials', false, 60_000);
    await connect();
    expect(link.state).toMatchObject({ at: 'reconnecting', retryAt: clock.now() + 60_000 });
  });

  test('what is asked while there is no connection is refused, and what may be repeated waits for the next', async () => {
    await connectSteadily();
    door.answers['session.list'] = () => ({ sessions: [] });
    door.last.cut();
    await expect(link.call('session.list', {})).rejects.toMatchObject({ word: 'disconnected' });
    const kept = link.callKept('session.list', {});
    await clock.advance(0);
    await expect(kept).resolves.toEqual({ sessions: [] });
  });

  test('a request that the cut overtook is sent again on the next connection', async () => {
    await connectSteadily();
    const kept = link.callKept('prompt.answer', { prompt: 's_1.4', answer: 'decline', answer_id: 'a' });
    await settled();
    expect(door.last.requests.at(-1)?.method).toBe('prompt.answer');
    door.last.cut();
    door.answers['prompt.answer'] = ({ prompt }) => ({ prompt, state: 'open' });
    await clock.advance(0);
    await expect(kept).resolves.toMatchObject({ prompt: 's_1.4' });
    expect(door.last.requests.at(-1)?.params).toMatchObject({ answer_id: 'a' });
  });

  test('a silent server is asked whether it is there, and left when it is not', async () => {
    await connect();
    await clock.advance(20_000);
    expect(door.last.requests.at(-1)?.method).toBe('relay.status');
    const silent = door.last;
    await clock.advance(9_000);
    expect(silent.closed).toBe(true);
    expect(door.sockets).toHaveLength(2);
    expect(link.state.at).toBe('ready');
  });

  test('an answer of any kind keeps the link', async () => {
    await connect();
    door.answers['relay.status'] = () => ({});
    await clock.advance(120_000);
    expect(door.sockets).toHaveLength(1);
  });

  test('what an older connection still says is not listened to', async () => {
    const heard: string[] = [];
    link.listen({ notification: (method) => heard.push(method) });
    await connectSteadily();
    const old = door.last;
    old.cut();
    await clock.advance(0);
    old.notify('session.changed', {});
    old.cut();
    door.last.notify('sync', {});
    expect(heard).toEqual(['sync']);
    expect(link.state.at).toBe('ready');
  });

  test('a connection that does not say hello back is given up', async () => {
    door.answers = {};
    await connect();
    expect(link.state.at).toBe('connecting');
    door.answers = { hello };
    await clock.advance(11_000);
    expect(link.state.at).toBe('ready');
    expect(door.sockets).toHaveLength(2);
  });

  test('a server that lets in and throws out at once is asked less and less often', async () => {
    await connect();
    for (let round = 0; round < 4; round++) {
      door.last.cut();
      await clock.advance(60_000 / 2 ** 6);
    }
    expect(door.sockets.length).toBeLessThan(4);
  });

  test('stopping ends it for good', async () => {
    await connect();
    const { last } = door;
    link.stop();
    last.cut();
    await clock.advance(600_000);
    expect(last.closed).toBe(true);
    expect(door.sockets).toHaveLength(1);
    expect(link.state.at).toBe('closed');
  });
});
