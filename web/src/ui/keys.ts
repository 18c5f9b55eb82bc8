// Keys that work everywhere on the page, terminals included. None of them is one that shells or editors use.
import { flushSync } from 'svelte';
import type { App } from '../app/app.svelte';
import { cycle, focused } from '../state/layout';

export interface Shortcut {
  keys: string;
  what: string;
  matches: (event: KeyboardEvent) => boolean;
  run: (app: App) => void;
}

const both = (event: KeyboardEvent, code: string): boolean =>
  (event.ctrlKey || event.metaKey) && event.shiftKey && !event.altKey && event.code === code;
const alt = (event: KeyboardEvent, code: string): boolean =>
  event.altKey && event.shiftKey && !event.ctrlKey && !event.metaKey && event.code === code;

/** Opens the first thing that waits. */
export function openNext(app: App): void {
  const next = app.attention[0];
  if (!next) return app.say('plain', 'Nobody waits for you.');
  app.settings.set('attentionOpen', true);
  app.screen = 'needs';
  // at once: the answer's key may follow in the same moment
  flushSync();
  document.querySelector<HTMLElement>('[data-queue] [data-attention]')?.focus();
}

export const SHORTCUTS: Shortcut[] = [
  {
    keys: 'Ctrl Shift Space',
    what: 'Find anything, do anything',
    matches: (event) => both(event, 'Space') || (event.metaKey && !event.shiftKey && event.code === 'KeyK'),
    run: (app) => app.openDialog('palette'),
  },
  { keys: 'Ctrl Shift Enter', what: 'Go to who waits for you', matches: (event) => both(event, 'Enter'), run: openNext },
  { keys: 'Alt Shift N', what: 'New session', matches: (event) => alt(event, 'KeyN'), run: (app) => app.openDialog('new') },
  { keys: 'Alt Shift M', what: 'Mail', matches: (event) => alt(event, 'KeyM'), run: (app) => app.mail.open() },
  { keys: 'Alt Shift →', what: 'Split to the right', matches: (event) => alt(event, 'ArrowRight'), run: (app) => app.split('row') },
  { keys: 'Alt Shift ↓', what: 'Split below', matches: (event) => alt(event, 'ArrowDown'), run: (app) => app.split('column') },
  { keys: 'Alt Shift W', what: 'Close the pane; its session goes on', matches: (event) => alt(event, 'KeyW'), run: (app) => app.closePane(app.desk.focus) },
  { keys: 'Alt Shift ]', what: 'Next pane', matches: (event) => alt(event, 'BracketRight'), run: (app) => step(app, 1) },
  { keys: 'Alt Shift [', what: 'Pane before', matches: (event) => alt(event, 'BracketLeft'), run: (app) => step(app, -1) },
  { keys: 'Alt Shift /', what: 'These keys', matches: (event) => alt(event, 'Slash'), run: (app) => app.openDialog('keys') },
];

/** Keys of a pane that has the keyboard. */
export const PANE_KEYS = [
  { keys: 'Ctrl Shift F', what: 'Search in the terminal' },
  { keys: 'Ctrl Shift C / V', what: 'Copy, paste' },
  { keys: '1 … 9', what: 'Answer a prompt card that has the focus' },
  { keys: 'Enter', what: 'Send a message to an agent; Shift Enter makes a new line' },
] as const;

function step(app: App, by: 1 | -1): void {
  app.setDesk(cycle(app.desk, by));
  const pane = focused(app.desk);
  const takes = document.querySelector<HTMLElement>(`[data-pane="${pane?.id}"] [data-takes-focus]`);
  (takes?.querySelector('textarea') ?? takes)?.focus();
}

/** Runs the shortcut of an event, before anything else sees it. */
export function handleGlobalKey(app: App, event: KeyboardEvent): void {
  const shortcut = SHORTCUTS.find(({ matches }) => matches(event));
  const inField = event.target instanceof HTMLElement && event.target.closest('input, textarea, .xterm') !== null;
  const isFindKey = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.code === 'KeyK' && !inField;
  if (!shortcut && !isFindKey) return;
  event.preventDefault();
  event.stopPropagation();
  if (shortcut) shortcut.run(app);
  else app.openDialog('palette');
}
