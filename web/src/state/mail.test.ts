import { describe, expect, it } from 'vitest';
import type { MailChanged, MailContact, MailEntry, MailSession } from '../wire/generated';
import {
  author,
  badge,
  badgeWords,
  canBeLetThrough,
  contactWords,
  firstLine,
  type History,
  isMine,
  isUnread,
  MailNews,
  MAX_KEPT,
  needsDecision,
  NO_HISTORY,
  parseRecipient,
  recipients,
  replyTo,
  stateWords,
  threadName,
  threads,
  threadSide,
  waitingOf,
  waitingOn,
  whenWords,
  withNewest,
  withOlder,
  withSome,
} from './mail';

const BOB = 'b0bb0bb0bb0b';
const ME = 'adaadaada';

const came = (number: number, more: Partial<MailEntry> = {}): MailEntry => ({
  direction: 'came', id: `their-${number}`, number, peer: BOB, name: 'bob', from_session: 'claude:1', to_session: 'person',
  role: 'agent', text: `message ${number}`, at: number * 1000, state: 'delivered', read: false, ...more,
});
const sent = (at: number, more: Partial<MailEntry> = {}): MailEntry => ({
  direction: 'sent', id: `msg-${at}`, peer: BOB, name: 'bob', from_session: 'person', to_session: 'claude:1',
  role: 'agent', text: `sent ${at}`, at: at * 1000, state: 'sent', read: false, ...more,
});
const own = (number: number, from: string, to: string, more: Partial<MailEntry> = {}): MailEntry =>
  came(number, { direction: 'own', peer: ME, name: 'default', from_session: from, to_session: to, ...more });
const texts = ({ entries }: History): string[] => entries.map(({ text }) => text);

const contact = (more: Partial<MailContact> = {}): MailContact => ({
  address: BOB, name: 'bob', standing: 'accepted', inbound: 'accept', fingerprint: '00000 11111', ...more,
});
const session = (label: string, identity = 'default'): MailSession => ({ label, session: `s_${label}`, identity });

describe('how much mail waits', () => {
  const news = (machine: string | undefined, unread: number, change = 1): MailChanged => ({
    rev: 1, change, ...(machine && { machine }),
    identities: [{ identity: 'default', unread, held: 2, asking: 1 }, { identity: 'work', unread: 10, held: 0, asking: 0 }],
  });

  it('is told with the view and after it, of each machine, and is forgotten with it', () => {
    const mail = new MailNews();
    expect(mail.handleNotification('sync', { part: 0, mail: [news('m_1', 1), news('m_2', 2)] })).toBe(true);
    expect(mail.handleNotification('sync', { part: 1 })).toBe(false);
    expect(waitingOn(mail.all.values())).toEqual({ unread: 23, held: 4, asking: 2 });
    mail.handleNotification('mail.changed', news('m_2', 0));
    expect(waitingOf(mail.all.get('m_2'), 'default')).toEqual({ unread: 0, held: 2, asking: 1 });
    expect(waitingOf(mail.all.get('m_2'), 'nobody')).toEqual({ unread: 0, held: 0, asking: 0 });
    expect(mail.handleNotification('machine.removed', { machine: 'm_1' })).toBe(true);
    expect([...mail.all.keys()]).toEqual(['m_2']);
    mail.handleNotification('sync', { part: 0 });
    expect(mail.all.size).toBe(0);
    expect(mail.handleNotification('session.changed', {})).toBe(false);
  });

  it('of a plain relay is that of the one machine', () => {
    const mail = new MailNews();
    mail.handleNotification('mail.changed', news(undefined, 3));
    expect([...mail.all.keys()]).toEqual(['local']);
  });

  it('is a number that leaves out what waits by itself, and words that do not', () => {
    expect(badge({ unread: 2, held: 5, asking: 1 })).toBe(3);
    expect(badgeWords({ unread: 2, held: 5, asking: 1 })).toBe('2 unread, 1 contact asks, 5 held');
    expect(badgeWords({ unread: 0, held: 0, asking: 0 })).toBe('nothing new');
  });
});

