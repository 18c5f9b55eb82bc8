// The page's own state: one link, what came by it, and what the person is doing.
import { attention, type AttentionItem, promptsMayDiffer } from '../state/attention';
import { Fleet, type FleetNews, type SessionEntry } from '../state/fleet';
import * as desks from '../state/layout';
import type { Machine } from '../state/machine';
import type { LeaseAction, Me } from '../state/ownership';
import { Prompts } from '../state/prompts';
import { hasEnded } from '../state/words';
import type { CreateParams, Prompt, PromptAnswer, SessionInfo } from '../wire/generated';
import { Link, type LinkState, type TicketStore } from '../wire/link';
import type { Door } from '../wire/door';
import { newId } from '../wire/id';
import { CallError } from '../wire/rpc';
import { MailDesk } from './mail.svelte';
import { clientName } from './names';
import { Notifier } from './notifier';
import { Settings } from './settings.svelte';
import { loadTab, loadText, saveTab, saveText } from './storage';

/** Something that is said for a moment. */
export interface Toast {
  id: number;
  tone: 'good' | 'bad' | 'plain';
  text: string;
  hint?: string;
}

export type DialogName = 'new' | 'palette' | 'settings' | 'keys';
export type Screen = 'needs' | 'sessions' | 'pane' | 'mail';

const TOAST_MS = 6_000;
const MAX_TOASTS = 4;
/** The page is drawn anew at most this often while it cannot be seen. */
const HIDDEN_FLUSH_MS = 500;

export class App {
  readonly settings = new Settings();
  readonly link: Link;
  readonly mail: MailDesk;
  #fleet = new Fleet();
  #prompts = new Prompts();
  #notifier: Notifier;
  #isDirty = false;

