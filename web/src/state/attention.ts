// Who waits for the person at this page, over all machines.
import type { Owner, Prompt, SessionInfo } from '../wire/generated';
import { owns, type SessionEntry } from './fleet';

/** One thing that waits. The order of kinds is their order on the page. */
export type AttentionItem =
  | { kind: 'prompt'; id: string; entry: SessionEntry; prompt: Prompt; since: number }
  | { kind: 'lease'; id: string; entry: SessionEntry; from: Owner; since: number }
  | { kind: 'trouble'; id: string; entry: SessionEntry; why: 'stalled' | 'lost' | 'failed'; since: number };

/** Troubles older than this are history, not something that waits. */
const TROUBLE_AGE_MS = 12 * 3600 * 1000;

/** Everything that waits: prompts first, the longest waiting first; then requests; then trouble. */
export function attention(
  sessions: SessionEntry[],
  prompts: ReadonlyMap<string, readonly Prompt[]>,
  me: string | undefined,
  dismissed: ReadonlySet<string>,
  nowMs: number,
): AttentionItem[] {
  const items = sessions.flatMap((entry) => [
    ...promptItems(entry, prompts.get(entry.key) ?? []),
    ...leaseItems(entry, me),
    ...troubleItems(entry, nowMs),
  ]);
  const rank = { prompt: 0, lease: 1, trouble: 2 };
  return items
    .filter(({ id }) => !dismissed.has(id))
    .sort((a, b) => rank[a.kind] - rank[b.kind] || (a.kind === 'trouble' ? b.since - a.since : a.since - b.since));
}

function promptItems(entry: SessionEntry, prompts: readonly Prompt[]): AttentionItem[] {
  return prompts
    .filter(({ state }) => state.state === 'open')
    .map((prompt) => ({ kind: 'prompt', id: prompt.id, entry, prompt, since: prompt.asked_at_micros / 1000 }));
}

function leaseItems(entry: SessionEntry, me: string | undefined): AttentionItem[] {
  const { info } = entry;
  if (!owns(info, me)) return [];
  return (info.lease.requested_by ?? []).map((from) => ({
    kind: 'lease',
    id: `${entry.key}.lease.${from.client}.${info.lease.epoch}`,
    entry,
    from,
    since: info.last_activity_at / 1000,
  }));
}

function troubleItems(entry: SessionEntry, nowMs: number): AttentionItem[] {
  const { info } = entry;
  const trouble = (why: 'stalled' | 'lost' | 'failed', since: number): AttentionItem[] =>
    nowMs - since > TROUBLE_AGE_MS
      ? []
      : [{ kind: 'trouble', id: `${entry.key}.${why}.${info.incarnation}`, entry, why, since }];
  switch (info.state) {
    case 'stalled':
      return trouble('stalled', info.last_activity_at / 1000);
    case 'lost':
      return trouble('lost', info.at / 1000);
    case 'exited': {
      // a person's own shell ends with any code; an agent's or a kernel's end is news
      const killed = info.status.status === 'oom' || (info.kind === 'agent' && failed(info.status));
      return killed ? trouble('failed', info.at / 1000) : [];
    }
    default:
      return [];
  }
}

const failed = (status: Extract<SessionInfo, { state: 'exited' }>['status']): boolean =>
  status.status === 'signal' || (status.status === 'code' && status.code !== 0);

/** Whether a change of a session may have changed its prompts, which are fetched then. */
export function promptsMayDiffer(before: SessionInfo | undefined, after: SessionInfo): boolean {
  const now = after.agent?.prompts ?? 0;
  return now > 0 || now !== (before?.agent?.prompts ?? 0);
}
