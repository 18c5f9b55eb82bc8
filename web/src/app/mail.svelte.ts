// The mail that somebody looks at: of one identity of one machine. It is asked for when the view is open,
// and again when the server says that it has changed.
import {
  badge,
  type History,
  MailNews,
  NO_HISTORY,
  replyTo,
  type Thread,
  threadKey,
  threads,
  waitingOf,
  waitingOn,
  withNewest,
  withOlder,
  withSome,
} from '../state/mail';
import type { Machine, MachineId } from '../state/machine';
import type { MailChanged, MailContact, MailEntry, MailIdentity, MailSendParams, MailWhoamiResult } from '../wire/generated';
import { newId } from '../wire/id';
import type { App } from './app.svelte';

/** What is shown beside the list. */
export type MailPlace =
  | { show: 'nothing' }
  | { show: 'thread'; key: string }
  | { show: 'new'; to?: string }
  | { show: 'held' }
  | { show: 'contacts' };

/** Messages that are asked for at once. */
const PAGE = 50;
/** Held messages that are shown; the rest comes when these are decided. */
const HELD_PAGE = 100;
/** Messages that are told to be read at once. */
const READ_PAGE = 200;
/** Many changes in a row are looked at together. */
const PAUSE_MS = 400;

/** Texts that are kept until somebody comes back to them. */
const MAX_DRAFTS = 50;

const NOTHING: MailPlace = { show: 'nothing' };

export class MailDesk {
  machineId = $state<MachineId | undefined>();
  identity = $state<string | undefined>();
  place = $state.raw<MailPlace>(NOTHING);
  me = $state.raw<MailWhoamiResult | undefined>();
  identities = $state.raw<readonly MailIdentity[]>([]);
  contacts = $state.raw<readonly MailContact[]>([]);
  held = $state.raw<readonly MailEntry[]>([]);
  trouble = $state<string | undefined>();
  #history = $state.raw<History>(NO_HISTORY);
  #news = new MailNews();
  all = $state.raw<ReadonlyMap<MachineId, MailChanged>>(new Map());

  /** Where a contact's older mail begins; null when all of it is here. */
  #older = $state.raw<ReadonlyMap<string, string | null>>(new Map());
  /** What was told to be read, so that it is told once. */
  #told = new Set<number>();
  /** A message that may not have been sent: a retry of the same keeps its id. */
  #unsent: { what: string; id: string } | undefined;
  /** Counts choices of machine and identity: an answer for an older one is not listened to. */
  #life = 0;
  #asking: Promise<void> | undefined;
  #asksAgain = false;
  #drafts = new Map<string, string>();

