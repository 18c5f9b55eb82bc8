// A conversation as the page shows it: a fold of its events. Items are replaced, never changed in place,
// so that only what changed is drawn again.
import type {
  AgentError,
  AgentEvent,
  CommandInfo,
  ContentBlock,
  ExitStatus,
  Features,
  MessageState,
  ModeInfo,
  Origin,
  PlanEntry,
  Prompt,
  RateWindow,
  Retry,
  StopReason,
  TaskInfo,
  ToolCall,
  Usage,
} from '../wire/generated';
import { MAX_CONVERSATION_ITEMS, MAX_TOOL_OUTPUT_CHARS } from '../wire/limits';

interface Common {
  /** Unique in the conversation. */
  id: string;
  atMs: number;
}

/** One thing in the conversation, from top to bottom. */
export type Item = Common &
  (
    | { kind: 'user'; messageId: string; origin: Origin; text: string; attachments: ContentBlock[]; state?: MessageState }
    | { kind: 'agent'; text: string; attachments: ContentBlock[]; done: boolean }
    | { kind: 'thought'; text: string; done: boolean }
    | { kind: 'tool'; call: ToolCall; output: string; endedMs?: number }
    | { kind: 'prompt'; prompt: Prompt }
    | { kind: 'task'; task: TaskInfo }
    | { kind: 'diff'; unified: string }
    | { kind: 'turn_end'; turn: number; stopReason: StopReason; error?: AgentError; usage: Usage; startedMs: number }
    | { kind: 'error'; error: AgentError }
    | { kind: 'retry'; retry: Retry }
    | { kind: 'notice'; text: string }
    | { kind: 'exit'; status?: ExitStatus }
    | { kind: 'start'; incarnation: number }
    | { kind: 'raw'; what: string; text: string }
    | { kind: 'missing' }
  );

export type ItemOf<K extends Item['kind']> = Extract<Item, { kind: K }>;

/** What is true of the conversation now, beside its items. */
export interface Facts {
  turn?: { number: number; startedMs: number; origin: Origin };
  title?: string;
  features?: Features;
  plan: PlanEntry[];
  usage: Usage;
  windows: RateWindow[];
  mode?: string;
  modes: ModeInfo[];
  model?: string;
  models: ModeInfo[];
  commands: CommandInfo[];
  /** Messages that wait for the turn to end. */
  queued: string[];
}

const noFacts = (): Facts => ({ plan: [], usage: {}, windows: [], modes: [], models: [], commands: [], queued: [] });

/** The root of items that belong to no sub-agent. */
const ROOT = '';

/** The fold. */
export class Conversation {
  #lists = new Map<string, Item[]>([[ROOT, []]]);
  /** Where an item stands: its list and its place there, counted from the conversation's beginning. */
  #places = new Map<string, { list: string; index: number }>();
  #dropped = 0;
  /** Lists that were copied for the events that are handled now, and may be changed in place. */
  #own = new Set<string>();
  facts: Facts = noFacts();

  /** Items of the conversation, or of the sub-agent of a tool call; a new array after each change. */
  items(parent = ROOT): readonly Item[] {
    return this.#lists.get(parent) ?? [];
  }

  /** Items at the beginning that the page no longer keeps. */
  get dropped(): number {
    return this.#dropped;
  }

  prompt(id: string): ItemOf<'prompt'> | undefined {
    return this.#find<'prompt'>(`prompt:${id}`);
  }

  /** Everything begins anew. */
  clear(): void {
    this.#lists = new Map([[ROOT, []]]);
    this.#places.clear();
    this.#dropped = 0;
    this.facts = noFacts();
  }

  /** Events between what is shown and what comes are gone. */
  handleMissing(): void {
    this.#own.clear();
    this.#add({ kind: 'missing', id: `missing:${this.#places.size}`, atMs: Date.now() });
  }

  handle(events: AgentEvent[]): void {
    this.#own.clear();
    for (const event of events) this.#handle(event);
  }

