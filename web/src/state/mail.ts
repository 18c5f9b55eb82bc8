// Mail as people read it: what is known of both directions, threads of it, and all of it in words. What a
// peer says of a message is data: who sent it is the address and nothing else.
import type {
  IdentityMail,
  MailChanged,
  MailContact,
  MailEntry,
  MailHistoryResult,
  MailSession,
  Sync,
} from '../wire/generated';
import { THIS_MACHINE, type MachineId } from './machine';

/** The label under which people write, and are written to. */
export const PERSON = 'person';
/** Messages that are kept of one identity; the oldest are asked for again when somebody goes there. */
export const MAX_KEPT = 2_000;

const LABEL = /^[A-Za-z0-9_:-]{1,32}$/;

// ---- how much waits, of all machines ----

/** How much mail waits on each machine, as the server last said. */
export class MailNews {
  #machines = new Map<MachineId, MailChanged>();

  get all(): ReadonlyMap<MachineId, MailChanged> {
    return new Map(this.#machines);
  }

  /** Takes a notification; whether it changes anything here. */
  handleNotification(method: string, params: unknown): boolean {
    switch (method) {
      case 'sync': {
        const { part, mail } = params as Sync;
        if (part !== 0) return false;
        this.#machines = new Map((mail ?? []).map((news) => [news.machine ?? THIS_MACHINE, news]));
        return true;
      }
      case 'mail.changed': {
        const news = params as MailChanged;
        this.#machines.set(news.machine ?? THIS_MACHINE, news);
        return true;
      }
      case 'machine.removed':
        return this.#machines.delete(String((params as { machine: unknown }).machine));
      default:
        return false;
    }
  }
}

export interface Waiting {
  unread: number;
  held: number;
  asking: number;
}

const NOTHING: Waiting = { unread: 0, held: 0, asking: 0 };

const sum = (counts: readonly Waiting[]): Waiting =>
  counts.reduce((a, b) => ({ unread: a.unread + b.unread, held: a.held + b.held, asking: a.asking + b.asking }), NOTHING);

/** What waits for people over all machines. */
export const waitingOn = (machines: Iterable<MailChanged>): Waiting => sum([...machines].flatMap(({ identities }) => identities));

export const waitingOf = (news: MailChanged | undefined, identity: string): Waiting =>
  sum((news?.identities ?? []).filter((counts: IdentityMail) => counts.identity === identity));

/** What a badge says: what somebody should look at. What is held waits by itself. */
export const badge = ({ unread, asking }: Waiting): number => unread + asking;

export function badgeWords({ unread, held, asking }: Waiting): string {
  const parts = [
    unread > 0 ? `${unread} unread` : '',
    asking > 0 ? `${asking} ${asking === 1 ? 'contact asks' : 'contacts ask'}` : '',
    held > 0 ? `${held} held` : '',
  ].filter(Boolean);
  return parts.join(', ') || 'nothing new';
}

// ---- what is known of an identity's mail ----

/** Newest first. `before` is where more begins. */
export interface History {
  entries: readonly MailEntry[];
  before?: string;
}

export const NO_HISTORY: History = { entries: [] };

/** Names a message among all of an identity's. */
export const keyOf = ({ direction, number, id }: MailEntry): string => (direction === 'sent' ? `sent.${id}` : `came.${number}`);

/** With the newest page. Where it does not reach what is known, something between is missing: then it is all there is. */
export function withNewest(known: History, { messages, before }: MailHistoryResult): History {
  const keys = new Set(known.entries.map(keyOf));
  const meets = !before || messages.some((entry) => keys.has(keyOf(entry)));
  if (!meets || known.entries.length === 0) return { entries: messages, before: before ?? undefined };
  return bounded({ entries: merged(known.entries, messages), before: known.before });
}

/** With the page before the oldest known one. */
export const withOlder = (known: History, { messages, before }: MailHistoryResult): History =>
  bounded({ entries: merged(known.entries, messages), before: before ?? undefined });

/** With messages of one contact, which may be older than the whole list goes back. */
export const withSome = (known: History, { messages }: MailHistoryResult): History =>
  bounded({ entries: merged(known.entries, messages), before: known.before });

function merged(known: readonly MailEntry[], newer: readonly MailEntry[]): MailEntry[] {
  const all = new Map(known.map((entry) => [keyOf(entry), entry]));
  for (const entry of newer) all.set(keyOf(entry), entry);
  return [...all.values()].sort((a, b) => b.at - a.at || side(b) - side(a) || (b.number ?? 0) - (a.number ?? 0));
}

const side = ({ direction }: MailEntry): number => (direction === 'sent' ? 1 : 0);

const bounded = (history: History): History => ({ ...history, entries: history.entries.slice(0, MAX_KEPT) });

// ---- threads ----

/** What two sessions, or people, wrote to each other. */
export interface Thread {
  key: string;
  /** The address of the other side, and what it is called here. */
  peer: string;
  name: string;
  /** Between sessions of one identity. */
  isOwn: boolean;
  ours?: string;
  theirs?: string;
  /** Oldest first. */
  entries: MailEntry[];
  /** Numbers of what people have not read. */
  unread: number[];
}

/** Threads, the one that was written in last first. */
export function threads(entries: readonly MailEntry[]): Thread[] {
  const all = new Map<string, Thread>();
  for (const entry of entries) {
    const { ours, theirs } = pairOf(entry);
    const key = threadKey(entry.peer, ours, theirs);
    const thread = all.get(key) ?? { key, peer: entry.peer, name: entry.name, isOwn: entry.direction === 'own', ours, theirs, entries: [], unread: [] };
    thread.entries.unshift(entry);
    if (isUnread(entry) && typeof entry.number === 'number') thread.unread.push(entry.number);
    all.set(key, thread);
  }
  return [...all.values()];
}

export const threadKey = (peer: string, ours: string | undefined, theirs: string | undefined): string =>
  JSON.stringify([peer, ours ?? '', theirs ?? '']);

/** The two ends of a message, ours first. Between own sessions a person is ours, else the first by name. */
function pairOf({ direction, from_session, to_session }: MailEntry): { ours?: string; theirs?: string } {
  const [from, to] = [from_session ?? undefined, to_session ?? undefined];
  if (direction === 'came') return { ours: to, theirs: from };
  if (direction === 'sent') return { ours: from, theirs: to };
  const isFirst = from === PERSON || (to !== PERSON && (from ?? '') <= (to ?? ''));
  return isFirst ? { ours: from, theirs: to } : { ours: to, theirs: from };
}

/** Whether people have not read what is for them, or do not know yet that it died. */
export function isUnread({ direction, read, to_session, state, why }: MailEntry): boolean {
  if (direction === 'sent' || read) return false;
  return to_session === PERSON || (state === 'dead' && why !== 'refused' && why !== 'discarded');
}

/** Whether a person wrote it on this side. */
export const isMine = ({ direction, from_session }: MailEntry): boolean => direction !== 'came' && from_session === PERSON;

/** Whether people are one end of it, so that they answer in it. */
export const isPersons = ({ ours }: Thread): boolean => ours === PERSON;

/** `bob/claude:1`, `claude:1`, `claude:1 and claude:2` */
export function threadName({ isOwn, name, ours, theirs }: Thread): string {
  if (isOwn) return ours === PERSON ? (theirs ?? PERSON) : `${ours ?? '?'} and ${theirs ?? '?'}`;
  return theirs && theirs !== PERSON ? `${name}/${theirs}` : name;
}

/** Which of the own sessions writes, where it is no person. */
export const threadSide = ({ isOwn, ours }: Thread): string | undefined => (isOwn || ours === PERSON ? undefined : (ours ?? 'any session'));

/** What is sent to answer in a thread: to the same end, and naming the last message that came. */
export function replyTo(thread: Thread): { to?: string; to_session?: string; in_reply_to?: string } {
  const came = thread.entries.findLast((entry) => !isMine(entry));
  return {
    ...(!thread.isOwn && { to: thread.peer }),
    ...(thread.theirs && LABEL.test(thread.theirs) && { to_session: thread.theirs }),
    ...(typeof came?.number === 'number' && { in_reply_to: `#${came.number}` }),
  };
}

// ---- to whom ----

/** A word of a person as a recipient: `label`, `contact` or `contact/label`; why it is none otherwise. */
export function parseRecipient(
  word: string,
  contacts: readonly MailContact[],
  sessions: readonly MailSession[],
  identity: string,
): { to?: string; to_session?: string } | { wrong: string } {
  const text = word.trim();
  if (text === '') return { wrong: 'Name a session, a contact, or contact/session.' };
  const slash = text.indexOf('/');
  const [first, label] = slash < 0 ? [text, undefined] : [text.slice(0, slash), text.slice(slash + 1)];
  const known = contacts.find(({ name, address }) => name === first || address === first);
  if (label !== undefined && !LABEL.test(label)) return { wrong: `${JSON.stringify(label)} cannot be a session’s name.` };
  if (label !== undefined && !known && first !== identity) return { wrong: `There is no contact ${JSON.stringify(first)}.` };
  if (known) return { to: known.address, ...(label && { to_session: label }) };
  const name = label ?? first;
  if (!LABEL.test(name)) return { wrong: `${JSON.stringify(name)} is neither a contact nor a session’s name.` };
  const session = sessions.find((session) => session.label === name);
  return session && session.identity !== identity ? { to: session.identity, to_session: name } : { to_session: name };
}

/** What can be written to, for a list to choose from. */
export function recipients(contacts: readonly MailContact[], sessions: readonly MailSession[]): { value: string; hint: string }[] {
  return [
    ...sessions.map(({ label, status, idle }) => ({ value: label, hint: status ?? (idle ? 'idle here' : 'runs here') })),
    ...contacts
      .filter(({ standing }) => standing !== 'blocked')
      .flatMap(({ name }) => [
        { value: `${name}/${PERSON}`, hint: 'the people there' },
        { value: name, hint: 'the session that they chose for mail without a name' },
      ]),
  ];
}

// ---- contacts ----

/** Whether a person is to decide: somebody asks and nothing was said, or claims another key. */
export const needsDecision = ({ standing, inbound, changed }: MailContact): boolean =>
  (standing === 'asking' && inbound === 'accept') || (!!changed && standing !== 'blocked');

export function contactWords({ standing, inbound, changed }: MailContact): { text: string; bad: boolean } {
  if (standing === 'blocked') return { text: 'blocked', bad: true };
  if (changed) return { text: 'its key has changed: nothing goes to it or comes from it', bad: true };
  const mail = inbound === 'hold' ? ', its mail waits for you' : inbound === 'refuse' ? ', its mail is refused' : '';
  if (standing === 'asking') return { text: `asks to be a contact${mail}`, bad: false };
  if (standing === 'asked') return { text: `was asked, has not answered${mail}`, bad: false };
  return { text: `contact${mail}`, bad: false };
}

// ---- messages in words ----

export type MailTone = 'good' | 'plain' | 'wait' | 'bad';

/** How far a message came, for people; nothing for what simply came. */
export function stateWords({ direction, state, why, to_session }: MailEntry): { text: string; tone: MailTone } | undefined {
  switch (state) {
    case 'queued':
      return { text: 'waits to be sent', tone: 'wait' };
    case 'sent':
      return { text: 'sent', tone: 'plain' };
    case 'delivered':
      return direction === 'came' ? undefined : { text: 'delivered', tone: 'plain' };
    case 'read':
      return { text: 'read', tone: 'good' };
    case 'failed':
      return { text: `failed: ${failedWords(why)}`, tone: 'bad' };
    case 'held':
      return { text: `held: ${heldWords(why, to_session)}`, tone: 'wait' };
    case 'dead':
      return { text: `not delivered: ${failedWords(why)}`, tone: 'bad' };
    default:
      return { text: state, tone: 'plain' };
  }
}

/** Whether a person's word is what it waits for: without a session that runs there is nowhere to let it through to. */
export const canBeLetThrough = ({ why }: MailEntry): boolean => why === 'contact' || why === 'policy';

/** Why a message waits. */
export function heldWords(why: string | null | undefined, label: string | null | undefined): string {
  switch (why) {
    case 'no_session':
      return label ? `no session ${label} runs` : 'no session runs that it could go to';
    case 'contact':
      return 'somebody is to decide about its sender';
    case 'policy':
      return 'it names no session';
    case 'turn':
      return 'its session gets it soon';
    case 'answering':
      return 'an answer is being written';
    default:
      return why ?? 'it waits';
  }
}

function failedWords(why: string | null | undefined): string {
  switch (why) {
    case 'expired':
      return 'it took too long';
    case 'no_route':
      return 'no hub knows where the recipient is';
    case 'key_changed':
      return 'the recipient’s key is not the one that was accepted';
    case 'blocked':
      return 'the recipient is blocked here';
    case 'withdrawn':
      return 'it was taken back';
    case 'invalid':
      return 'it could not be sealed';
    case 'bad_label':
      return 'no session can have that name';
    case 'unaddressed':
      return 'it names no session, and such mail is not wanted';
    case 'refused':
      return 'mail of its sender is not wanted';
    case 'discarded':
      return 'it was discarded';
    case 'full':
      return 'too much waits there';
    default:
      return why ?? 'no reason was given';
  }
}

/** Who wrote it: whoever is at this end, or a name that this side gave and a claim of theirs. */
export function author({ direction, name, from_session }: MailEntry): string {
  const session = from_session ?? undefined;
  if (direction !== 'came') return session === PERSON ? 'You' : (session ?? '?');
  return session && session !== PERSON ? `${name}/${session}` : name;
}

/** One line of a message, for lists. */
export const firstLine = (text: string): string => text.trimStart().split('\n', 1)[0]!.slice(0, 160);

/** `14:02`, `Tue 14:02`, `3 Mar 14:02` */
export function whenWords(atMs: number, nowMs: number): string {
  const [at, now] = [new Date(atMs), new Date(nowMs)];
  const time = at.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  if (at.toDateString() === now.toDateString()) return time;
  const days = (nowMs - atMs) / 86_400_000;
  const day = days < 6 ? at.toLocaleDateString('en-GB', { weekday: 'short' }) : at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  return `${day} ${time}`;
}
