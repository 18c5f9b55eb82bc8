import { beforeEach, describe, expect, test } from 'vitest';
import type { AttachResult } from './generated';
import { Link } from './link';
import { type Canvas, TerminalStream } from './terminal';
import { attached, OWNED, session, settled, TestClock, TestDoor } from './testing';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Writes down what it is told to draw, and draws when it is told to. */
class Paper implements Canvas {
  readonly told: string[] = [];
  #undrawn: (() => void)[] = [];

  begin(history: { text: string }[]): void {
    this.told.push(`begin ${history.map(({ text }) => text).join('|')}`);
  }
  snapshot(bytes: Uint8Array, part: { first: boolean; last: boolean }, drawn: () => void): void {
    this.told.push(`snap ${decode(bytes)}${part.first ? ' first' : ''}${part.last ? ' last' : ''}`);
    this.#undrawn.push(drawn);
  }
  output(bytes: Uint8Array, replay: boolean, drawn: () => void): void {
    this.told.push(`${replay ? 'replay' : 'out'} ${decode(bytes)}`);
    this.#undrawn.push(drawn);
  }
  gap(from: number, to: number): void {
    this.told.push(`gap ${from} ${to}`);
  }
  resize({ cols, rows }: { cols: number; rows: number }): void {
    this.told.push(`size ${cols}x${rows}`);
  }
  draw(): void {
    for (const drawn of this.#undrawn.splice(0)) drawn();
  }
}

let clock: TestClock;
let door: TestDoor;
let paper: Paper;
let stream: TerminalStream;
let said: string[];
let answer: Partial<AttachResult>;

const start = async (historyLines = 0): Promise<void> => {
  const link = new Link({
    door,
    name: 'test',
    tickets: { load: () => undefined, save: () => {} },
    clock,
    random: () => 0,
  });
  const note = (what: string): void => void said.push(what);
  const listener = {
    state: () => {},
    resumed: (resumption: object) => note(JSON.stringify(resumption)),
    skipped: (bytes: number) => note(`skipped ${bytes}`),
    inputLost: (bytes: number, why: string) => note(`lost ${bytes}: ${why}`),
    event: () => {},
    history: ({ lines, oldest }: { lines: number; oldest: boolean }) => void (lines > 0 && note(`history ${lines} ${oldest}`)),
  };
  stream = new TerminalStream(link, { session: 's_1' }, paper, listener, historyLines);
  link.start();
  await settled();
  await clock.advance(0);
};

const requests = (method: string): Record<string, unknown>[] =>
  door.sockets.flatMap(({ requests }) => requests.filter((r) => r.method === method).map(({ params }) => params));
const out = (at: number, text: string, flags = 0): void =>
  door.last.frame({ channel: 7, body: { kind: 'out', out: at, flags, bytes: encode(text) } });
const snap = (at: number, text: string, flags = 0): void =>
  door.last.frame({ channel: 7, body: { kind: 'snap', out: at, flags, bytes: encode(text) } });

beforeEach(() => {
  clock = new TestClock();
  door = new TestDoor();
  paper = new Paper();
  said = [];
  answer = {};
  door.answers['session.attach'] = () => attached(answer);
  door.answers['session.detach'] = () => ({});
});

describe('a terminal stream', () => {
  test('it begins with a snapshot and goes on with what follows, as the flags say', async () => {
    await start();
    expect(requests('session.attach')).toMatchObject([{ session: 's_1', role: 'auto', from: { at: 'snapshot' } }]);
    snap(100, 'one', 2);
    snap(100, 'two');
    out(100, 'old', 1);
    out(103, 'new');
    expect(paper.told).toEqual(['begin ', 'snap one first', 'snap two last', 'replay old', 'out new']);
  });

  test('frames of other channels are not its own', async () => {
    await start();
    door.last.frame({ channel: 8, body: { kind: 'out', out: 0, flags: 0, bytes: encode('x') } });
    expect(paper.told).toEqual(['begin ']);
  });

  test('credit follows what is drawn, and a gap is credited at once', async () => {
    await start();
    out(100, 'abc');
    expect(door.last.frames).toEqual([]);
    paper.draw();
    expect(door.last.frames).toEqual([{ channel: 7, body: { kind: 'credit', out: 103 } }]);
    door.last.frame({ channel: 7, body: { kind: 'gap', from: 103, to: 9000 } });
    expect(door.last.frames.at(-1)?.body).toEqual({ kind: 'credit', out: 9000 });
    expect(said).toContain('skipped 8897');
  });

  test('the lines above the screen are written before it, though they come after it', async () => {
    let give: (page: unknown) => void = () => {};
    door.answers['session.scrollback'] = () => undefined;
    await start(2);
    const asked = door.last.requests.at(-1);
    give = (page) => door.last.respond(asked?.id ?? 0, page);
    snap(100, 'screen');
    out(100, 'x');
    expect(paper.told).toEqual([]);
    give({ lines: [{ text: 'a' }, { text: 'b' }], from: 20, oldest: false, exact: true });
    await settled();
    expect(paper.told).toEqual(['begin a|b', 'snap screen first last', 'out x']);
    expect(said).toContain('history 2 false');
  });

  test('without an answer about the lines above the screen comes soon enough', async () => {
    await start(10);
    snap(100, 'screen');
    await clock.advance(1_500);
    expect(paper.told).toEqual(['begin ', 'snap screen first last']);
  });

  test('nothing was missed once everything has come, and a gap before that is what was missed', async () => {
    await start();
    for (const [out, head] of [[100, 110], [110, 9000]] as const) {
      door.last.cut();
      answer = { out, head };
      await clock.advance(8_000);
      expect(said).toEqual(out === 100 ? [] : ['{"how":"nothing_missed"}']);
      if (out === 100) door.last.frame({ channel: 7, body: { kind: 'out', out, flags: 0, bytes: encode('0123456789') } });
      else door.last.frame({ channel: 7, body: { kind: 'gap', from: out, to: head } });
    }
    expect(said).toEqual(['{"how":"nothing_missed"}', '{"how":"gap","bytes":8890}']);
  });

  test('after a cut it goes on behind the last byte that it was given, drawn or not', async () => {
    await start();
    out(100, 'abc');
    door.last.cut();
    answer = { out: 103 };
    await clock.advance(1_500);
    expect(requests('session.attach')[1]).toMatchObject({ from: { at: 'out', out: 103, log_id: 'l_1' } });
    out(103, 'def');
    expect(paper.told).toEqual(['begin ', 'out abc', 'size 80x24', 'out def']);
    expect(said).toEqual(['{"how":"nothing_missed"}']);
  });

  test('what is gone from the log in between is said with its size', async () => {
    await start();
    door.last.cut();
    answer = { start: 'gap', from: 100, to: 350, out: 350 } as Partial<AttachResult>;
    await clock.advance(1_500);
    expect(said).toEqual(['{"how":"gap","bytes":250}']);
  });

  test('another log begins anew', async () => {
    await start();
    door.last.cut();
    answer = { start: 'reset', log_id: 'l_2', out: 5 };
    await clock.advance(1_500);
    expect(paper.told).toEqual(['begin ', 'begin ']);
    expect(said).toEqual(['{"how":"reset"}']);
  });

  test('a new size is taken in its place in the stream', async () => {
    await start();
    out(100, 'a');
    const body = { size: { cols: 100, rows: 30 } };
    door.last.notify('session.event', { channel: 7, seq: 1, out: 101, time: 0, event: 'resize', body });
    out(101, 'b');
    expect(paper.told).toEqual(['begin ', 'out a', 'size 100x30', 'out b']);
  });

  test('the owner types under the epoch of the lease, and a follower does not', async () => {
    await start();
    expect(stream.type(encode('ls'))).toBe(true);
    expect(door.last.frames.at(-1)?.body).toMatchObject({ kind: 'in', epoch: 3 });
    const other = { ...OWNED, epoch: 4, owner: { client: 'c_other', principal: 'r_1/bob', name: 'phone' } };
    stream.handleLease(other);
    expect(said).toEqual(['lost 2: the session changed hands']);
    expect(stream.type(encode('rm'))).toBe(false);
  });

  test('what was typed into a dead link goes out on the next one, once', async () => {
    await start();
    stream.type(encode('a'));
    const n = (door.last.frames[0]?.body as { n: number }).n;
    door.last.frame({ channel: 7, body: { kind: 'inack', n, state: 'applied' } });
    stream.type(encode('b'));
    door.last.cut();
    stream.type(encode('c'));
    answer = { input_applied: n };
    await clock.advance(1_500);
    const typed = door.last.frames.map(({ body }) => (body.kind === 'in' ? decode(body.bytes) : body.kind));
    expect(typed).toEqual(['b', 'c']);
  });

  test('an older lease does not undo a newer one', async () => {
    answer = { session: session({ lease: { state: 'free', epoch: 5 } }) };
    await start();
    stream.handleLease(OWNED);
    expect(stream.owns).toBe(false);
  });
});