  linkState = $state.raw<LinkState>({ at: 'closed' });
  machines = $state.raw<Machine[]>([]);
  sessions = $state.raw<SessionEntry[]>([]);
  prompts = $state.raw<ReadonlyMap<string, readonly Prompt[]>>(new Map());
  dismissed = $state.raw<ReadonlySet<string>>(new Set());
  desk = $state.raw<desks.Desk>(desks.parseDesk(loadText('desk')));
  dialog = $state<DialogName | undefined>();
  /** What a dialog was opened for: the part of the settings, or the machine of a new session. */
  dialogArgument = $state<string | undefined>();
  screen = $state<Screen>('sessions');
  toasts = $state.raw<Toast[]>([]);
  now = $state(Date.now());
  /** Sessions whose size follows this page's pane, because somebody here said so. */
  fitted = $state.raw<ReadonlySet<string>>(new Set(loadTab('fitted')));
  me = $derived.by((): Me | undefined => this.#me());
  attention = $derived.by((): AttentionItem[] =>
    attention(this.sessions, this.prompts, this.me?.client, this.dismissed, this.now),
  );
  live = $derived(this.sessions.filter(({ info }) => !hasEnded(info) && info.state !== 'unreachable').length);

  constructor(door: Door, tickets: TicketStore) {
    this.link = new Link({ door, name: clientName(), tickets });
    this.mail = new MailDesk(this);
    this.#notifier = new Notifier((key) => this.open(key));
    this.link.listen({
      state: (state) => this.#handleState(state),
      notification: (method, params) => this.#handleNotification(method, params),
    });
  }

  start(): void {
    this.link.start();
    setInterval(() => (this.now = Date.now()), 1_000);
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.link.probe();
    });
    window.addEventListener('online', () => this.link.probe());
  }

  /** A session as it is known now. */
  session(key: string): SessionEntry | undefined {
    return this.sessions.find((entry) => entry.key === key);
  }

  machine(id: string): Machine | undefined {
    return this.machines.find((machine) => machine.id === id);
  }

  target(entry: SessionEntry): { machine?: string; session: string } {
    return this.#fleet.target(entry);
  }

  route(machine: string): { machine?: string } {
    return this.#fleet.route(machine);
  }

  get isHub(): boolean {
    return this.link.state.at === 'ready' && 'hub' in this.link.state.hello;
  }

  // ---- panes ----

  setDesk(desk: desks.Desk): void {
    this.desk = desk;
    saveText('desk', JSON.stringify(desk));
  }

  /** Shows a session in its pane, or in the focused one. */
  open(key: string): void {
    this.setDesk(desks.open(this.desk, key));
    this.screen = 'pane';
  }

  split(direction: desks.Direction, session: string | null = null): void {
    this.setDesk(desks.split(this.desk, this.desk.focus, direction, session));
    this.screen = 'pane';
  }

  closePane(pane: number): void {
    this.setDesk(desks.close(this.desk, pane));
    if (desks.panes(this.desk.root).every(({ session }) => session === null)) this.screen = 'sessions';
  }

  openDialog(name: DialogName, argument?: string): void {
    this.dialogArgument = argument;
    this.dialog = name;
  }

  setFitted(key: string, fits: boolean): void {
    const next = new Set(this.fitted);
    if (fits) next.add(key);
    else next.delete(key);
    this.fitted = next;
    saveTab('fitted', [...next]);
  }

  // ---- what a person asks for ----

  async create(machine: string, params: CreateParams): Promise<SessionInfo> {
    const request = { ...params, request_id: newId(), ...this.route(machine) };
    const { session } = await this.link.callKept('session.create', request);
    this.#fleet.handleAnswer(session);
    this.#flush();
    return session;
  }

  /** Does it and says what went wrong; whether it went well. */
  async attempt(what: string, act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      const hint = error instanceof CallError ? error.hint : undefined;
      this.say('bad', `${what}: ${error instanceof Error ? error.message : String(error)}`, hint);
      return false;
    }
  }

  lease(entry: SessionEntry, action: LeaseAction, reason?: string): Promise<boolean> {
    const target = this.target(entry);
    const handle = async ({ lease }: { lease: SessionInfo['lease'] }): Promise<void> => {
      this.#fleet.handleLease(entry.key, lease);
      this.#touch();
    };
    const call = async (): Promise<void> => {
      switch (action.do) {
        case 'take':
          return handle(await this.link.call('lease.take', target));
        case 'take_with_reason':
          return handle(await this.link.call('lease.take', { ...target, reason }));
        case 'request':
          return handle(await this.link.call('lease.request', target));
        case 'release':
          return handle(await this.link.call('lease.release', target));
        case 'offer':
          return handle(await this.link.call('lease.offer', { ...target, to: action.to.client }));
      }
    };
    return this.attempt(`${entry.info.label}`, call);
  }

  /** Answers a prompt once; a retry over a reconnect keeps the answer's id. */
  async answer(entry: SessionEntry, prompt: Prompt, answer: PromptAnswer): Promise<void> {
    const route = this.route(entry.machine);
    const params = { ...answer, prompt: prompt.id, answer_id: newId(), ...route };
    try {
      const { prompt: id, ...state } = await this.link.callKept('prompt.answer', params);
      this.#prompts.handleState(entry.key, prompt.id, state);
      this.prompts = this.#prompts.all;
    } catch (error) {
      void this.#fetchPrompts(entry.key);
      throw error;
    }
  }

  dismiss(id: string): void {
    this.dismissed = new Set([...this.dismissed, id]);
  }

  say(tone: Toast['tone'], text: string, hint?: string): void {
    const toast = { id: Math.random(), tone, text, hint };
    this.toasts = [...this.toasts.slice(1 - MAX_TOASTS), toast];
    setTimeout(() => this.unsay(toast.id), TOAST_MS);
  }

  unsay(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }

  // ---- what comes by the link ----

  #handleState(state: LinkState): void {
    if (state.at === 'ready') {
      this.#fleet.handleHello(state.hello);
      void this.#fetchPrompts();
    }
    if (state.at === 'reconnecting') this.#fleet.handleLinkLost(state.since);
    this.linkState = state;
    this.now = Date.now();
    this.#flush();
  }

  #handleNotification(method: string, params: unknown): void {
    this.mail.handleNotification(method, params);
    const news = this.#fleet.handleNotification(method, params);
    if (!news) return;
    this.#handleNews(news);
    this.#touch();
  }

  #handleNews(news: FleetNews): void {
    switch (news.kind) {
      case 'session':
        if (promptsMayDiffer(news.before, news.entry.info)) void this.#fetchPrompts(news.entry.key);
        break;
      case 'removed':
        this.setDesk(desks.forget(this.desk, news.entry.key));
        this.#prompts.forget(news.entry.key);
        this.prompts = this.#prompts.all;
        break;
      case 'view':
        void this.#fetchPrompts();
        break;
      case 'lease':
        break;
    }
  }

  /** Asks what is open: of one session, or of all. A failure is made good by the next change. */
  async #fetchPrompts(key?: string): Promise<void> {
    const entry = key === undefined ? undefined : this.#fleet.session(key);
    const asking = this.#prompts.ask(entry?.key);
    const list = await this.link.call('prompt.list', entry ? this.#fleet.target(entry) : {}).catch(() => undefined);
    if (!list) return;
    this.#prompts.handleAnswer(asking, list.prompts);
    this.prompts = this.#prompts.all;
    this.#tell();
  }

  #touch(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    const flush = (): void => {
      if (this.#isDirty) this.#flush();
    };
    if (document.hidden) setTimeout(flush, HIDDEN_FLUSH_MS);
    else requestAnimationFrame(flush);
  }

  #flush(): void {
    this.#isDirty = false;
    this.machines = this.#fleet.machines;
    this.sessions = this.#fleet.sessions;
    this.#tell();
  }

  #tell(): void {
    const waiting = this.attention.filter(({ kind }) => kind !== 'trouble').length;
    document.title = waiting > 0 ? `(${waiting}) Quarterdeck` : 'Quarterdeck';
    if (this.settings.current.notify) this.#notifier.handle(this.attention);
  }

  #me(): Me | undefined {
    const state = this.linkState;
    if (state.at !== 'ready') return this.#lastMe;
    const { client_id: client, principal, scopes } = state.hello;
    this.#lastMe = { client, principal, scopes };
    return this.#lastMe;
  }

  #lastMe: Me | undefined;
}
