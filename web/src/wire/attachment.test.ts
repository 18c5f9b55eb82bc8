import { beforeEach, describe, expect, test } from 'vitest';
import { AgentStream } from './agent';
import { Attachment, type AttachmentState, type Viewer } from './attachment';
import type { AgentEvent } from './generated';
import { Link } from './link';
import { attached, settled, TestClock, TestDoor } from './testing';

let clock: TestClock;
let door: TestDoor;
let link: Link;
let channel: number;

beforeEach(async () => {
  clock = new TestClock();
  door = new TestDoor();
  channel = 6;
  door.answers['session.attach'] = () => attached({ channel: ++channel });
  door.answers['session.detach'] = () => ({});
  link = new Link({ door, name: 'test', tickets: { load: () => undefined, save: () => {} }, clock, random: () => 0 });
});

const requests = (method: string): Record<string, unknown>[] =>
  door.sockets.flatMap(({ requests }) => requests.filter((r) => r.method === method).map(({ params }) => params));

describe('an attachment', () => {
  let states: AttachmentState['at'][];
  let frames: string[];
  let attachment: Attachment;

  const watch = async (): Promise<void> => {
    states = [];
    frames = [];
    const viewer: Viewer = {
      params: () => ({ role: 'auto' }),
      attached: () => {},
      frame: ({ kind }) => frames.push(kind),
      notification: (method) => frames.push(method),
      changed: ({ at }) => states.push(at),
    };
    attachment = new Attachment(link, { session: 's_1', machine: 'm_1' }, viewer);
    link.start();
    await settled();
  };

  test('waits for the link, and names its machine', async () => {
    await watch();
    expect(states).toEqual(['attaching', 'live']);
    expect(requests('session.attach')).toEqual([{ role: 'auto', session: 's_1', machine: 'm_1' }]);
  });

  test('hears only its own channel', async () => {
    await watch();
    for (const other of [6, 7, 8]) {
      door.last.frame({ channel: other, body: { kind: 'gap', from: 0, to: 1 } });
      door.last.notify('session.event', { channel: other });
    }
    expect(frames).toEqual(['gap', 'session.event']);
  });

  test('a second attachment ends the first, and what comes late on the old channel is not heard', async () => {
    await watch();
    void attachment.attach();
    door.last.frame({ channel: 7, body: { kind: 'gap', from: 0, to: 1 } });
    await settled();
    expect(requests('session.detach')).toMatchObject([{ channel: 7 }]);
    expect(attachment.channel).toBe(8);
    expect(frames).toEqual([]);
  });

  test('one that is closed while it attaches is detached as soon as it is there', async () => {
    door.answers['session.attach'] = () => undefined;
    await watch();
    const asked = door.last.requests.at(-1)?.id ?? 0;
    attachment.close();
    door.last.respond(asked, attached({ channel: 9 }));
    await settled();
    expect(requests('session.detach')).toMatchObject([{ channel: 9 }]);
    expect(states).toEqual(['attaching']);
  });

  test('what was lost with its machine is taken up when that can be seen again, and nothing else is', async () => {
    await watch();
    door.last.notify('session.detached', { channel: 7, why: 'unreachable' });
    expect(states.at(-1)).toBe('detached');
    attachment.handleReachable();
    await settled();
    expect(states.at(-1)).toBe('live');
    for (const why of ['replaced', 'removed']) {
      door.last.notify('session.detached', { channel: attachment.channel, why });
      attachment.handleReachable();
      await settled();
      expect(states.at(-1)).toBe('detached');
      await attachment.attach();
    }
  });

  test('a refusal is shown with its reason', async () => {
    door.answers['session.attach'] = () => undefined;
    await watch();
    const id = door.last.requests.at(-1)?.id;
    const error = { code: -32026, message: 'the machine cannot be reached', data: { error: 'unreachable' } };
    door.last.onmessage?.({ data: JSON.stringify({ jsonrpc: '2.0', id, error }) });
    await settled();
    expect(attachment.state).toMatchObject({ at: 'failed', error: { word: 'unreachable' } });
  });
});

describe('an agent’s stream', () => {
  test('goes on after the last event that it got, and begins anew only with another log', async () => {
    const told: string[] = [];
    const event = (id: string): AgentEvent => ({ id, at_micros: 1, event: 'notice', text: 'x' });
    new AgentStream(link, { session: 's_1' }, {
      state: () => {},
      events: (events) => void told.push(...events.map(({ id }) => id)),
      began: () => void told.push('began'),
      missing: () => void told.push('missing'),
    });
    link.start();
    await settled();
    door.last.notify('agent.events', { channel: 7, events: [event('1.0'), event('2.0')] });
    const again = async (change: object): Promise<void> => {
      door.answers['session.attach'] = () => attached({ channel: 8, ...change });
      await clock.advance(3_000);
      door.last.cut();
      await clock.advance(0);
    };
    await again({});
    expect(requests('session.attach').map(({ from }) => from)).toEqual([{ at: 'events' }, { at: 'events', after: '2.0' }]);
    await again({ start: 'gap', from: 3, to: 9 });
    await again({ log_id: 'l_2' });
    expect(told).toEqual(['began', '1.0', '2.0', 'missing', 'began']);
    expect(requests('session.attach').at(-1)).toMatchObject({ from: { at: 'events' } });
    expect(requests('session.attach').at(-1)?.from).not.toHaveProperty('after');
  });
});