  /** Whose mail can be looked at: another owner's relay lets it be carried, and nothing else. */
  machines = $derived.by((): Machine[] => this.app.machines.filter(({ mailOnly }) => !mailOnly));
  machine = $derived.by((): Machine | undefined => this.machines.find(({ id }) => id === this.machineId));
  waiting = $derived(waitingOn(this.all.values()));
  threads = $derived(threads(this.#history.entries));
  hasOlder = $derived(this.#history.before !== undefined);
  mayRead = $derived.by(() => this.app.me?.scopes.includes('drive') ?? false);
  mayDecide = $derived.by(() => this.app.me?.scopes.includes('admin') ?? false);
  /** Changes whenever the mail that is looked at has changed. */
  change = $derived(this.all.get(this.machineId ?? '')?.change);

  constructor(readonly app: App) {}

  handleNotification(method: string, params: unknown): void {
    if (this.#news.handleNotification(method, params)) this.all = this.#news.all;
  }

  /** Opens the view; where nothing is new in it but elsewhere, elsewhere. */
  open(place: MailPlace = this.place): void {
    this.app.screen = 'mail';
    this.place = place;
    const isNew = (id: MachineId): boolean => badge(waitingOn([this.all.get(id)].filter((news) => news !== undefined))) > 0;
    const current = this.machineId;
    const next = this.machines.find(({ id }) => isNew(id))?.id;
    if (current && this.machine && (isNew(current) || !next)) return;
    this.select(next ?? this.machines[0]?.id);
  }

  /** Looks at the mail of a machine, and there of who has something new. */
  select(machine: MachineId | undefined, identity = this.#newest(machine)): void {
    if (machine === this.machineId && identity === this.identity) return;
    this.#life++;
    [this.machineId, this.identity] = [machine, identity];
    [this.#history, this.held, this.contacts, this.identities] = [NO_HISTORY, [], [], []];
    [this.#older, this.me, this.trouble] = [new Map(), undefined, undefined];
    this.#told.clear();
    // what is written goes to nobody else
    this.place = this.place.show === 'contacts' || this.place.show === 'held' ? this.place : NOTHING;
    void this.refresh();
  }

  #newest(machine: MachineId | undefined): string | undefined {
    const news = this.all.get(machine ?? '');
    return news?.identities.find(({ identity }) => badge(waitingOf(news, identity)) > 0)?.identity;
  }

  thread(key: string): Thread | undefined {
    return this.threads.find((thread) => thread.key === key);
  }

  /** Asks for what is new. While it is asked for, another wish for it is one more question and no more. */
  refresh(): Promise<void> {
    this.#asksAgain = true;
    this.#asking ??= this.#askWhileWished().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #askWhileWished(): Promise<void> {
    while (this.#asksAgain) {
      this.#asksAgain = false;
      await this.#ask();
      if (this.#asksAgain) await new Promise((done) => setTimeout(done, PAUSE_MS));
    }
  }

  /** What was begun to be written in a thread, or to somebody new. */
  draft(key: string): string {
    return this.#drafts.get(this.#draftKey(key)) ?? '';
  }

  keepDraft(key: string, text: string): void {
    this.#drafts.delete(this.#draftKey(key));
    if (text) this.#drafts.set(this.#draftKey(key), text);
    for (const oldest of [...this.#drafts.keys()].slice(0, -MAX_DRAFTS)) this.#drafts.delete(oldest);
  }

  #draftKey(key: string): string {
    return JSON.stringify([this.machineId, this.identity, key]);
  }

  async #ask(): Promise<void> {
    if (!this.mayRead || this.app.linkState.at !== 'ready' || !this.machineId) return;
    const [life, link, params] = [this.#life, this.app.link, this.#params()];
    try {
      const [me, { identities }, { contacts }, page, held] = await Promise.all([
        link.call('mail.whoami', params),
        link.call('mail.identities', this.app.route(this.machineId)),
        link.call('mail.contacts', params),
        link.call('mail.history', { ...params, limit: PAGE }),
        link.call('mail.history', { ...params, held: true, limit: HELD_PAGE }),
      ]);
      if (life !== this.#life) return;
      this.#history = withNewest(this.#history, page);
      [this.me, this.identities, this.contacts, this.held, this.trouble] = [me, identities, contacts, held.messages, undefined];
    } catch (error) {
      if (life === this.#life) this.trouble = error instanceof Error ? error.message : String(error);
    }
  }

  #params(): { machine?: string; identity?: string } {
    return { ...this.app.route(this.machineId ?? ''), ...(this.identity && { identity: this.identity }) };
  }

  /** The next page of everything. */
  older(): Promise<boolean> {
    const before = this.#history.before;
    return this.#act('Older mail', async () => {
      const life = this.#life;
      const page = await this.app.link.call('mail.history', { ...this.#params(), before, limit: PAGE });
      if (life === this.#life) this.#history = withOlder(this.#history, page);
    });
  }

  /** Whether a thread's contact may have older mail that is not here. */
  hasOlderOf({ peer }: Thread): boolean {
    return this.#older.get(peer) !== null;
  }

  /** The mail of a thread's contact: the newest at first, then what is older. */
  olderOf({ peer }: Thread): Promise<boolean> {
    const before = this.#older.get(peer) ?? undefined;
    return this.#act('Earlier messages', async () => {
      const life = this.#life;
      const page = await this.app.link.call('mail.history', { ...this.#params(), contact: peer, before, limit: PAGE });
      if (life !== this.#life) return;
      this.#history = withSome(this.#history, page);
      this.#older = new Map(this.#older).set(peer, page.before ?? null);
    });
  }

  /** Somebody sees a thread: what is for people in it is read. What agents are to get stays theirs. */
  async handleSeen({ unread }: Thread): Promise<void> {
    const numbers = unread.filter((number) => !this.#told.has(number)).slice(0, READ_PAGE);
    if (numbers.length === 0 || !this.mayRead) return;
    for (const number of numbers) this.#told.add(number);
    try {
      await this.app.link.call('mail.read', { ...this.#params(), numbers });
      await this.refresh();
    } catch {
      // it is told again when the thread is seen again
      for (const number of numbers) this.#told.delete(number);
    }
  }

  /** Sends a message, once however often it is tried; the thread that it is in. */
  async send(message: Pick<MailSendParams, 'to' | 'to_session' | 'body' | 'in_reply_to'>): Promise<string | undefined> {
    const what = JSON.stringify([this.machineId, this.identity, message]);
    if (this.#unsent?.what !== what) this.#unsent = { what, id: newId() };
    const params = { ...message, ...this.#params(), role: 'user' as const, request_id: this.#unsent.id };
    let key: string | undefined;
    await this.#act('The message was not sent', async () => {
      const job = await this.app.link.callKept('mail.send', params);
      this.#unsent = undefined;
      key = threadKey(job.to, job.from_session, job.to_session ?? undefined);
      await this.refresh();
    });
    return key;
  }

  reply(thread: Thread, body: string): Promise<string | undefined> {
    return this.send({ ...replyTo(thread), body });
  }

  /** Decides about a contact; who is accepted may get another name by that. */
  decide(contact: MailContact, decision: 'accept' | 'hold' | 'refuse' | 'block', name = contact.name): Promise<boolean> {
    return this.#act(contact.name, async () => {
      const { contacts } = await this.app.link.call('mail.contact', { ...this.#params(), contact: contact.address, decision });
      this.contacts = contacts;
      if (decision === 'accept' && name !== contact.name) await this.#rename(contact, name);
    });
  }

  rename(contact: MailContact, name: string): Promise<boolean> {
    return this.#act(contact.name, () => this.#rename(contact, name));
  }

  async #rename({ address }: MailContact, name: string): Promise<void> {
    await this.app.link.call('mail.contact_add', { ...this.#params(), contact: address, name });
    await this.refresh();
  }

  decideMessage({ number }: MailEntry, decision: 'deliver' | 'discard'): Promise<boolean> {
    return this.#act('The message', async () => {
      await this.app.link.call('mail.decide', { ...this.#params(), number: number ?? 0, decision });
      await this.refresh();
    });
  }

  add(contact: string, name: string, note: string): Promise<boolean> {
    return this.#act('The contact was not asked', async () => {
      const params = { ...this.#params(), contact, ...(name && { name }), ...(note && { note }) };
      const added = await this.app.link.call('mail.contact_add', params);
      this.app.say('good', `${added.name} ${added.standing === 'accepted' ? 'is a contact' : 'was asked'}`);
      await this.refresh();
    });
  }

  /** Seals anew what is sent from now on, after mail could not be opened. */
  reset({ name, address }: MailContact): Promise<boolean> {
    return this.#act(name, async () => {
      await this.app.link.call('mail.reset', { ...this.#params(), contact: address });
      this.app.say('good', `What is sent to ${name} is sealed anew`);
    });
  }

  #act(what: string, act: () => Promise<unknown>): Promise<boolean> {
    return this.app.attempt(what, act);
  }
}
