// The instances of the hub's machine, in words and in order.
import type { InstanceInfo, InstanceListResult } from '../wire/generated';
import { ago } from './words';

export interface InstanceWords {
  text: string;
  bad: boolean;
}

/** The one that shows this page comes first, the others by name, then by where they are. */
export function inOrder({ instances, own }: InstanceListResult): InstanceInfo[] {
  const rank = (it: InstanceInfo): number => (it.directory === own ? 0 : 1);
  return [...instances].sort((a, b) => rank(a) - rank(b) || byText(a.name, b.name) || byText(a.directory, b.directory));
}

/** What runs of it, and what lives in it. */
export function instanceWords(instance: InstanceInfo, nowMs: number): InstanceWords {
  const sessions = sessionWords(instance.sessions ?? 0);
  const state = instance.state ?? { is: 'stopped' };
  switch (state.is) {
    case 'running': {
      const since = instance.started_at ? ` since ${ago(instance.started_at / 1000, nowMs)}` : '';
      const page = instance.hub ? '' : ', its page is not served';
      return { text: `running${since}${page} · ${sessions}`, bad: false };
    }
    case 'stopped':
      return { text: `${instance.hub ? 'its relay is stopped' : 'stopped'} · ${sessions}`, bad: false };
    case 'unknown':
      return { text: `unknown: ${state.why} · ${sessions}`, bad: true };
  }
}

/** Which program runs there, or ran last, and the form of its record. */
export function versionWords({ product_version, schema_version }: InstanceInfo): string {
  const form = schema_version === undefined || schema_version === null ? '' : ` · record ${schema_version}`;
  return product_version ? `version ${product_version}${form}` : 'never started';
}

function sessionWords(count: number): string {
  if (count === 0) return 'no session';
  return count === 1 ? '1 session' : `${count} sessions`;
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
