// Every machine and session that the page knows: the last `sync` and what changed since.
//
// A hub says of each session on which machine it is; a plain relay is the one machine that there is. The
// server leaves out what was overtaken before it could be sent, so a jump in `rev` means nothing here; who
// is too far behind gets a new `sync`.
import { isOwner } from '../wire/attachment';
import type {
  HelloResult,
  LeaseChanged,
  LeaseView,
  SessionChanged,
  SessionInfo,
  SessionRemoved,
  Sync,
} from '../wire/generated';
import { type Machine, type MachineId, parseMachine, placeOf, THIS_MACHINE } from './machine';

/** A session and where it runs. Its `key`, the session's id, is unique over all machines. */
export interface SessionEntry {
  key: string;
  machine: MachineId;
  info: SessionInfo;
}

/** What happened to the fleet by a notification. */
export type FleetNews =
  | { kind: 'view' }
  | { kind: 'session'; entry: SessionEntry; before: SessionInfo | undefined }
  | { kind: 'removed'; entry: SessionEntry }
  | { kind: 'lease'; entry: SessionEntry };

/** All machines and their sessions. */
export class Fleet {
  #machines = new Map<MachineId, Machine>();
  #sessions = new Map<string, SessionInfo>();
  /** Parts of a `sync` that is not complete. */
  #parts: SessionInfo[] = [];
  /** Requests name their machine. */
  #isHub = false;
  /** Since when the page itself sees nothing; milliseconds. */
  #lostSince: number | undefined;

  /** Machines, this one first, then by name. */
  get machines(): Machine[] {
    const rank = (machine: Machine): string => `${machine.local ? 0 : 1}${machine.name}`;
    const all = [...this.#machines.values()].sort((a, b) => rank(a).localeCompare(rank(b)));
    const since = this.#lostSince;
    if (since === undefined) return all;
    return all.map((machine) => ({ ...machine, state: { state: 'unreachable', since } }));
  }

  /** All sessions, newest first. */
  get sessions(): SessionEntry[] {
    const all = [...this.#sessions.values()].map((info) => this.#entry(info));
    return all.sort((a, b) => b.info.created_at - a.info.created_at);
  }

  session(key: string): SessionEntry | undefined {
    const info = this.#sessions.get(key);
    return info && this.#entry(info);
  }

  /** What a request about this session must name. */
  target({ machine, key }: SessionEntry): { machine?: string; session: string } {
    return { ...this.route(machine), session: key };
  }

  /** What a request to this machine must name. */
  route(machine: MachineId): { machine?: string } {
    return this.#isHub ? { machine } : {};
  }

  /** Connected: a relay is the only machine; a hub tells its machines with `sync`. */
  handleHello(hello: HelloResult): void {
    this.#lostSince = undefined;
    this.#isHub = typeof (hello as { hub?: unknown }).hub === 'string';
    if (this.#isHub) return;
    const name = hello.instance === 'default' ? hello.machine : `${hello.machine}:${hello.instance}`;
    const machine: Machine = { id: THIS_MACHINE, name, local: true, state: { state: 'connected' }, version: hello.version };
    this.#machines = new Map([[THIS_MACHINE, machine]]);
  }

  /** The link is down: what is known stays, and is shown as what was last known. */
  handleLinkLost(since: number): void {
    this.#lostSince ??= since;
  }

  /** A session of an answer: the view may know it already, and then better. */
  handleAnswer(info: SessionInfo): void {
    if (!this.#sessions.has(info.session)) this.#sessions.set(info.session, info);
  }

  /** Takes a notification; undefined when it changes nothing here. */
  handleNotification(method: string, params: unknown): FleetNews | undefined {
    switch (method) {
      case 'sync':
        return this.#handleSync(params as Sync);
      case 'session.changed':
        return this.#handleChanged(params as SessionChanged);
      case 'session.removed':
        return this.#handleRemoved(params as SessionRemoved);
      case 'lease.changed': {
        const { session, lease } = params as LeaseChanged;
        this.handleLease(session, lease);
        const entry = this.session(session);
        return entry && { kind: 'lease', entry };
      }
      case 'machine.changed':
      case 'machine.removed':
        return this.#handleMachine(method, params as { machine: unknown });
      default:
        return undefined;
    }
  }

  /** A lease, from an answer or a notification; false when it is an older one. */
  handleLease(key: string, lease: LeaseView): boolean {
    const info = this.#sessions.get(key);
    if (!info || lease.epoch < info.lease.epoch) return false;
    this.#sessions.set(key, { ...info, lease });
    return true;
  }

  #handleSync(sync: Sync): FleetNews | undefined {
    if (sync.part === 0) {
      this.#parts = [];
      if (this.#isHub) this.#setMachines((sync as { machines?: unknown[] }).machines ?? []);
    }
    this.#parts.push(...sync.sessions);
    if (!sync.last) return undefined;
    this.#sessions = new Map(this.#parts.map((info) => [info.session, info]));
    this.#parts = [];
    return { kind: 'view' };
  }

  #handleChanged({ session }: SessionChanged): FleetNews {
    const before = this.#sessions.get(session.session);
    this.#sessions.set(session.session, session);
    return { kind: 'session', entry: this.#entry(session), before };
  }

  #handleRemoved({ session }: SessionRemoved): FleetNews | undefined {
    const info = this.#sessions.get(session);
    this.#sessions.delete(session);
    return info && { kind: 'removed', entry: this.#entry(info) };
  }

  #handleMachine(method: string, { machine }: { machine: unknown }): FleetNews {
    if (method === 'machine.removed' && typeof machine === 'string') {
      this.#machines.delete(machine);
      for (const [key, info] of this.#sessions) if (placeOf(info).machine === machine) this.#sessions.delete(key);
    } else {
      const parsed = parseMachine(machine);
      if (parsed) this.#machines.set(parsed.id, parsed);
    }
    return { kind: 'view' };
  }

  #setMachines(list: unknown[]): void {
    const machines = list.map(parseMachine).filter((machine) => machine !== undefined);
    this.#machines = new Map(machines.map((machine) => [machine.id, machine]));
  }

  #entry(info: SessionInfo): SessionEntry {
    const { machine, unreachableSince } = placeOf(info);
    const since = this.#lostSince ?? unreachableSince ?? this.#machineLost(machine);
    return { key: info.session, machine, info: since === undefined ? info : asLastKnown(info, since) };
  }

  #machineLost(machine: MachineId): number | undefined {
    const state = this.#machines.get(machine)?.state;
    return state?.state === 'unreachable' ? state.since : undefined;
  }
}

/** What has ended has ended; of all else nobody knows how it goes. */
function asLastKnown(info: SessionInfo, sinceMs: number): SessionInfo {
  if (info.state === 'exited' || info.state === 'lost') return info;
  return { ...info, state: 'unreachable', since: sinceMs * 1000 } as SessionInfo;
}

/** Whether `client` owns the session now. */
export const owns = (info: SessionInfo, client: string | undefined): boolean => isOwner(info.lease, client);
