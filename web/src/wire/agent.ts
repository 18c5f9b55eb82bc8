// An agent's stream: its events in order, from where the page stopped.
import { Attachment, type AttachmentState, type Target, type Viewer } from './attachment';
import type { AgentEvent, AgentEvents, AttachParams, AttachResult } from './generated';
import type { Link } from './link';

/** What is told about a conversation. */
export interface AgentListener {
  state(state: AttachmentState): void;
  events(events: AgentEvent[]): void;
  /** A first attachment, or one to another log: what was shown does not go on. */
  began(): void;
  /** Events between what was shown and what comes are gone from the log. */
  missing(): void;
}

/** The page's view of one conversation. */
export class AgentStream implements Viewer {
  readonly attachment: Attachment;
  #after: string | undefined;

  constructor(
    link: Link,
    readonly target: Target,
    private readonly listener: AgentListener,
  ) {
    this.attachment = new Attachment(link, target, this);
  }

  params(): Omit<AttachParams, 'session'> {
    return { role: 'auto', from: { at: 'events', after: this.#after } };
  }

  attached(result: AttachResult, previous: AttachResult | undefined): void {
    const other = previous !== undefined && previous.log_id !== result.log_id;
    if (!previous || other) this.listener.began();
    if (other && this.#after !== undefined) {
      // events were asked for after one that this log does not have
      this.#after = undefined;
      void this.attachment.attach();
      return;
    }
    if (result.start === 'gap') this.listener.missing();
  }

  frame(): void {
    // an agent's channel has no terminal bytes
  }

  notification(method: string, params: unknown): void {
    if (method !== 'agent.events') return;
    const { events } = params as AgentEvents;
    this.#after = events.at(-1)?.id ?? this.#after;
    this.listener.events(events);
  }

  changed(state: AttachmentState): void {
    this.listener.state(state);
  }

  close(): void {
    this.attachment.close();
  }
}