  #handle(event: AgentEvent): void {
    const at = { id: event.id, atMs: event.at_micros / 1000 };
    switch (event.event) {
      case 'agent_started':
        if (event.incarnation > 1) this.#add({ ...at, kind: 'start', incarnation: event.incarnation });
        break;
      case 'agent_exited':
        this.facts = { ...this.facts, turn: undefined };
        this.#add({ ...at, kind: 'exit', status: event.status ?? undefined });
        break;
      case 'session_info_update':
        this.#learn({ title: event.title ?? this.facts.title, features: event.features ?? this.facts.features });
        break;
      case 'turn_started':
        this.#learn({ turn: { number: event.turn ?? 0, startedMs: at.atMs, origin: event.origin } });
        break;
      case 'turn_ended': {
        const { stop_reason: stopReason, usage } = event;
        const startedMs = this.facts.turn?.startedMs ?? at.atMs;
        const error = event.error ?? undefined;
        this.#learn({ turn: undefined });
        this.#add({ ...at, kind: 'turn_end', turn: event.turn ?? 0, stopReason, error, usage, startedMs });
        break;
      }
      case 'message_update':
        this.#handleMessageState(event.message_id, event.state);
        break;
      case 'user_message_chunk':
        this.#handleUserChunk(at, event.message_id, event.origin, event.content);
        break;
      case 'agent_message_chunk':
      case 'agent_thought_chunk':
        this.#handleChunk(at, event);
        break;
      case 'message_ended':
        this.#change(`agent:${event.message_id}`, (item) => ({ ...item, done: true }) as Item);
        this.#change(`thought:${event.message_id}`, (item) => ({ ...item, done: true }) as Item);
        break;
      case 'tool_call':
      case 'tool_call_update':
        this.#handleTool(at, event);
        break;
      case 'tool_call_output':
        this.#handleOutput(event.tool_call_id, event.text);
        break;
      case 'prompt_opened':
        this.#put({ ...at, id: `prompt:${event.prompt.id}`, kind: 'prompt', prompt: event.prompt });
        break;
      case 'prompt_update':
        this.#change(`prompt:${event.prompt}`, (item) =>
          item.kind === 'prompt' ? { ...item, prompt: { ...item.prompt, state: event.state } } : item,
        );
        break;
      case 'task_update':
        this.#put({ ...at, id: `task:${event.task_id}`, kind: 'task', task: { ...event } });
        break;
      case 'turn_diff':
        this.#put({ ...at, id: `diff:${event.turn ?? 0}`, kind: 'diff', unified: event.unified });
        break;
      case 'error':
        this.#add({ ...at, kind: 'error', error: event.error });
        break;
      case 'retry':
        this.#put({ ...at, id: `retry:${event.turn ?? 0}`, kind: 'retry', retry: event });
        break;
      case 'notice':
        this.#add({ ...at, kind: 'notice', text: event.text });
        break;
      case 'raw':
        this.#add({ ...at, kind: 'raw', what: event.kind, text: event.text });
        break;
      case 'garbage':
        this.#add({ ...at, kind: 'raw', what: 'not of the protocol', text: event.text });
        break;
      case 'oversized':
        this.#add({ ...at, kind: 'raw', what: 'oversized', text: `a line of ${event.bytes} bytes; it stands in the log` });
        break;
      default:
        this.#handleFact(event);
    }
  }

  #handleFact(event: AgentEvent): void {
    switch (event.event) {
      case 'plan':
        return this.#learn({ plan: event.entries });
      case 'usage_update':
        return this.#learn({ usage: { ...this.facts.usage, ...present(event) } });
      case 'rate_limit_update':
        return this.#learn({ windows: event.windows });
      case 'current_mode_update':
        return this.#learn({ mode: event.mode });
      case 'current_model_update':
        return this.#learn({ model: event.model });
      case 'config_option_update':
        return this.#learn({ modes: event.modes, models: event.models });
      case 'available_commands_update':
        return this.#learn({ commands: event.commands });
      default:
        // of a newer version: it stands in the log
        return undefined;
    }
  }

  #handleMessageState(messageId: string, state: MessageState): void {
    const others = this.facts.queued.filter((id) => id !== messageId);
    this.#learn({ queued: state === 'queued' ? [...others, messageId] : others });
    this.#change(`user:${messageId}`, (item) => (item.kind === 'user' ? { ...item, state } : item));
  }

  #handleUserChunk(at: Common, messageId: string, origin: Origin, content: ContentBlock): void {
    const id = `user:${messageId}`;
    const known = this.#find<'user'>(id);
    const state = this.facts.queued.includes(messageId) ? ('queued' as const) : undefined;
    const item = known ?? { ...at, id, kind: 'user' as const, messageId, origin, text: '', attachments: [], state };
    this.#put({ ...item, ...append(item, content) });
  }

  #handleChunk(at: Common, event: Extract<AgentEvent, { event: 'agent_message_chunk' | 'agent_thought_chunk' }>): void {
    const kind = event.event === 'agent_message_chunk' ? 'agent' : 'thought';
    const id = `${kind}:${event.message_id}`;
    const known = this.#find<'agent' | 'thought'>(id);
    const item = known ?? { ...at, id, kind, text: '', attachments: [], done: false };
    const next = { ...item, ...append({ text: item.text, attachments: [] }, event.content) };
    this.#put(next as Item, event.parent_tool_call_id ?? ROOT);
  }

  #handleTool(at: Common, update: ToolCall & Common0): void {
    const id = `tool:${update.tool_call_id}`;
    const known = this.#find<'tool'>(id);
    const call = { ...known?.call, ...present(update) } as ToolCall;
    const isFinal = call.status === 'completed' || call.status === 'failed' || call.status === 'declined' || call.status === 'unknown_outcome';
    const endedMs = isFinal ? (known?.endedMs ?? at.atMs) : undefined;
    const item: Item = { ...(known ?? { ...at, id, kind: 'tool', output: '' }), call, endedMs };
    this.#put(item, call.parent_tool_call_id ?? ROOT);
  }

  #handleOutput(callId: string, text: string): void {
    this.#change(`tool:${callId}`, (item) =>
      item.kind === 'tool' ? { ...item, output: (item.output + text).slice(-MAX_TOOL_OUTPUT_CHARS) } : item,
    );
  }

  #learn(facts: Partial<Facts>): void {
    this.facts = { ...this.facts, ...facts };
  }

  #find<K extends Item['kind']>(id: string): ItemOf<K> | undefined {
    const place = this.#places.get(id);
    return place && (this.items(place.list)[place.index - this.#offset(place.list)] as ItemOf<K> | undefined);
  }

  #change(id: string, change: (item: Item) => Item): void {
    const item = this.#find(id);
    if (item) this.#put(change(item));
  }

  #add(item: Item): void {
    this.#put(item);
  }

  /** Puts an item in its place, or at the end of its list. */
  #put(item: Item, parent = ROOT): void {
    const place = this.#places.get(item.id);
    const name = place?.list ?? parent;
    const known = this.#lists.get(name) ?? [];
    const list = this.#own.has(name) ? known : [...known];
    this.#own.add(name);
    if (place) list[place.index - this.#offset(name)] = item;
    else {
      this.#places.set(item.id, { list: name, index: list.length + this.#offset(name) });
      list.push(item);
    }
    if (name === ROOT && list.length > MAX_CONVERSATION_ITEMS) this.#dropOldest(list);
    this.#lists.set(name, list);
  }

  #dropOldest(list: Item[]): void {
    const gone = list.shift();
    if (gone) this.#places.delete(gone.id);
    this.#dropped++;
  }

  #offset(list: string): number {
    return list === ROOT ? this.#dropped : 0;
  }
}

/** What an event has beside its own members. */
type Common0 = { event: string; id: string; at_micros: number };

function append(
  { text, attachments }: { text: string; attachments: ContentBlock[] },
  content: ContentBlock,
): { text: string; attachments: ContentBlock[] } {
  if (content.type === 'text') return { text: text + content.text, attachments };
  return { text, attachments: [...attachments, content] };
}

/** The members that are there: an absent or null one means "unchanged". Empty lists are absent ones. */
function present<T extends object>(update: T): Partial<T> {
  const members = Object.entries(update).filter(
    ([name, value]) => value !== null && value !== undefined && !['event', 'id', 'at_micros', 'turn'].includes(name),
  );
  return Object.fromEntries(members) as Partial<T>;
}
