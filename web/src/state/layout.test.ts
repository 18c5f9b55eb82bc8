import { describe, expect, test } from 'vitest';
import * as desks from './layout';

const shown = (desk: desks.Desk): (string | null)[] => desks.panes(desk.root).map(({ session }) => session);
const build = (...steps: ((desk: desks.Desk) => desks.Desk)[]): desks.Desk =>
  steps.reduce((desk, step) => step(desk), desks.emptyDesk());
const open = (session: string) => (desk: desks.Desk) => desks.open(desk, session);
const split = (direction: desks.Direction, session: string | null = null) => (desk: desks.Desk) =>
  desks.split(desk, desk.focus, direction, session);

describe('the desk', () => {
  test('a session is opened in the focused pane, and found where it stands', () => {
    const desk = build(open('a'), split('row', 'b'), open('a'));
    expect(shown(desk)).toEqual(['a', 'b']);
    expect(desks.focused(desk)?.session).toBe('a');
  });

  test('a split gives the new half the keyboard', () => {
    const desk = build(open('a'), split('row'), split('column'), open('c'));
    expect(shown(desk)).toEqual(['a', null, 'c']);
  });

  test('a session that is shown already is not shown twice', () => {
    const desk = build(open('a'), split('row', 'b'), split('column', 'a'));
    expect(shown(desk)).toEqual(['a', 'b']);
    expect(desks.focused(desk)?.session).toBe('a');
  });

  test('there is an end to splitting', () => {
    let desk = desks.emptyDesk();
    for (let n = 0; n < 20; n++) desk = split('row')(desk);
    expect(desks.panes(desk.root)).toHaveLength(desks.MAX_PANES);
  });

  test('a closed pane gives its room to its neighbour, and the last one is emptied', () => {
    const desk = build(open('a'), split('row', 'b'), split('column', 'c'));
    const closed = desks.close(desk, desks.panes(desk.root)[1]!.id);
    expect(shown(closed)).toEqual(['a', 'c']);
    const one = desks.close(closed, desks.panes(closed.root)[0]!.id);
    expect(shown(desks.close(one, one.focus))).toEqual([null]);
  });

  test('panes fill the desk without overlapping', () => {
    const desk = build(open('a'), split('row', 'b'), split('column', 'c'));
    const { panes, bars } = desks.place(desk.root);
    const area = panes.reduce((sum, { rect }) => sum + rect.width * rect.height, 0);
    expect(area).toBeCloseTo(1);
    expect(panes.map(({ rect }) => [rect.left, rect.top])).toEqual([[0, 0], [0.5, 0], [0.5, 0.5]]);
    expect(bars).toHaveLength(2);
  });

  test('a bar is moved within bounds', () => {
    const desk = build(open('a'), split('row', 'b'));
    const id = desk.root.id;
    const ratio = (to: number): unknown => (desks.resize(desk, id, to).root as { ratio: number }).ratio;
    expect([ratio(0.3), ratio(-5), ratio(7)]).toEqual([0.3, 0.1, 0.9]);
  });

  test('the keyboard goes round', () => {
    const desk = build(open('a'), split('row', 'b'));
    const next = desks.cycle(desk, 1);
    expect(desks.focused(next)?.session).toBe('a');
    expect(desks.focused(desks.cycle(next, -1))?.session).toBe('b');
  });

  test('what is remembered comes back, and anything else is an empty desk', () => {
    const desk = build(open('a'), split('row', 'b'), split('column', 'c'));
    expect(desks.parseDesk(JSON.stringify(desk))).toEqual(desk);
    for (const wrong of [null, '', '{}', '[]', '{"root":{"type":"split","id":1},"focus":1}', '{"root":7,"focus":7}']) {
      expect(desks.parseDesk(wrong)).toEqual(desks.emptyDesk());
    }
  });
});
