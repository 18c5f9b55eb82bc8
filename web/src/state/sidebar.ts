// The list of sessions: what passes the filter, in groups that do not jump about.
import type { SessionInfo } from '../wire/generated';
import type { SessionEntry } from './fleet';
import type { Machine } from './machine';
import { hasEnded, shortPath } from './words';

export type Grouping = 'machine' | 'project';
export type Show = 'all' | 'live' | 'waiting';

export interface Group {
  id: string;
  title: string;
  /** A second line: a path, or why the machine cannot be seen. */
  hint?: string;
  machine?: Machine;
  live: SessionEntry[];
  ended: SessionEntry[];
}

export interface Wish {
  grouping: Grouping;
  show: Show;
  text: string;
}

/** Groups with their sessions. Machines without sessions stay: one can be started there. */
export function groups(machines: Machine[], sessions: SessionEntry[], wish: Wish): Group[] {
  const shown = sessions.filter((entry) => passes(entry, machines, wish));
  if (wish.grouping === 'project') return byProject(shown);
  const isFiltered = wish.text !== '' || wish.show !== 'all';
  return machines
    .map((machine) => ({
      id: `machine:${machine.id}`,
      title: machine.local ? `Local` : machine.name,
      hint: machine.local ? machine.name : undefined,
      machine,
      ...split(shown.filter((entry) => entry.machine === machine.id)),
    }))
    .filter(({ live, ended }) => !isFiltered || live.length + ended.length > 0);
}

/** What people call a session: its label, and what its program says it does. */
export function subtitle(info: SessionInfo): string {
  if (info.title) return info.title;
  if (info.kind === 'agent') return info.agent?.model ?? shortPath(info.cwd);
  return info.argv.join(' ') || shortPath(info.cwd);
}

/**
 * The directory that a session belongs to, where its relay knows no repository: the outermost directory of any
 * session that holds it.
 */
export function projectOf(cwd: string, roots: readonly string[]): string {
  const holders = roots.filter((root) => cwd === root || cwd.startsWith(`${root}/`));
  return holders.sort((a, b) => a.length - b.length)[0] ?? cwd;
}

/** Directories that can be a project: not a home, nor anything above one. */
const canBeProject = (path: string): boolean =>
  path.split('/').filter(Boolean).length >= 2 && !/^\/(home|Users)\/[^/]+$/.test(path);

function byProject(sessions: SessionEntry[]): Group[] {
  const known = sessions.flatMap(({ info }) => info.project ?? []);
  const roots = [...new Set([...known, ...sessions.map(({ info }) => info.cwd)])].filter(canBeProject);
  const found = new Map<string, SessionEntry[]>();
  for (const entry of sessions) {
    const project = entry.info.project ?? projectOf(entry.info.cwd, roots);
    found.set(project, [...(found.get(project) ?? []), entry]);
  }
  return [...found]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([path, members]) => ({
      id: `project:${path}`,
      title: path.split('/').pop() || path,
      hint: shortPath(path),
      ...split(members),
    }));
}

function split(sessions: SessionEntry[]): { live: SessionEntry[]; ended: SessionEntry[] } {
  const newest = (a: SessionEntry, b: SessionEntry): number => b.info.created_at - a.info.created_at;
  return {
    live: sessions.filter(({ info }) => !hasEnded(info)).sort(newest),
    ended: sessions.filter(({ info }) => hasEnded(info)).sort(newest),
  };
}

function passes({ info, machine }: SessionEntry, machines: Machine[], { show, text }: Wish): boolean {
  if (show === 'live' && hasEnded(info)) return false;
  if (show === 'waiting' && info.state !== 'waiting') return false;
  if (text === '') return true;
  const name = machines.find(({ id }) => id === machine)?.name ?? '';
  const words = [info.label, info.title, info.cwd, info.argv.join(' '), info.agent?.name, name, info.state];
  const hay = words.join(' ').toLowerCase();
  return text.toLowerCase().split(/\s+/).every((needle) => hay.includes(needle));
}
