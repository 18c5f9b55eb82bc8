// How a hook fares, in words.
import type { HookEvent, HookInfo } from '../wire/generated';
import { ago } from './words';

/** What happened last counts: a failure before the last success is history. */
export function hookWords(hook: HookInfo, nowMs: number): { text: string; bad: boolean } {
  const [sent, failed] = [hook.sent_at ?? 0, hook.failed_at ?? 0];
  const waits = hook.waiting > 0 ? `, ${hook.waiting} ${hook.waiting === 1 ? 'waits' : 'wait'}` : '';
  const lost = hook.dropped > 0 ? `, ${hook.dropped} given up` : '';
  if (failed > sent) return { text: `failed ${ago(failed / 1000, nowMs)}: ${hook.error ?? 'no reason was given'}${waits}${lost}`, bad: true };
  if (sent > 0) return { text: `told ${hook.sent}, last ${ago(sent / 1000, nowMs)}${waits}${lost}`, bad: false };
  return { text: `nothing was told yet${waits}${lost}`, bad: false };
}

export function eventWords(event: HookEvent): string {
  switch (event) {
    case 'prompt.opened':
      return 'somebody is asked';
    case 'turn.ended':
      return 'a turn ended';
    case 'machine.unreachable':
      return 'a machine is gone';
    default:
      return event;
  }
}
