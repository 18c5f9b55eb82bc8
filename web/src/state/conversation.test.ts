import { beforeEach, describe, expect, test } from 'vitest';
import type { AgentEvent, AgentEvent1 } from '../wire/generated';
import { MAX_CONVERSATION_ITEMS, MAX_TOOL_OUTPUT_CHARS } from '../wire/limits';
import { Conversation, type Item } from './conversation';

let talk: Conversation;
let seq = 0;
beforeEach(() => {
  talk = new Conversation();
  seq = 0;
});

const handle = (...events: (AgentEvent1 & { turn?: number })[]): void =>
  talk.handle(events.map((event) => ({ id: `${++seq}.0`, at_micros: seq * 1_000_000, ...event }) as AgentEvent));
const text = (value: string) => ({ type: 'text' as const, text: value });
const said = (id: string, value: string, parent?: string) =>
  ({ event: 'agent_message_chunk', message_id: id, content: text(value), parent_tool_call_id: parent }) as const;
const brief = (items: readonly Item[] = talk.items()): string[] =>
  items.map((item) => {
    switch (item.kind) {
      case 'user':
      case 'agent':
      case 'thought':
        return `${item.kind} ${item.text}`;
      case 'tool':
        return `tool ${item.call.tool_call_id} ${item.call.status}`;
      case 'prompt':
        return `prompt ${item.prompt.state.state}`;
      default:
        return item.kind;
    }
  });

describe('a conversation', () => {
  test('chunks of a message are one item, in the place of the first', () => {
    handle(said('m1', 'Hel'), { event: 'notice', text: 'x' }, said('m1', 'lo'), { event: 'message_ended', message_id: 'm1' });
    expect(brief()).toEqual(['agent Hello', 'notice']);
    expect(talk.items()[0]).toMatchObject({ done: true });
  });

  test('items are replaced and never changed, so that only what changed is drawn', () => {
    handle(said('m1', 'a'), { event: 'notice', text: 'x' });
    const before = talk.items();
    handle(said('m1', 'b'));
    expect(talk.items()[0]).not.toBe(before[0]);
    expect(talk.items()[1]).toBe(before[1]);
    expect(brief(before)).toEqual(['agent a', 'notice']);
  });

  test('an update of a tool call changes what it names and nothing else', () => {
    handle(
      { event: 'tool_call', tool_call_id: 't', title: 'run', kind: 'execute', status: 'in_progress', raw_input: { command: 'ls' } },
      { event: 'tool_call_output', tool_call_id: 't', text: 'one\n' },
      { event: 'tool_call_output', tool_call_id: 't', text: 'two\n' },
      { event: 'tool_call_update', tool_call_id: 't', status: 'completed', exit_code: 0 },
    );
    expect(talk.items()).toMatchObject([
      { kind: 'tool', output: 'one\ntwo\n', endedMs: 4_000, call: { title: 'run', kind: 'execute', status: 'completed', raw_input: { command: 'ls' } } },
    ]);
  });

  test('a tool that prints without end keeps the end', () => {
    handle({ event: 'tool_call', tool_call_id: 't' });
    for (let n = 0; n < 3; n++) handle({ event: 'tool_call_output', tool_call_id: 't', text: String(n).repeat(MAX_TOOL_OUTPUT_CHARS) });
    expect(talk.items()[0]).toMatchObject({ output: '2'.repeat(MAX_TOOL_OUTPUT_CHARS) });
  });

  test('what a sub-agent says and does stands below its tool call', () => {
    handle(
      { event: 'tool_call', tool_call_id: 'task', kind: 'agent' },
      said('m2', 'I look', 'task'),
      { event: 'tool_call', tool_call_id: 'inner', parent_tool_call_id: 'task', status: 'pending' },
      { event: 'tool_call_update', tool_call_id: 'inner', status: 'failed' },
    );
    expect(brief()).toEqual(['tool task undefined']);
    expect(brief(talk.items('task'))).toEqual(['agent I look', 'tool inner failed']);
  });

  test('a prompt changes its state where it was asked', () => {
    const prompt = { id: 's_1.4', asked_at_micros: 1, title: 'run', ask: { ask: 'unknown' as const }, state: { state: 'open' as const } };
    handle({ event: 'prompt_opened', prompt }, { event: 'prompt_update', prompt: 's_1.4', state: { state: 'withdrawn' } });
    expect(brief()).toEqual(['prompt withdrawn']);
    expect(talk.prompt('s_1.4')?.prompt.state.state).toBe('withdrawn');
  });

  test('a message that waits says so until it is delivered', () => {
    const origin = { kind: 'person' as const, principal: 'r_1/ann' };
    handle(
      { event: 'message_update', message_id: 'm', state: 'queued' },
      { event: 'user_message_chunk', message_id: 'm', origin, content: text('later') },
    );
    expect(talk.items()[0]).toMatchObject({ state: 'queued' });
    expect(talk.facts.queued).toEqual(['m']);
    handle({ event: 'message_update', message_id: 'm', state: 'delivered' });
    expect(talk.items()[0]).toMatchObject({ state: 'delivered' });
    expect(talk.facts.queued).toEqual([]);
  });

  test('a turn has its length and its end', () => {
    handle({ event: 'turn_started', origin: { kind: 'self_started' }, turn: 2 });
    expect(talk.facts.turn).toMatchObject({ number: 2 });
    handle(said('m', 'x'), { event: 'turn_ended', stop_reason: 'end_turn', usage: {}, turn: 2 });
    expect(talk.facts.turn).toBeUndefined();
    expect(talk.items().at(-1)).toMatchObject({ kind: 'turn_end', turn: 2, startedMs: 1_000, atMs: 3_000 });
  });

  test('facts are the last that was said, and what was not said stays', () => {
    handle(
      { event: 'usage_update', cost: { amount_micros: 5, currency: 'USD' } },
      { event: 'usage_update', context_used: 7 },
      { event: 'current_mode_update', mode: 'plan' },
      { event: 'plan', entries: [{ content: 'a', priority: 'high', status: 'pending' }] },
      { event: 'plan', entries: [] },
    );
    expect(talk.facts).toMatchObject({ usage: { context_used: 7, cost: { amount_micros: 5 } }, mode: 'plan', plan: [] });
  });

  test('events of a newer version are passed over', () => {
    handle({ event: 'telepathy' } as unknown as AgentEvent1, said('m', 'x'));
    expect(brief()).toEqual(['agent x']);
  });

  test('the page keeps only so much, and still finds what it keeps', () => {
    for (let n = 0; n < MAX_CONVERSATION_ITEMS + 3; n++) handle(said(`m${n}`, 'x'));
    handle(said(`m${MAX_CONVERSATION_ITEMS}`, 'y'), said('m0', 'again'));
    expect(talk.items()).toHaveLength(MAX_CONVERSATION_ITEMS);
    expect(talk.dropped).toBe(4);
    expect(brief().filter((line) => line !== 'agent x')).toEqual(['agent xy', 'agent again']);
  });

  test('a new beginning forgets everything', () => {
    handle(said('m', 'x'), { event: 'current_mode_update', mode: 'plan' });
    talk.clear();
    expect(talk.items()).toEqual([]);
    expect(talk.facts.mode).toBeUndefined();
  });
});
