// What agents ask, by session: fetched in pieces whose answers may overtake one another.
import type { Prompt, PromptInfo } from '../wire/generated';

/** A question to the relay: about one session, or about all. */
export interface Asking {
  session?: string;
  n: number;
}

/** The prompts that are known. Each change makes a new map. */
export class Prompts {
  all: ReadonlyMap<string, readonly Prompt[]> = new Map();
  #asked = 0;
  /** The newest question about a session whose answer was taken. */
  #answered = new Map<string, number>();

  /** A question is about to be sent. */
  ask(session?: string): Asking {
    return { session, n: ++this.#asked };
  }

  /** Its answer. What a newer question has brought meanwhile stays. */
  handleAnswer({ session, n }: Asking, list: readonly PromptInfo[]): void {
    const found = new Map<string, Prompt[]>();
    for (const info of list) found.set(info.session, [...(found.get(info.session) ?? []), info]);
    const about = session === undefined ? new Set([...this.all.keys(), ...found.keys()]) : [session];
    const next = new Map(this.all);
    for (const key of about) {
      if ((this.#answered.get(key) ?? 0) > n) continue;
      this.#answered.set(key, n);
      const prompts = found.get(key);
      if (prompts) next.set(key, prompts);
      else next.delete(key);
    }
    this.all = next;
  }

  /** A prompt's new state, as the answer to its answer says. */
  handleState(session: string, id: string, state: Prompt['state']): void {
    const prompts = (this.all.get(session) ?? []).map((prompt) => (prompt.id === id ? { ...prompt, state } : prompt));
    this.all = new Map(this.all).set(session, prompts);
  }

  /** A session is gone. */
  forget(session: string): void {
    this.#answered.delete(session);
    const next = new Map(this.all);
    if (next.delete(session)) this.all = next;
  }
}