describe('what is known of an identity’s mail', () => {
  it('is what came and what was sent, newest first, each once', () => {
    const first = withNewest(NO_HISTORY, { messages: [came(3), sent(2), came(1)] });
    const next = withNewest(first, { messages: [sent(4), came(3, { read: true }), sent(2, { state: 'read' })], before: 'x' });
    expect(texts(next)).toEqual(['sent 4', 'message 3', 'sent 2', 'message 1']);
    expect(next.entries[2]?.state).toBe('read');
    expect(next.before).toBeUndefined();
  });

  it('begins anew where a page does not reach it', () => {
    const known = withNewest(NO_HISTORY, { messages: [came(1)] });
    const next = withNewest(known, { messages: [came(90), came(89)], before: 'page2' });
    expect(texts(next)).toEqual(['message 90', 'message 89']);
    expect(next.before).toBe('page2');
    const all = withOlder(next, { messages: [came(2), came(1)] });
    expect(texts(all)).toEqual(['message 90', 'message 89', 'message 2', 'message 1']);
    expect(all.before).toBeUndefined();
  });

  it('takes one contact’s older mail without losing its own place', () => {
    const known = withNewest(NO_HISTORY, { messages: [came(9)], before: 'page2' });
    expect(withSome(known, { messages: [came(9), sent(1)] })).toEqual({ entries: [came(9), sent(1)], before: 'page2' });
  });

  it('has a bound', () => {
    const page = { messages: Array.from({ length: MAX_KEPT + 5 }, (_, at) => came(at)).reverse() };
    const known = withSome(withNewest(NO_HISTORY, { messages: [came(99_999)] }), page);
    expect(known.entries).toHaveLength(MAX_KEPT);
    expect(known.entries[0]?.number).toBe(99_999);
  });

  it('keeps apart what two senders call the same', () => {
    const same = withNewest(NO_HISTORY, { messages: [came(2, { id: 'x' }), came(1, { id: 'x' })] });
    expect(same.entries).toHaveLength(2);
  });
});

describe('threads', () => {
  it('are one for each contact and pair of sessions, the last one first', () => {
    const list = threads([
      sent(6), came(5), came(4, { from_session: 'codex:1' }), came(3, { peer: 'eve', name: 'eve' }), sent(2, { from_session: 'claude:7' }),
    ]);
    expect(list.map(threadName)).toEqual(['bob/claude:1', 'bob/codex:1', 'eve/claude:1', 'bob/claude:1']);
    expect(list.map(threadSide)).toEqual([undefined, undefined, undefined, 'claude:7']);
    expect(list[0]?.entries.map(({ text }) => text)).toEqual(['message 5', 'sent 6']);
    expect(list[0]?.unread).toEqual([5]);
  });

  it('between own sessions are one, whoever wrote', () => {
    const list = threads([own(4, 'person', 'claude:1'), own(3, 'claude:1', 'person'), own(2, 'claude:2', 'claude:1'), own(1, 'claude:1', 'claude:2')]);
    expect(list.map(threadName)).toEqual(['claude:1', 'claude:1 and claude:2']);
    expect(list[0]?.unread).toEqual([3]);
    expect(list.map(({ entries }) => entries.length)).toEqual([2, 2]);
    expect(list[0]?.entries.map(isMine)).toEqual([false, true]);
  });

  it('are unread by what is for people, or died', () => {
    expect(isUnread(came(1))).toBe(true);
    expect(isUnread(came(1, { read: true }))).toBe(false);
    expect(isUnread(came(1, { to_session: 'claude:1' }))).toBe(false);
    expect(isUnread(came(1, { to_session: 'claude:1', state: 'dead', why: 'expired' }))).toBe(true);
    expect(isUnread(came(1, { to_session: 'claude:1', state: 'dead', why: 'discarded' }))).toBe(false);
    expect(isUnread(sent(1))).toBe(false);
  });

  it('are answered at their other end, naming what came last', () => {
    const [thread] = threads([sent(3), came(2), came(1)]);
    expect(replyTo(thread!)).toEqual({ to: BOB, to_session: 'claude:1', in_reply_to: '#2' });
    const [hostile] = threads([came(1, { from_session: '../../x y' })]);
    expect(replyTo(hostile!)).toEqual({ to: BOB, in_reply_to: '#1' });
    const [mine] = threads([own(1, 'person', 'claude:1')]);
    expect(replyTo(mine!)).toEqual({ to_session: 'claude:1' });
  });
});

