// The panes: a tree of splits that is remembered. A session stands in one pane at most, because one page
// is one client and a client watches a session once.

export type Direction = 'row' | 'column';

/** A place for one session. */
export interface Pane {
  type: 'pane';
  id: number;
  session: string | null;
}

/** Two parts beside or above each other; `ratio` is the first one's share. */
export interface Split {
  type: 'split';
  id: number;
  direction: Direction;
  ratio: number;
  first: Layout;
  second: Layout;
}

export type Layout = Pane | Split;

/** The tree and the pane that has the keyboard. */
export interface Desk {
  root: Layout;
  focus: number;
}

/** Panes of one page: more would be too small to read, and each draws. */
export const MAX_PANES = 9;
const MIN_RATIO = 0.1;

export const emptyDesk = (): Desk => ({ root: { type: 'pane', id: 1, session: null }, focus: 1 });

export function panes(layout: Layout): Pane[] {
  return layout.type === 'pane' ? [layout] : [...panes(layout.first), ...panes(layout.second)];
}

export const focused = (desk: Desk): Pane | undefined => panes(desk.root).find(({ id }) => id === desk.focus);

/** A part of the desk, as shares of its width and height. */
export interface Rect {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Where every pane stands, and every bar between two parts with the part that it divides. */
export function place(layout: Layout, room: Rect = { left: 0, top: 0, width: 1, height: 1 }): {
  panes: { pane: Pane; rect: Rect }[];
  bars: { split: Split; rect: Rect }[];
} {
  if (layout.type === 'pane') return { panes: [{ pane: layout, rect: room }], bars: [] };
  const { left, top, width, height } = room;
  const isRow = layout.direction === 'row';
  const [w, h] = isRow ? [width * layout.ratio, height] : [width, height * layout.ratio];
  const first = place(layout.first, { left, top, width: w, height: h });
  const rest = isRow
    ? { left: left + w, top, width: width - w, height }
    : { left, top: top + h, width, height: height - h };
  const second = place(layout.second, rest);
  return {
    panes: [...first.panes, ...second.panes],
    bars: [{ split: layout, rect: room }, ...first.bars, ...second.bars],
  };
}

/** Shows a session: in its pane if it has one, else in the focused one. */
export function open(desk: Desk, session: string): Desk {
  const there = panes(desk.root).find((pane) => pane.session === session);
  if (there) return { ...desk, focus: there.id };
  return { ...desk, root: replace(desk.root, desk.focus, (pane) => ({ ...pane, session })) };
}

/** Splits a pane; the new half gets the session and the keyboard. */
export function split(desk: Desk, pane: number, direction: Direction, session: string | null): Desk {
  const all = panes(desk.root);
  const known = session !== null && all.some((other) => other.session === session);
  if (all.length >= MAX_PANES || known) return session === null ? desk : open(desk, session);
  const id = nextId(desk.root);
  const root = replace(desk.root, pane, (old) => ({
    type: 'split',
    id: id + 1,
    direction,
    ratio: 0.5,
    first: old,
    second: { type: 'pane', id, session },
  }));
  return { root, focus: id };
}

/** Closes a pane; the last one is only emptied. */
export function close(desk: Desk, pane: number): Desk {
  if (desk.root.type === 'pane') return { ...desk, root: { ...desk.root, session: null } };
  const root = without(desk.root, pane);
  const left = panes(root);
  const focus = left.some(({ id }) => id === desk.focus) ? desk.focus : (left[0]?.id ?? 0);
  return { root, focus };
}

export function resize(desk: Desk, splitId: number, ratio: number): Desk {
  const bounded = Math.min(1 - MIN_RATIO, Math.max(MIN_RATIO, ratio));
  const visit = (layout: Layout): Layout => {
    if (layout.type === 'pane') return layout;
    if (layout.id === splitId) return { ...layout, ratio: bounded };
    return { ...layout, first: visit(layout.first), second: visit(layout.second) };
  };
  return { ...desk, root: visit(desk.root) };
}

/** The pane after the focused one, or before it. */
export function cycle(desk: Desk, step: 1 | -1): Desk {
  const all = panes(desk.root);
  const at = all.findIndex(({ id }) => id === desk.focus);
  return { ...desk, focus: all[(at + step + all.length) % all.length]?.id ?? desk.focus };
}

/** Takes a session out of its pane, which stays. */
export function forget(desk: Desk, session: string): Desk {
  const pane = panes(desk.root).find((other) => other.session === session);
  return pane ? { ...desk, root: replace(desk.root, pane.id, (old) => ({ ...old, session: null })) } : desk;
}

/** Reads what was remembered; anything that is no layout is an empty one. */
export function parseDesk(text: string | null): Desk {
  try {
    const { root, focus } = JSON.parse(text ?? '') as { root: unknown; focus: unknown };
    const layout = parseLayout(root, 0);
    if (!layout || panes(layout).length > MAX_PANES) return emptyDesk();
    const ids = panes(layout).map(({ id }) => id);
    return { root: layout, focus: ids.includes(focus as number) ? (focus as number) : (ids[0] ?? 1) };
  } catch {
    return emptyDesk();
  }
}

function parseLayout(from: unknown, depth: number): Layout | undefined {
  if (typeof from !== 'object' || from === null || depth > MAX_PANES) return undefined;
  const { type, id, session, direction, ratio, first, second } = from as Record<string, unknown>;
  if (typeof id !== 'number') return undefined;
  if (type === 'pane') return { type, id, session: typeof session === 'string' ? session : null };
  const [a, b] = [parseLayout(first, depth + 1), parseLayout(second, depth + 1)];
  const fits = type === 'split' && (direction === 'row' || direction === 'column') && typeof ratio === 'number';
  return fits && a && b ? { type, id, direction, ratio, first: a, second: b } : undefined;
}

const nextId = (layout: Layout): number => 1 + Math.max(...ids(layout));
const ids = (layout: Layout): number[] =>
  layout.type === 'pane' ? [layout.id] : [layout.id, ...ids(layout.first), ...ids(layout.second)];

function replace(layout: Layout, pane: number, by: (pane: Pane) => Layout): Layout {
  if (layout.type === 'pane') return layout.id === pane ? by(layout) : layout;
  return { ...layout, first: replace(layout.first, pane, by), second: replace(layout.second, pane, by) };
}

function without(layout: Layout, pane: number): Layout {
  if (layout.type === 'pane') return layout;
  if (layout.first.type === 'pane' && layout.first.id === pane) return layout.second;
  if (layout.second.type === 'pane' && layout.second.id === pane) return layout.first;
  return { ...layout, first: without(layout.first, pane), second: without(layout.second, pane) };
}
