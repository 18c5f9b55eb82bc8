// Paths that a person types: what to ask the machine for, and what to make of its answer.
import type { DirectoriesParams, DirectoriesResult } from '../wire/generated';

/** What is asked for while this stands in the field: the directory so far, and how the next name begins. */
export function askFor(typed: string): DirectoriesParams {
  const at = typed.lastIndexOf('/');
  if (at < 0) return typed.startsWith('~') ? { directory: '~' } : { prefix: typed };
  return { directory: typed.slice(0, at) || '/', prefix: typed.slice(at + 1) };
}

/** One that can be chosen: the whole path, with what comes behind it left open. */
export interface Choice {
  path: string;
  name: string;
  project: boolean;
}

export function choices({ directory, directories }: DirectoriesResult): Choice[] {
  const below = directory === '/' ? '/' : `${directory}/`;
  return directories.map(({ name, project }) => ({ path: `${below}${name}/`, name, project: project ?? false }));
}

/** What all choices have in common beyond what is typed, as shells complete; undefined when it is nothing. */
export function common(found: readonly Choice[], typed: string): string | undefined {
  const [first] = found;
  if (!first) return undefined;
  if (found.length === 1) return first.path;
  const longest = found.reduce((so, { path }) => {
    const ends = [...so].findIndex((char, at) => char !== path[at]);
    return ends < 0 ? so : so.slice(0, ends);
  }, first.path.slice(0, -1));
  return longest.length > typed.length ? longest : undefined;
}

/** The path that a session is started in: whole, without the slash at its end. */
export function startPath(typed: string, home: string | undefined): string | undefined {
  const text = typed.trim();
  if (text === '') return undefined;
  const whole = home !== undefined && /^~(\/|$)/.test(text) ? home + text.slice(1) : text;
  return whole.replace(/(?<=.)\/+$/, '');
}

/** A word as a POSIX shell reads it back. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