describe('a recipient', () => {
  const parse = (word: string): unknown => parseRecipient(word, [contact()], [session('claude:1'), session('codex:1', 'work')], 'default');

  it('is a session of this machine, a contact, or both', () => {
    expect(parse(' claude:1 ')).toEqual({ to_session: 'claude:1' });
    expect(parse('codex:1')).toEqual({ to: 'work', to_session: 'codex:1' });
    expect(parse('later:1')).toEqual({ to_session: 'later:1' });
    expect(parse('bob')).toEqual({ to: BOB });
    expect(parse(`${BOB}/claude:2`)).toEqual({ to: BOB, to_session: 'claude:2' });
    expect(parse('default/claude:1')).toEqual({ to_session: 'claude:1' });
  });

  it('that is none says why', () => {
    expect(parse('')).toEqual({ wrong: 'Name a session, a contact, or contact/session.' });
    expect(parse('eve/claude:1')).toEqual({ wrong: 'There is no contact "eve".' });
    expect(parse('bob/a b')).toEqual({ wrong: '"a b" cannot be a session’s name.' });
    expect(parse('two words')).toEqual({ wrong: '"two words" is neither a contact nor a session’s name.' });
  });

  it('can be chosen of sessions and of contacts that are not blocked', () => {
    const list = recipients([contact(), contact({ name: 'eve', standing: 'blocked' })], [{ ...session('claude:1'), idle: true }]);
    expect(list.map(({ value }) => value)).toEqual(['claude:1', 'bob/person', 'bob']);
    expect(list[0]?.hint).toBe('idle here');
  });
});

describe('a contact', () => {
  it('needs a decision while it asks, or when its key has changed', () => {
    expect(needsDecision(contact())).toBe(false);
    expect(needsDecision(contact({ standing: 'asking' }))).toBe(true);
    expect(needsDecision(contact({ standing: 'asking', inbound: 'refuse' }))).toBe(false);
    expect(needsDecision(contact({ changed: '22222' }))).toBe(true);
    expect(needsDecision(contact({ changed: '22222', standing: 'blocked' }))).toBe(false);
  });

  it('is told in words', () => {
    expect(contactWords(contact()).text).toBe('contact');
    expect(contactWords(contact({ inbound: 'hold' })).text).toBe('contact, its mail waits for you');
    expect(contactWords(contact({ standing: 'asked' })).text).toBe('was asked, has not answered');
    expect(contactWords(contact({ standing: 'asking', inbound: 'refuse' })).text).toBe('asks to be a contact, its mail is refused');
    expect(contactWords(contact({ standing: 'blocked', changed: '1' }))).toEqual({ text: 'blocked', bad: true });
    expect(contactWords(contact({ changed: '1' })).bad).toBe(true);
  });
});

describe('a message in words', () => {
  const words = (entry: MailEntry): string | undefined => stateWords(entry)?.text;

  it('says how far it came, and why no further', () => {
    expect(words(sent(1, { state: 'queued' }))).toBe('waits to be sent');
    expect(words(sent(1))).toBe('sent');
    expect(words(sent(1, { state: 'delivered' }))).toBe('delivered');
    expect(words(sent(1, { state: 'read' }))).toBe('read');
    expect(words(sent(1, { state: 'failed', why: 'no_route' }))).toBe('failed: no hub knows where the recipient is');
    expect(words(sent(1, { state: 'failed', why: 'moon' }))).toBe('failed: moon');
    expect(words(came(1))).toBeUndefined();
    expect(words(came(1, { state: 'held', why: 'no_session', to_session: 'claude:9' }))).toBe('held: no session claude:9 runs');
    expect(words(came(1, { state: 'held', why: 'contact' }))).toBe('held: somebody is to decide about its sender');
    expect(words(came(1, { state: 'dead', why: 'expired' }))).toBe('not delivered: it took too long');
    expect(words(sent(1, { state: 'orbiting' }))).toBe('orbiting');
  });

  it('can be let through when a person’s word is what it waits for', () => {
    expect(['contact', 'policy', 'no_session', 'turn', undefined].map((why) => canBeLetThrough(came(1, { state: 'held', why })))).toEqual([true, true, false, false, false]);
  });

  it('says who wrote it, and in one line what', () => {
    expect(author(came(1))).toBe('bob/claude:1');
    expect(author(came(1, { from_session: 'person' }))).toBe('bob');
    expect(author(sent(1))).toBe('You');
    expect(author(own(1, 'claude:2', 'person'))).toBe('claude:2');
    expect(firstLine('\n  one\ntwo')).toBe('one');
  });

  it('says when', () => {
    const now = new Date(2026, 2, 12, 15, 0).getTime();
    expect(whenWords(new Date(2026, 2, 12, 9, 5).getTime(), now)).toBe('09:05');
    expect(whenWords(new Date(2026, 2, 10, 9, 5).getTime(), now)).toBe('Tue 09:05');
    expect(whenWords(new Date(2026, 1, 3, 9, 5).getTime(), now)).toBe('3 Feb 09:05');
  });
});
