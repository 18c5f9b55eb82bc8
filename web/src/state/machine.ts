// A machine as the page shows it. The one place that reads what a hub says of machines.
import type { SessionInfo } from '../wire/generated';
import { ago, duration } from './words';

/** A hub's name for a machine; of a plain relay there is only one. */
export type MachineId = string;

/** The id of the only machine when the server is a plain relay. */
export const THIS_MACHINE: MachineId = 'local';

/** Whether a machine can be seen. */
export type MachineState =
  | { state: 'connected' }
  | { state: 'connecting' }
  /** Tried again at `retryAt` when that is known. Milliseconds. */
  | { state: 'unreachable'; since: number; why?: string; retryAt?: number }
  /** Final until somebody changes something. */
  | { state: 'refused'; why: string }
  /** It has to dial, and has not. */
  | { state: 'awaited'; since?: number }
  | { state: 'disconnected' };

export interface Machine {
  id: MachineId;
  name: string;
  local: boolean;
  state: MachineState;
  /** How it is reached, for people. */
  endpoint?: string;
  /** By what the hub reaches it: `local`, `key`, `ssh`, `token`, `joined`, or what a newer hub says. */
  way?: string;
  pin?: string;
  version?: string;
  autoConnect?: boolean;
  /** It lets this hub carry mail and do nothing else. */
  mailOnly?: true;
}

/** Reads a machine of `machine.list`, `sync` or `machine.changed`; undefined when it has no id. */
export function parseMachine(from: unknown): Machine | undefined {
  if (typeof from !== 'object' || from === null) return undefined;
  const given = from as Record<string, unknown>;
  const id = text(given.machine);
  if (!id) return undefined;
  const relay = (given.relay ?? {}) as Record<string, unknown>;
  return {
    id,
    name: text(given.label) ?? id,
    local: given.local === true,
    state: parseState(given),
    endpoint: text(given.url),
    way: text(given.way),
    pin: text(given.pin),
    version: text(relay.version),
    autoConnect: given.auto_connect === true,
    ...(Array.isArray(relay.scopes) && relay.scopes.length === 0 ? { mailOnly: true as const } : {}),
  };
}

/** Where the link to a machine is, in words. */
export function machineWords(state: MachineState, nowMs: number): { text: string; bad: boolean } {
  switch (state.state) {
    case 'connected':
      return { text: 'connected', bad: false };
    case 'connecting':
      return { text: 'connecting…', bad: false };
    case 'unreachable':
      return { text: unreachableWords(state, nowMs), bad: true };
    case 'refused':
      return { text: `refused: ${state.why}`, bad: true };
    case 'awaited':
      return { text: 'waits for the machine to dial', bad: false };
    case 'disconnected':
      return { text: 'disconnected', bad: false };
  }
}

function unreachableWords({ since, why, retryAt }: Extract<MachineState, { state: 'unreachable' }>, nowMs: number): string {
  const left = retryAt === undefined ? 0 : Math.ceil((retryAt - nowMs) / 1000);
  const retry = retryAt === undefined ? '' : `, tried again ${left > 0 ? `in ${duration(left)}` : 'now'}`;
  return `unreachable since ${ago(since, nowMs)}${why ? `: ${why}` : ''}${retry}`;
}

/** How a machine is reached, in words. */
export function wayWords({ way, mailOnly }: Pick<Machine, 'way' | 'mailOnly'>): string {
  const reached = wayOnly(way);
  return mailOnly ? [reached, 'for mail only'].filter(Boolean).join(', ') : reached;
}

function wayOnly(way?: string): string {
  switch (way) {
    case 'local':
      return 'this machine';
    case 'key':
      return 'paired';
    case 'ssh':
      return 'by ssh';
    case 'token':
      return 'by a token';
    case 'joined':
      return 'it dials this hub';
    default:
      return '';
  }
}

/** On which machine a session is, and since when that one cannot be seen; milliseconds. */
export function placeOf(info: SessionInfo): { machine: MachineId; unreachableSince?: number } {
  const { on } = info as { on?: Record<string, unknown> };
  return { machine: text(on?.machine) ?? THIS_MACHINE, unreachableSince: millis(on?.unreachable_since) };
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Microseconds of the wire as milliseconds of the page. */
const millis = (value: unknown): number | undefined =>
  typeof value === 'number' ? Math.round(value / 1000) : undefined;

function parseState(given: Record<string, unknown>): MachineState {
  const why = text(given.why);
  const since = millis(given.unreachable_since);
  switch (given.link) {
    case 'connected':
      return { state: 'connected' };
    case 'connecting':
      return { state: 'connecting' };
    case 'reconnecting':
      return { state: 'unreachable', since: since ?? Date.now(), why, retryAt: millis(given.at) };
    case 'refused':
      return { state: 'refused', why: why ?? 'no reason was given' };
    case 'awaited':
      return { state: 'awaited', since };
    default:
      return { state: 'disconnected' };
  }
}
