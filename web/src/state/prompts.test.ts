import { expect, test } from 'vitest';
import type { PromptInfo } from '../wire/generated';
import { Prompts } from './prompts';

const prompt = (session: string, id: string): PromptInfo => ({
  session,
  label: session,
  id,
  asked_at_micros: 1,
  title: id,
  ask: { ask: 'unknown' },
  state: { state: 'open' },
});
const known = (prompts: Prompts): Record<string, string[]> =>
  Object.fromEntries([...prompts.all].map(([session, list]) => [session, list.map(({ id }) => id)]));

test('an answer about all replaces what is known of all', () => {
  const prompts = new Prompts();
  prompts.handleAnswer(prompts.ask(), [prompt('a', 'a.1'), prompt('a', 'a.2'), prompt('b', 'b.1')]);
  prompts.handleAnswer(prompts.ask(), [prompt('b', 'b.1')]);
  expect(known(prompts)).toEqual({ b: ['b.1'] });
});

test('an answer about one session leaves the others alone', () => {
  const prompts = new Prompts();
  prompts.handleAnswer(prompts.ask(), [prompt('a', 'a.1'), prompt('b', 'b.1')]);
  prompts.handleAnswer(prompts.ask('a'), []);
  expect(known(prompts)).toEqual({ b: ['b.1'] });
});

test('a late answer does not undo what a newer question brought', () => {
  const prompts = new Prompts();
  const all = prompts.ask();
  const one = prompts.ask('a');
  prompts.handleAnswer(one, [prompt('a', 'a.1')]);
  prompts.handleAnswer(all, [prompt('b', 'b.1')]);
  expect(known(prompts)).toEqual({ a: ['a.1'], b: ['b.1'] });
  const [older, newer] = [prompts.ask('a'), prompts.ask('a')];
  prompts.handleAnswer(newer, []);
  prompts.handleAnswer(older, [prompt('a', 'a.1')]);
  expect(known(prompts)).toEqual({ b: ['b.1'] });
});

test('an answered prompt is known as such at once', () => {
  const prompts = new Prompts();
  prompts.handleAnswer(prompts.ask(), [prompt('a', 'a.1'), prompt('a', 'a.2')]);
  prompts.handleState('a', 'a.1', { state: 'withdrawn' });
  expect(prompts.all.get('a')?.map(({ state }) => state.state)).toEqual(['withdrawn', 'open']);
});

test('the prompts of a session that is gone go with it', () => {
  const prompts = new Prompts();
  prompts.handleAnswer(prompts.ask(), [prompt('a', 'a.1')]);
  prompts.forget('a');
  expect(known(prompts)).toEqual({});
});
