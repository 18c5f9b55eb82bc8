// Generated from docs/schema/quarterdeck.v1.json by `npm run generate`. Do not edit.
/**
 * Number of a record in its log; the first is 0, each next one is greater by one.
 */
export type Seq = number;
/**
 * What sort of failure; a client tells people what to do about it.
 */
export type ErrorClass =
  | 'auth'
  | 'no_key'
  | 'rate_limit'
  | 'overloaded'
  | 'server'
  | 'bad_request'
  | 'context_full'
  | 'network'
  | 'session_not_found'
  | 'agent_exit'
  | 'protocol'
  | 'other';
/**
 * One thing that happened.
 */
export type AgentEvent = {
  /**
   * Wall clock of that record, microseconds since 1970.
   */
  at_micros: number;
  id: EventId;
  /**
   * The turn it belongs to; absent between turns.
   */
  turn?: TurnNumber | null;
} & AgentEvent1;
/**
 * One event: the record that it was read from, and which of that record's events it is. Text:
 * `seq.i`. Ordered as things happened.
 */
export type EventId = string;
/**
 * Counts the turns of a session; 1 is the first.
 */
export type TurnNumber = number;
export type AgentEvent1 =
  | {
      event: 'agent_started';
      incarnation: Incarnation;
    }
  | {
      event: 'agent_exited';
      /**
       * How, when it is known.
       */
      status?: ExitStatus | null;
    }
  | {
      /**
       * Where the agent works.
       */
      cwd?: string | null;
      event: 'session_info_update';
      /**
       * What the agent can do.
       */
      features?: Features | null;
      /**
       * What the vendor calls the conversation.
       */
      title?: string | null;
      /**
       * The vendor's own id of the conversation, by which it is resumed.
       */
      vendor_session?: string | null;
    }
  | {
      event: 'turn_started';
      /**
       * The message that began it.
       */
      message_id?: string | null;
      origin: Origin;
    }
  | {
      /**
       * What went wrong; set with `error` and `agent_exit`.
       */
      error?: AgentError | null;
      event: 'turn_ended';
      stop_reason: StopReason;
      usage: Usage;
    }
  | {
      event: 'message_update';
      /**
       * The message: the key of its command.
       */
      message_id: string;
      state: MessageState;
    }
  | {
      content: ContentBlock;
      event: 'user_message_chunk';
      /**
       * Which message.
       */
      message_id: string;
      origin: Origin;
    }
  | {
      content: ContentBlock;
      event: 'agent_message_chunk';
      /**
       * Which message.
       */
      message_id: string;
      /**
       * The tool call whose sub-agent speaks.
       */
      parent_tool_call_id?: string | null;
    }
  | {
      content: ContentBlock;
      event: 'agent_thought_chunk';
      /**
       * Which thought.
       */
      message_id: string;
      /**
       * The tool call whose sub-agent thinks.
       */
      parent_tool_call_id?: string | null;
    }
  | {
      event: 'message_ended';
      /**
       * Which one.
       */
      message_id: string;
    }
  | (ToolCall & {
      event: 'tool_call';
    })
  | (ToolCall & {
      event: 'tool_call_update';
    })
  | {
      event: 'tool_call_output';
      /**
       * What it wrote since the last such event.
       */
      text: string;
      /**
       * Which call.
       */
      tool_call_id: string;
    }
  | (TaskInfo & {
      event: 'task_update';
    })
  | {
      event: 'turn_diff';
      /**
       * The diff.
       */
      unified: string;
    }
  | {
      /**
       * Its entries in order.
       */
      entries: PlanEntry[];
      event: 'plan';
    }
  | (Usage & {
      event: 'usage_update';
    })
  | {
      event: 'rate_limit_update';
      /**
       * All windows that it names now.
       */
      windows: RateWindow[];
    }
  | {
      event: 'current_mode_update';
      /**
       * The current one's id.
       */
      mode: string;
    }
  | {
      event: 'current_model_update';
      /**
       * Its id.
       */
      model: string;
    }
  | {
      event: 'config_option_update';
      /**
       * Models.
       */
      models: ModeInfo[];
      /**
       * Modes.
       */
      modes: ModeInfo[];
    }
  | {
      /**
       * All of them.
       */
      commands: CommandInfo[];
      event: 'available_commands_update';
    }
  | (Retry & {
      event: 'retry';
    })
  | {
      error: AgentError;
      event: 'error';
    }
  | {
      event: 'notice';
      /**
       * What it says.
       */
      text: string;
    }
  | {
      event: 'prompt_opened';
      prompt: Prompt;
    }
  | {
      event: 'prompt_update';
      prompt: PromptId;
      state: PromptState;
    }
  | {
      /**
       * Its size.
       */
      bytes: number;
      event: 'oversized';
    }
  | {
      event: 'garbage';
      /**
       * How it begins.
       */
      text: string;
    }
  | {
      event: 'raw';
      /**
       * The vendor's name of it.
       */
      kind: string;
      /**
       * How the line begins.
       */
      text: string;
    }
  | {
      event: 'unknown';
    };
/**
 * How often a session's program was started; 1 is the first.
 */
export type Incarnation = number;
/**
 * How a program ended.
 */
export type ExitStatus =
  | {
      /**
       * Its exit code.
       */
      code: number;
      status: 'code';
    }
  | {
      /**
       * Whether it dumped core.
       */
      core: boolean;
      /**
       * The signal's number on the holder's system.
       */
      signal: number;
      status: 'signal';
    }
  | {
      status: 'oom';
    }
  | {
      status: 'unknown';
    };
/**
 * Who began a turn or wrote a message.
 */
export type Origin =
  | {
      /**
       * By which client.
       */
      client?: ClientId | null;
      kind: 'person';
      principal: Principal;
    }
  | {
      /**
       * By which client.
       */
      client?: ClientId | null;
      kind: 'script';
      principal: Principal;
    }
  | {
      /**
       * Its address.
       */
      address: string;
      kind: 'agent';
    }
  | {
      kind: 'self_started';
    }
  | {
      kind: 'unknown';
    };
export type ClientId = string;
export type Principal = string;
/**
 * Why a turn ended.
 */
export type StopReason =
  | 'end_turn'
  | 'max_tokens'
  | 'max_turn_requests'
  | 'refusal'
  | 'cancelled'
  | 'error'
  | 'agent_exit'
  | 'unknown';
/**
 * What became of a message to an agent.
 */
export type MessageState = 'queued' | 'delivered' | 'rejected' | 'indeterminate' | 'unknown';
/**
 * A piece of a message.
 */
export type ContentBlock =
  | {
      /**
       * It.
       */
      text: string;
      type: 'text';
    }
  | {
      /**
       * Base64. Empty in events: the image stands in the log.
       */
      data?: string;
      /**
       * Such as `image/png`.
       */
      mime_type: string;
      type: 'image';
    }
  | {
      /**
       * What people call it.
       */
      name: string;
      type: 'resource_link';
      /**
       * Where.
       */
      uri: string;
    }
  | {
      type: 'unknown';
    };
/**
 * Something that a tool call produced.
 */
export type ToolContent =
  | {
      content: ContentBlock;
      type: 'content';
    }
  | {
      /**
       * Text after.
       */
      new_text: string;
      /**
       * Text before; absent for a new file.
       */
      old_text?: string | null;
      /**
       * The file.
       */
      path: string;
      type: 'diff';
    }
  | {
      /**
       * The file.
       */
      path: string;
      type: 'patch';
      /**
       * The diff.
       */
      unified: string;
    }
  | {
      type: 'unknown';
    };
/**
 * What sort of thing a tool does.
 */
export type ToolKind =
  | 'read'
  | 'edit'
  | 'delete'
  | 'move'
  | 'search'
  | 'execute'
  | 'think'
  | 'fetch'
  | 'switch_mode'
  | 'agent'
  | 'mcp'
  | 'other';
/**
 * How far a tool call is.
 */
export type ToolStatus =
  | 'pending'
  | 'waiting'
  | 'in_progress'
  | 'completed'
  | 'failed'
  | 'declined'
  | 'unknown_outcome'
  | 'unknown';
/**
 * How far work beside the turn is.
 */
export type TaskStatus = 'running' | 'completed' | 'failed' | 'stopped' | 'unknown';
/**
 * How much a step matters.
 */
export type PlanPriority = 'high' | 'low' | 'medium';
/**
 * How far a step is.
 */
export type PlanStatus = 'in_progress' | 'completed' | 'pending';
/**
 * What is asked.
 */
export type Ask =
  | {
      ask: 'permission';
      /**
       * Whether the agent is told a reason with a denial.
       */
      can_deny_with_message: boolean;
      /**
       * Whether the tool's input may be changed before it is allowed.
       */
      can_edit_input: boolean;
      /**
       * The whole input, where it may be changed.
       */
      input?: {
        [k: string]: unknown;
      };
      /**
       * What may be chosen.
       */
      options: PermissionOption[];
      tool_call: ToolCall;
    }
  | {
      ask: 'question';
      /**
       * Whether the agent is told a reason when the form is declined.
       */
      can_deny_with_message: boolean;
      form: Form;
      /**
       * The tool call that asks, if one does.
       */
      tool_call_id?: string | null;
    }
  | {
      ask: 'plan';
      /**
       * Whether the agent is told a reason with a denial.
       */
      can_deny_with_message: boolean;
      /**
       * What may be chosen.
       */
      options: PermissionOption[];
      /**
       * The plan, as text.
       */
      plan?: string | null;
      /**
       * The tool call that asks, if one does.
       */
      tool_call_id?: string | null;
    }
  | {
      ask: 'unknown';
    };
/**
 * What an option means.
 */
export type OptionKind =
  'allow_once' | 'allow_always' | 'reject_once' | 'reject_always' | 'unknown';
/**
 * How long a rule holds.
 */
export type RuleLifetime = 'session' | 'project' | 'user' | 'unknown';
/**
 * One question.
 */
export type Field = {
  /**
   * One word about it.
   */
  header?: string | null;
  /**
   * What its answer is called; unique in its form.
   */
  id: string;
  /**
   * Whether the form is not valid without it.
   */
  required?: boolean;
  /**
   * The question.
   */
  text: string;
} & Field1;
export type Field1 =
  | {
      /**
       * These.
       */
      choices: Choice[];
      kind: 'select';
      /**
       * Whether an answer of one's own is taken too.
       */
      other?: boolean;
    }
  | {
      /**
       * These.
       */
      choices: Choice[];
      kind: 'multi_select';
      /**
       * Whether answers of one's own are taken too.
       */
      other?: boolean;
    }
  | {
      kind: 'text';
      /**
       * Whether it must not be shown while it is typed.
       */
      secret?: boolean;
    }
  | {
      /**
       * Without a fraction.
       */
      integer?: boolean;
      kind: 'number';
    }
  | {
      kind: 'boolean';
    }
  | {
      kind: 'unknown';
    };
/**
 * What people should know before they answer.
 */
export type Caution =
  'needs_person' | 'default_is_no' | 'hidden_characters' | 'shortened' | 'unknown';
/**
 * One prompt: its session and the record that asked. Text: `session.seq`, and `session.seq.i` for
 * the further prompts of one record.
 */
export type PromptId = string;
/**
 * How far a prompt is. Only `open` can be answered.
 */
export type PromptState =
  | {
      state: 'open';
    }
  | {
      answered: Answered;
      state: 'answered';
    }
  | {
      answered: Answered;
      state: 'applied';
    }
  | {
      state: 'answered_elsewhere';
    }
  | {
      state: 'withdrawn';
    }
  | {
      state: 'expired';
    }
  | {
      /**
       * An answer that may not have reached it.
       */
      answered?: Answered | null;
      state: 'lost';
    }
  | {
      state: 'unknown';
    };
/**
 * An answer to a prompt.
 */
export type PromptAnswer =
  | {
      answer: 'option';
      /**
       * Which.
       */
      option_id: string;
    }
  | {
      answer: 'edited_input';
      /**
       * The whole input.
       */
      input: {
        [k: string]: unknown;
      };
      /**
       * Which `allow_once` option.
       */
      option_id: string;
    }
  | {
      answer: 'deny';
      /**
       * The reason.
       */
      message: string;
    }
  | {
      answer: 'form';
      /**
       * The answers by their fields' ids.
       */
      values: {
        [k: string]: FormValue;
      };
    }
  | {
      answer: 'decline';
    };
/**
 * The answer to one question.
 */
export type FormValue = boolean | number | string | string[];
/**
 * One attachment on one connection; allocated by the attach answer.
 */
export type Channel = number;
/**
 * Which protocol an agent speaks.
 */
export type Vendor = 'claude' | 'codex' | 'acp' | 'sidecar' | 'unknown';
/**
 * Whether an agent begins a conversation or goes on with one of its own.
 */
export type Resume =
  | {
      from: 'new';
    }
  | {
      from: 'resume';
      /**
       * The id.
       */
      vendor_session: string;
    }
  | {
      from: 'fork';
      /**
       * The id.
       */
      vendor_session: string;
    };
/**
 * What happens to a message while a turn runs. Without a turn all three are the same.
 */
export type Delivery = 'queue' | 'steer' | 'interrupt';
/**
 * Where an agent is; what `SessionState` says of a live agent session.
 */
export type AgentState =
  'starting' | 'running' | 'waiting' | 'idle' | 'stalled' | 'exited' | 'unknown';
/**
 * What an attachment gets first.
 */
export type AttachFrom =
  | {
      at: 'snapshot';
    }
  | {
      at: 'out';
      log_id: LogId;
      out: Out;
    }
  | {
      at: 'tail';
      /**
       * How many.
       */
      bytes: number;
    }
  | {
      at: 'head';
    }
  | {
      /**
       * Only those after this one.
       */
      after?: EventId | null;
      at: 'events';
    };
export type LogId = string;
/**
 * Bytes of terminal output before a point of a log.
 */
export type Out = number;
/**
 * What happens to a viewer that falls behind.
 */
export type Behind = 'skip' | 'replay';
/**
 * Which role an attachment asks for.
 */
export type AttachRole = 'auto' | 'follow' | 'take';
/**
 * [`SessionAttach`].
 */
export type AttachResult = {
  /**
   * An agent's conversation at the point where the stream begins; not with `events`.
   */
  agent?: ConversationView | null;
  channel: Channel;
  head: Out;
  incarnation: Incarnation;
  input_applied: InputNumber;
  log_id: LogId;
  out: Out;
  role: Role;
  session: SessionInfo;
} & AttachResult1;
/**
 * Number of an input of one client on one session; 1 is the first, each next one is greater.
 */
export type InputNumber = number;
/**
 * Whether an attachment may write.
 */
export type Role = 'owner' | 'follower';
/**
 * A session as everyone with `read` may see it.
 */
export type SessionInfo = {
  /**
   * What the agent is and has, in an agent's session.
   */
  agent?: AgentInfo | null;
  /**
   * Command line.
   */
  argv: string[];
  /**
   * Attachments.
   */
  attached: number;
  base: Out;
  /**
   * When it was created, in microseconds since 1970.
   */
  created_at: number;
  /**
   * Where the program was started.
   */
  cwd: string;
  incarnation: Incarnation;
  /**
   * Started again when the machine has been restarted.
   */
  keep?: boolean;
  kind: SessionKind;
  label: Label;
  /**
   * Time of the last record, in microseconds since 1970, as of this view.
   */
  last_activity_at: number;
  lease: LeaseView;
  log_id: LogId;
  /**
   * On which machine, as a hub sees it; a relay says nothing.
   */
  on?: OnMachine | null;
  out: Out;
  /**
   * The project that this directory belongs to: the top of its git repository, the same for all working
   * trees of one. As it was when the session was created.
   */
  project?: string | null;
  /**
   * How far Remote Control is, in such a session.
   */
  remote_control?: RemoteInfo | null;
  seq: Seq;
  session: SessionId;
  size: TerminalSize;
  /**
   * What the program calls its window.
   */
  title?: string | null;
} & SessionInfo1;
/**
 * What kind of thing a session runs.
 */
export type SessionKind = 'terminal' | 'agent' | 'remote_control' | 'unknown';
export type Label = string;
/**
 * The lease as everyone may see it.
 */
export type LeaseView = {
  epoch: Epoch;
  /**
   * Clients that asked the owner for it, oldest first.
   */
  requested_by?: Owner[];
} & LeaseView1;
/**
 * Number of a lease; raised at every change of owner. 0 = nobody ever owned the session.
 */
export type Epoch = number;
export type LeaseView1 =
  | {
      state: 'free';
    }
  | {
      owner: Owner;
      state: 'held';
    }
  | {
      owner: Owner;
      state: 'grace';
    }
  | {
      state: 'unknown';
    };
export type MachineLabel = string;
export type MachineId = string;
/**
 * What listings show of a Remote Control session.
 */
export type RemoteInfo = {
  /**
   * The account's directory.
   */
  account?: string | null;
  /**
   * A code that the app asks for.
   */
  code?: string | null;
  mode: RemoteMode;
  /**
   * The profile it was started with.
   */
  profile?: string | null;
  /**
   * How often it was started again by itself.
   */
  restarts?: number;
  /**
   * Where to open it; also what a QR code is made of.
   */
  url?: string | null;
  vendor: RemoteVendor;
} & RemoteInfo1;
/**
 * What the vendor's program does.
 */
export type RemoteMode = 'server' | 'interactive' | 'unknown';
/**
 * Whose Remote Control.
 */
export type RemoteVendor = 'claude' | 'codex' | 'unknown';
export type RemoteInfo1 =
  | {
      state: 'starting';
    }
  | {
      state: 'running';
    }
  | {
      /**
       * What it asks.
       */
      question: string;
      state: 'asking';
    }
  | {
      state: 'waiting_for_pairing';
    }
  | {
      state: 'connected';
    }
  | {
      state: 'reconnecting';
    }
  | {
      /**
       * What to type.
       */
      advice?: string | null;
      /**
       * The vendor's sentence.
       */
      reason: string;
      /**
       * Whether the same start would fail again until somebody changed something.
       */
      refused?: boolean;
      state: 'failed';
    }
  | {
      state: 'ended';
    }
  | {
      state: 'unknown';
    };
export type SessionId = string;
export type SessionInfo1 =
  | {
      state: 'starting';
    }
  | {
      state: 'running';
    }
  | {
      state: 'waiting';
    }
  | {
      state: 'idle';
    }
  | {
      state: 'stalled';
      /**
       * `disk_full`, `read_only`, `io_error` or `holder_silent`.
       */
      why: string;
    }
  | {
      /**
       * When, in microseconds since 1970.
       */
      at: number;
      /**
       * Descendants of the program that still ran.
       */
      left?: LeftProcess[];
      state: 'exited';
      status: ExitStatus;
    }
  | {
      /**
       * When it was noticed, in microseconds since 1970.
       */
      at: number;
      state: 'lost';
      /**
       * What is known of the cause.
       */
      why: string;
    }
  | {
      /**
       * When it was last seen, in microseconds since 1970.
       */
      since: number;
      state: 'unreachable';
    };
export type AttachResult1 =
  | {
      start: 'ok';
    }
  | {
      from: Out;
      start: 'gap';
      to: Out;
    }
  | {
      start: 'reset';
    };
/**
 * What a hub tells a relay.
 */
export type CarryNews =
  | {
      /**
       * Whose.
       */
      identity: string;
      /**
       * One-time keys that it holds.
       */
      keys: number;
      news: 'registered';
    }
  | {
      /**
       * Whose.
       */
      identity: string;
      news: 'not_registered';
    }
  | {
      /**
       * For whom.
       */
      by: string;
      /**
       * Its card; none = it has no mailbox here.
       */
      card?: MailCard | null;
      /**
       * The fallback key, where there is no one-time key.
       */
      fallback?: MailKey | null;
      news: 'claimed';
      /**
       * A one-time key.
       */
      one_time?: MailKey | null;
      /**
       * Whose.
       */
      peer: string;
    }
  | {
      /**
       * From whom.
       */
      from: string;
      news: 'taken';
      rest: CarryRest;
      /**
       * How many of them, from the first one on.
       */
      taken: number;
      /**
       * To whom.
       */
      to: string;
    }
  | {
      /**
       * For whom.
       */
      identity: string;
      /**
       * The letters.
       */
      letters: CarriedLetter[];
      news: 'letters';
    };
/**
 * What is with letters that a hub did not take.
 */
export type CarryRest = 'none' | 'later' | 'no_mailbox' | 'invalid';
/**
 * What a relay wants of a hub.
 */
export type CarryOrder =
  | {
      card: MailCard;
      order: 'register';
      /**
       * By the identity, over the hub, the link and this order.
       */
      signature: string;
    }
  | {
      /**
       * For whoever comes when those are used up.
       */
      fallback?: MailKey | null;
      /**
       * Whose.
       */
      identity: string;
      /**
       * Each for one peer, once.
       */
      one_time: MailKey[];
      order: 'publish';
    }
  | {
      /**
       * For whom.
       */
      by: string;
      order: 'claim';
      /**
       * Whose.
       */
      peer: string;
    }
  | {
      /**
       * From whom: an identity of this link.
       */
      from: string;
      /**
       * Sealed letters, base64url.
       */
      letters: string[];
      order: 'send';
      /**
       * To whom.
       */
      to: string;
    }
  | {
      /**
       * Whose mailbox.
       */
      identity: string;
      /**
       * The last of them.
       */
      item: number;
      order: 'done';
      /**
       * By the identity, over the hub, the link and this order.
       */
      signature: string;
    };
/**
 * Shows that a claim comes from whoever had the label before. Printed by nothing.
 */
export type ClaimSecret = string;
/**
 * What is decided about a contact.
 */
export type ContactDecision = 'accept' | 'hold' | 'refuse' | 'block';
/**
 * Whether the program is started again when it ends by itself.
 */
export type RemoteRestart = 'never' | 'on_failure' | 'unknown';
/**
 * Where a server starts the sessions that the app asks for.
 */
export type RemoteSpawn = 'same-dir' | 'worktree' | 'session';
export type DeviceId = string;
/**
 * One right. No scope implies another: a credential names all it has.
 */
export type Scope = 'read' | 'answer' | 'create' | 'drive' | 'admin';
export type Scopes = Scope[];
/**
 * A protocol that is not `quarterdeck.v1`. Words are only added.
 */
export type Dialect = 'agor' | 'myagent';
/**
 * Typed detail of an error. A newer peer's detail reads as `None` of [`RpcError::detail`].
 */
export type ErrorDetail =
  | {
      epoch: Epoch;
      kind: 'owner';
      /**
       * The owner; none while the lease is free.
       */
      owner?: Owner | null;
    }
  | {
      kind: 'scope';
      needed: Scope;
    }
  | {
      kind: 'matches';
      /**
       * Ids or labels.
       */
      matches: string[];
    }
  | {
      answered: Answered;
      kind: 'answered';
    }
  | {
      kind: 'prompt';
      state: PromptState;
    }
  | {
      /**
       * A sentence.
       */
      hint: string;
      kind: 'hint';
    };
/**
 * Number of a relay's life on its instance directory; raised and synced under the instance lock.
 */
export type Generation = number;
/**
 * What happened to a file.
 */
export type GitChange =
  'modified' | 'added' | 'deleted' | 'renamed' | 'untracked' | 'conflicted' | 'unknown';
export type HubId = string;
export type RelayId = string;
/**
 * What is told.
 */
export type HookEvent = 'prompt.opened' | 'turn.ended' | 'machine.unreachable';
/**
 * How it is told.
 */
export type HookKind = 'webhook' | 'ntfy';
/**
 * Whether an instance's relay runs: the kernel's lock says so, no pid.
 */
export type InstanceState =
  | {
      is: 'running';
    }
  | {
      is: 'stopped';
    }
  | {
      is: 'unknown';
      /**
       * Why.
       */
      why: string;
    };
/**
 * State number of a relay's view of its sessions; a jump asks for a new `sync`.
 */
export type Rev = number;
/**
 * [`MachineAdd`].
 */
export type MachineAddParams = {
  /**
   * Its name; none = its host's.
   */
  label?: MachineLabel | null;
  /**
   * Keep it although it cannot be reached now.
   */
  offline?: boolean;
} & MachineAddParams1;
export type MachineAddParams1 =
  | {
      by: 'line';
      /**
       * `HOST:PORT#PIN#CODE`.
       */
      line: string;
    }
  | {
      by: 'ssh';
      /**
       * `ssh://[user@]host[:port]`.
       */
      url: string;
    }
  | {
      by: 'token';
      /**
       * Pins of its certificate, separated by commas; none = a known authority vouches for it.
       */
      pin?: string | null;
      /**
       * The token.
       */
      token: string;
      /**
       * `wss://host[:port]`.
       */
      url: string;
    };
/**
 * A machine as a hub sees it: one relay.
 */
export type MachineInfo = {
  /**
   * Whether the hub links it by itself.
   */
  auto_connect: boolean;
  label: MachineLabel;
  /**
   * Sessions that run, as last known.
   */
  live: number;
  /**
   * The machine that the hub itself runs on.
   */
  local: boolean;
  machine: MachineId;
  /**
   * Pins of its certificate.
   */
  pin?: string | null;
  /**
   * Prompts that are open, as last known.
   */
  prompts: number;
  /**
   * What its relay says of itself.
   */
  relay?: MachineRelay | null;
  /**
   * Its relay, once it was reached.
   */
  relay_id?: RelayId | null;
  /**
   * Since when there is no link, in microseconds since 1970; none = there is one, or never was.
   */
  unreachable_since?: number | null;
  /**
   * Where the hub reaches it: `wss://…`, `ssh://…`, `unix:…`; none = it dials the hub.
   */
  url?: string | null;
  /**
   * How that is done.
   */
  way?: MachineWay | null;
} & MachineInfo1;
/**
 * How a machine is reached.
 */
export type MachineWay = 'local' | 'key' | 'ssh' | 'token' | 'joined' | 'unknown';
export type MachineInfo1 =
  | {
      link: 'disconnected';
    }
  | {
      link: 'connecting';
    }
  | {
      link: 'connected';
    }
  | {
      /**
       * When, in microseconds since 1970.
       */
      at: number;
      link: 'reconnecting';
      /**
       * Why the last one failed.
       */
      why?: string | null;
    }
  | {
      link: 'refused';
      /**
       * What has to change.
       */
      why: string;
    }
  | {
      link: 'awaited';
    };
/**
 * What a label stands for.
 */
export type SpeakerKind = 'agent' | 'terminal' | 'outside';
/**
 * What is decided about one message.
 */
export type MailDecision = 'deliver' | 'discard';
/**
 * Which way a message went.
 */
export type MailDirection = 'came' | 'sent' | 'own';
/**
 * Who speaks in a message.
 */
export type Role2 = 'user' | 'agent';
/**
 * What is done with mail that names no session.
 */
export type Unaddressed = 'primary' | 'broadcast' | 'hold' | 'drop';
/**
 * [`PromptAnswerMethod`].
 */
export type PromptAnswerParams = {
  /**
   * The answer's id; a retry keeps it and gets the first result. None = a new one.
   */
  answer_id?: string | null;
  prompt: PromptId;
} & PromptAnswerParams1;
export type PromptAnswerParams1 =
  | {
      answer: 'option';
      /**
       * Which.
       */
      option_id: string;
    }
  | {
      answer: 'edited_input';
      /**
       * The whole input.
       */
      input: {
        [k: string]: unknown;
      };
      /**
       * Which `allow_once` option.
       */
      option_id: string;
    }
  | {
      answer: 'deny';
      /**
       * The reason.
       */
      message: string;
    }
  | {
      answer: 'form';
      /**
       * The answers by their fields' ids.
       */
      values: {
        [k: string]: FormValue;
      };
    }
  | {
      answer: 'decline';
    };
/**
 * [`PromptAnswerMethod`]: the answer is recorded, and written to the agent.
 */
export type PromptAnswerResult = {
  prompt: PromptId;
} & PromptAnswerResult1;
export type PromptAnswerResult1 =
  | {
      state: 'open';
    }
  | {
      answered: Answered;
      state: 'answered';
    }
  | {
      answered: Answered;
      state: 'applied';
    }
  | {
      state: 'answered_elsewhere';
    }
  | {
      state: 'withdrawn';
    }
  | {
      state: 'expired';
    }
  | {
      /**
       * An answer that may not have reached it.
       */
      answered?: Answered | null;
      state: 'lost';
    }
  | {
      state: 'unknown';
    };
/**
 * `prompt.settled`: a prompt cannot be answered any more.
 */
export type PromptSettled = {
  prompt: PromptId;
  rev: Rev;
} & PromptSettled1;
export type PromptSettled1 =
  | {
      state: 'open';
    }
  | {
      answered: Answered;
      state: 'answered';
    }
  | {
      answered: Answered;
      state: 'applied';
    }
  | {
      state: 'answered_elsewhere';
    }
  | {
      state: 'withdrawn';
    }
  | {
      state: 'expired';
    }
  | {
      /**
       * An answer that may not have reached it.
       */
      answered?: Answered | null;
      state: 'lost';
    }
  | {
      state: 'unknown';
    };
/**
 * What a preflight looks at.
 */
export type RemoteCheck =
  'binary' | 'version' | 'environment' | 'login' | 'policy' | 'trust' | 'unknown';
/**
 * How a thing is.
 */
export type RemoteLevel = 'fine' | 'doubtful' | 'blocked' | 'unknown';
/**
 * Who gets a signal.
 */
export type SignalTarget = 'foreground' | 'program';
/**
 * Where an upload goes.
 */
export type UploadTo = 'agent' | 'directory';

export interface WireTypes {
  AgentCommandResult: AgentCommandResult;
  AgentError: AgentError;
  AgentEvent: AgentEvent;
  AgentEvents: AgentEvents;
  AgentInfo: AgentInfo;
  AgentInterruptParams: AgentInterruptParams;
  AgentParams: AgentParams;
  AgentPromptParams: AgentPromptParams;
  AgentSetModeParams: AgentSetModeParams;
  AgentSetModelParams: AgentSetModelParams;
  AgentState: AgentState;
  AgentViewResult: AgentViewResult;
  AgentWithdrawParams: AgentWithdrawParams;
  Answered: Answered;
  Ask: Ask;
  AttachFrom: AttachFrom;
  AttachParams: AttachParams;
  AttachResult: AttachResult;
  AttachRole: AttachRole;
  AuditEntry: AuditEntry;
  AuditListParams: AuditListParams;
  AuditListResult: AuditListResult;
  Behind: Behind;
  CarriedLetter: CarriedLetter;
  CarryNews: CarryNews;
  CarryOrder: CarryOrder;
  CarryRest: CarryRest;
  Caution: Caution;
  Channel: Channel;
  ChannelParams: ChannelParams;
  Choice: Choice;
  ClaimSecret: ClaimSecret;
  ClientId: ClientId;
  CommandInfo: CommandInfo;
  ContactDecision: ContactDecision;
  ContentBlock: ContentBlock;
  ConversationView: ConversationView;
  Cost: Cost;
  CreateParams: CreateParams;
  Delivery: Delivery;
  Detached: Detached;
  DeviceId: DeviceId;
  DeviceInfo: DeviceInfo;
  DeviceInviteParams: DeviceInviteParams;
  DeviceInviteResult: DeviceInviteResult;
  DeviceListResult: DeviceListResult;
  DeviceParams: DeviceParams;
  Dialect: Dialect;
  DirectoriesParams: DirectoriesParams;
  DirectoriesResult: DirectoriesResult;
  DirectoryEntry: DirectoryEntry;
  Empty: Empty;
  Epoch: Epoch;
  ErrorClass: ErrorClass;
  ErrorData: ErrorData;
  ErrorDetail: ErrorDetail;
  EventId: EventId;
  ExitStatus: ExitStatus;
  Features: Features;
  Field: Field;
  Form: Form;
  FormValue: FormValue;
  GcParams: GcParams;
  GcResult: GcResult;
  Generation: Generation;
  GitChange: GitChange;
  GitDiff: GitDiff;
  GitFile: GitFile;
  GitParams: GitParams;
  GitResult: GitResult;
  HelloParams: HelloParams;
  HelloResult: HelloResult;
  HookEvent: HookEvent;
  HookInfo: HookInfo;
  HookKind: HookKind;
  HookListResult: HookListResult;
  HookTestParams: HookTestParams;
  HookTestResult: HookTestResult;
  HookToldParams: HookToldParams;
  HubId: HubId;
  HubInfo: HubInfo;
  HubNameParams: HubNameParams;
  HubStatusResult: HubStatusResult;
  IdentityMail: IdentityMail;
  Incarnation: Incarnation;
  InputNumber: InputNumber;
  InputParams: InputParams;
  InputRejected: InputRejected;
  InputResult: InputResult;
  InstanceCreateParams: InstanceCreateParams;
  InstanceHub: InstanceHub;
  InstanceInfo: InstanceInfo;
  InstanceListResult: InstanceListResult;
  InstanceOpenParams: InstanceOpenParams;
  InstanceResult: InstanceResult;
  InstanceState: InstanceState;
  Label: Label;
  LeaseChanged: LeaseChanged;
  LeaseResult: LeaseResult;
  LeaseView: LeaseView;
  LeftProcess: LeftProcess;
  Location: Location;
  LogEntry: LogEntry;
  LogId: LogId;
  LogParams: LogParams;
  LogResult: LogResult;
  MachineAddParams: MachineAddParams;
  MachineId: MachineId;
  MachineInfo: MachineInfo;
  MachineInviteParams: MachineInviteParams;
  MachineLabel: MachineLabel;
  MachineListResult: MachineListResult;
  MachineParams: MachineParams;
  MachineRelay: MachineRelay;
  MachineRenameParams: MachineRenameParams;
  MachineResult: MachineResult;
  MachineUpdateParams: MachineUpdateParams;
  MachineWay: MachineWay;
  MailAutorespondParams: MailAutorespondParams;
  MailAutorespondResult: MailAutorespondResult;
  MailBringParams: MailBringParams;
  MailCard: MailCard;
  MailChanged: MailChanged;
  MailClaimAgain: MailClaimAgain;
  MailClaimParams: MailClaimParams;
  MailClaimResult: MailClaimResult;
  MailContact: MailContact;
  MailContactAddParams: MailContactAddParams;
  MailContactParams: MailContactParams;
  MailContactsResult: MailContactsResult;
  MailDecideParams: MailDecideParams;
  MailDecision: MailDecision;
  MailDirection: MailDirection;
  MailEntry: MailEntry;
  MailFetchParams: MailFetchParams;
  MailFetchResult: MailFetchResult;
  MailHistoryParams: MailHistoryParams;
  MailHistoryResult: MailHistoryResult;
  MailHomeParams: MailHomeParams;
  MailIdentitiesResult: MailIdentitiesResult;
  MailIdentity: MailIdentity;
  MailIdentityAddParams: MailIdentityAddParams;
  MailIdentityParams: MailIdentityParams;
  MailIdentityUseParams: MailIdentityUseParams;
  MailInboxParams: MailInboxParams;
  MailInboxResult: MailInboxResult;
  MailJob: MailJob;
  MailKey: MailKey;
  MailMessage: MailMessage;
  MailNextParams: MailNextParams;
  MailNextResult: MailNextResult;
  MailNotifyParams: MailNotifyParams;
  MailPolicyParams: MailPolicyParams;
  MailPolicyResult: MailPolicyResult;
  MailReadParams: MailReadParams;
  MailResetParams: MailResetParams;
  MailSendParams: MailSendParams;
  MailSession: MailSession;
  MailSetStatusParams: MailSetStatusParams;
  MailStatusParams: MailStatusParams;
  MailStatusResult: MailStatusResult;
  MailToShow: MailToShow;
  MailWaitParams: MailWaitParams;
  MailWaitResult: MailWaitResult;
  MailWhoamiResult: MailWhoamiResult;
  MessageState: MessageState;
  ModeInfo: ModeInfo;
  OfferParams: OfferParams;
  OnMachine: OnMachine;
  OptionKind: OptionKind;
  Origin: Origin;
  Out: Out;
  Owner: Owner;
  PairingInviteParams: PairingInviteParams;
  PairingInviteResult: PairingInviteResult;
  PairingJoinParams: PairingJoinParams;
  PairingListResult: PairingListResult;
  PermissionOption: PermissionOption;
  PlanEntry: PlanEntry;
  PlanPriority: PlanPriority;
  PlanStatus: PlanStatus;
  Principal: Principal;
  Prompt: Prompt;
  PromptAnswer: PromptAnswer;
  PromptAnswerParams: PromptAnswerParams;
  PromptAnswerResult: PromptAnswerResult;
  PromptId: PromptId;
  PromptInfo: PromptInfo;
  PromptListParams: PromptListParams;
  PromptListResult: PromptListResult;
  PromptOpened: PromptOpened;
  PromptSettled: PromptSettled;
  PromptState: PromptState;
  QueuedMessage: QueuedMessage;
  RateWindow: RateWindow;
  RelayId: RelayId;
  RelayStatusResult: RelayStatusResult;
  RemoteCheck: RemoteCheck;
  RemoteFinding: RemoteFinding;
  RemoteInfo: RemoteInfo;
  RemoteLevel: RemoteLevel;
  RemoteMode: RemoteMode;
  RemoteParams: RemoteParams;
  RemotePreflightParams: RemotePreflightParams;
  RemotePreflightResult: RemotePreflightResult;
  RemoteReport: RemoteReport;
  RemoteRestart: RemoteRestart;
  RemoteSpawn: RemoteSpawn;
  RemoteVendor: RemoteVendor;
  RenameParams: RenameParams;
  ResizeParams: ResizeParams;
  Resume: Resume;
  ResumeParams: ResumeParams;
  Retry: Retry;
  Rev: Rev;
  Role: Role;
  Role2: Role2;
  RpcError: RpcError;
  Rule: Rule;
  RuleLifetime: RuleLifetime;
  Scope: Scope;
  Scopes: Scopes;
  ScrollbackParams: ScrollbackParams;
  ScrollbackResult: ScrollbackResult;
  ScrolledLine: ScrolledLine;
  Seq: Seq;
  SessionChanged: SessionChanged;
  SessionEvent: SessionEvent;
  SessionId: SessionId;
  SessionInfo: SessionInfo;
  SessionKind: SessionKind;
  SessionListResult: SessionListResult;
  SessionParams: SessionParams;
  SessionRemoved: SessionRemoved;
  SessionResult: SessionResult;
  SignalParams: SignalParams;
  SignalTarget: SignalTarget;
  SpeakerKind: SpeakerKind;
  StopParams: StopParams;
  StopReason: StopReason;
  Sync: Sync;
  TakeParams: TakeParams;
  TaskInfo: TaskInfo;
  TaskStatus: TaskStatus;
  TerminalSize: TerminalSize;
  TokenCreateParams: TokenCreateParams;
  TokenInfo: TokenInfo;
  TokenListResult: TokenListResult;
  TokenNameParams: TokenNameParams;
  TokenRotateParams: TokenRotateParams;
  TokenSecret: TokenSecret;
  TokenUsage: TokenUsage;
  ToolCall: ToolCall;
  ToolContent: ToolContent;
  ToolKind: ToolKind;
  ToolStatus: ToolStatus;
  TurnEnded: TurnEnded;
  TurnNumber: TurnNumber;
  TurnView: TurnView;
  Unaddressed: Unaddressed;
  UploadParams: UploadParams;
  UploadResult: UploadResult;
  UploadTo: UploadTo;
  UploadedFile: UploadedFile;
  Usage: Usage;
  Vendor: Vendor;
  WorktreeParams: WorktreeParams;
}
/**
 * A command was taken: it is recorded, and what could be written at once is written.
 */
export interface AgentCommandResult {
  /**
   * The command's id; a message's events carry it.
   */
  id: string;
  next: Seq;
  /**
   * It had been taken before; nothing was done now.
   */
  repeated?: boolean;
}
/**
 * What went wrong.
 */
export interface AgentError {
  class: ErrorClass;
  /**
   * HTTP status of the vendor's service.
   */
  http_status?: number | null;
  /**
   * What the vendor says about it.
   */
  message: string;
}
/**
 * What an agent can do, as far as it has said.
 */
export interface Features {
  /**
   * A denial can carry a reason.
   */
  deny_with_message: boolean;
  /**
   * A tool's input can be changed before it is allowed.
   */
  edit_input: boolean;
  /**
   * A conversation can be copied.
   */
  fork: boolean;
  /**
   * Messages may hold images.
   */
  images: boolean;
  /**
   * A turn can be interrupted.
   */
  interrupt: boolean;
  /**
   * A conversation can be gone on with after the program has ended.
   */
  resume: boolean;
  /**
   * The mode can be changed.
   */
  set_mode: boolean;
  /**
   * The model can be changed.
   */
  set_model: boolean;
  /**
   * A running turn can take in a message.
   */
  steer: boolean;
}
/**
 * What a turn or a session has used. Members that the vendor does not tell are absent.
 */
export interface Usage {
  /**
   * Size of the context window.
   */
  context_size?: number | null;
  /**
   * Tokens in the context window now.
   */
  context_used?: number | null;
  /**
   * Money.
   */
  cost?: Cost | null;
  /**
   * Tokens.
   */
  tokens?: TokenUsage | null;
}
/**
 * An amount of money as the vendor's own estimate says.
 */
export interface Cost {
  /**
   * Millionths of the currency's unit.
   */
  amount_micros: number;
  /**
   * Such as `USD`.
   */
  currency: string;
}
/**
 * Tokens by what they were used for.
 */
export interface TokenUsage {
  /**
   * Read from the cache.
   */
  cached_read?: number;
  /**
   * Written to the cache.
   */
  cached_write?: number;
  /**
   * Read by the model, cached ones not counted.
   */
  input: number;
  /**
   * Written by the model.
   */
  output: number;
  /**
   * Of the output: spent on thinking.
   */
  thought?: number;
}
/**
 * One use of a tool. The event `tool_call` shows it first, `tool_call_update` what has changed: an
 * absent member is unknown in the first and unchanged in the second.
 */
export interface ToolCall {
  /**
   * What it produced; replaces what was there.
   */
  content?: ToolContent[];
  /**
   * Exit code of a command.
   */
  exit_code?: number | null;
  /**
   * What sort of thing it does.
   */
  kind?: ToolKind | null;
  /**
   * Files that it touches.
   */
  locations?: Location[];
  /**
   * The vendor's name of the tool.
   */
  name?: string | null;
  /**
   * The tool call whose sub-agent makes this one.
   */
  parent_tool_call_id?: string | null;
  /**
   * Its input as the vendor's JSON; left out when it is large.
   */
  raw_input?: {
    [k: string]: unknown;
  };
  /**
   * How far it is.
   */
  status?: ToolStatus | null;
  /**
   * One line for people.
   */
  title?: string | null;
  /**
   * The vendor's id, unique in its session.
   */
  tool_call_id: string;
}
/**
 * A place in a file.
 */
export interface Location {
  /**
   * Its line, from 1.
   */
  line?: number | null;
  /**
   * The file, as the vendor names it.
   */
  path: string;
}
/**
 * Work that goes on beside the turn.
 */
export interface TaskInfo {
  /**
   * What it does, or what it says at its end.
   */
  description?: string | null;
  status: TaskStatus;
  /**
   * The vendor's id.
   */
  task_id: string;
  /**
   * The tool call that started it.
   */
  tool_call_id?: string | null;
}
/**
 * One step of a plan.
 */
export interface PlanEntry {
  /**
   * What is to be done.
   */
  content: string;
  priority: PlanPriority;
  status: PlanStatus;
}
/**
 * One of the vendor's limits over time.
 */
export interface RateWindow {
  /**
   * The vendor's name of it: `five_hour`, `primary`.
   */
  name: string;
  /**
   * When it begins anew, seconds since 1970.
   */
  resets_at?: number | null;
  /**
   * What the vendor says about it: `allowed`, `allowed_warning`, `rejected`.
   */
  status?: string | null;
  /**
   * How much of it is used, in thousandths.
   */
  used_permille?: number | null;
}
/**
 * A mode or a model that can be chosen.
 */
export interface ModeInfo {
  /**
   * What it does.
   */
  description?: string | null;
  /**
   * What to choose it by.
   */
  id: string;
  /**
   * What people call it.
   */
  name: string;
}
/**
 * A command that a message may begin with.
 */
export interface CommandInfo {
  /**
   * What it does.
   */
  description: string;
  /**
   * What may follow it.
   */
  hint?: string | null;
  /**
   * Its word, without the slash.
   */
  name: string;
}
/**
 * A failed request that is tried again.
 */
export interface Retry {
  /**
   * Which attempt failed, from 1.
   */
  attempt?: number | null;
  /**
   * Milliseconds until the next one.
   */
  delay_ms?: number | null;
  error: AgentError;
  /**
   * How many there will be.
   */
  max_attempts?: number | null;
}
/**
 * A permission request, a question or a plan that waits for a human.
 */
export interface Prompt {
  ask: Ask;
  /**
   * When it was asked, microseconds since 1970.
   */
  asked_at_micros: number;
  /**
   * What people should know before they answer.
   */
  cautions?: Caution[];
  id: PromptId;
  /**
   * Why it is asked, in the vendor's words.
   */
  reason?: string | null;
  state: PromptState;
  /**
   * One line for people.
   */
  title: string;
  /**
   * The turn it belongs to.
   */
  turn?: TurnNumber | null;
}
/**
 * One thing that may be chosen.
 */
export interface PermissionOption {
  /**
   * Whether choosing it ends the turn.
   */
  ends_turn?: boolean;
  kind: OptionKind;
  /**
   * What people call it.
   */
  name: string;
  /**
   * What to choose it by; unique in its prompt.
   */
  option_id: string;
  /**
   * Exactly what an `always` option allows or forbids from then on.
   */
  rules?: Rule[];
}
/**
 * One thing that an `always` option changes.
 */
export interface Rule {
  lifetime: RuleLifetime;
  /**
   * What it allows, in the vendor's notation: `Bash(echo hi *)`.
   */
  text: string;
}
/**
 * Questions.
 */
export interface Form {
  /**
   * One field per question, in order.
   */
  fields: Field[];
  /**
   * What they are about.
   */
  message?: string | null;
  /**
   * A page that a person has to visit; the form is then only confirmed.
   */
  url?: string | null;
}
/**
 * One of the answers to choose from.
 */
export interface Choice {
  /**
   * What it means.
   */
  description?: string | null;
  /**
   * What people call it.
   */
  label: string;
  /**
   * What to choose it by.
   */
  value: string;
}
/**
 * Who answered what, and when.
 */
export interface Answered {
  answer: PromptAnswer;
  /**
   * The answering client's own id of its answer: a retry carries the same.
   */
  answer_id: string;
  /**
   * When, microseconds since 1970.
   */
  at_micros: number;
  by: Principal;
  /**
   * From which client.
   */
  from?: ClientId | null;
  /**
   * What that client calls itself, for people.
   */
  from_name?: string | null;
}
/**
 * `agent.events`: what happened in an agent's conversation, in its place in a channel's stream.
 */
export interface AgentEvents {
  channel: Channel;
  /**
   * In order.
   */
  events: AgentEvent[];
}
/**
 * What listings show of an agent's conversation; the whole of it is `agent.view`.
 */
export interface AgentInfo {
  /**
   * Its mode, once known.
   */
  mode?: string | null;
  /**
   * Its model, once known.
   */
  model?: string | null;
  /**
   * As it was asked for: `claude`.
   */
  name: string;
  /**
   * Prompts that are open.
   */
  prompts: number;
  /**
   * Messages that wait.
   */
  queued: number;
  /**
   * Turns so far.
   */
  turns: number;
  vendor: Vendor;
  /**
   * The vendor's own id of the conversation.
   */
  vendor_session?: string | null;
}
/**
 * [`AgentInterrupt`].
 */
export interface AgentInterruptParams {
  /**
   * The command's id; a retry keeps it. None = a new one.
   */
  command_id?: string | null;
  /**
   * Which session.
   */
  session: string;
}
/**
 * [`SessionCreate`] of an agent.
 */
export interface AgentParams {
  /**
   * Its mode; none = the one that asks about everything.
   */
  mode?: string | null;
  /**
   * Its model; none = the vendor's or the configuration's.
   */
  model?: string | null;
  /**
   * `claude`, `codex`, `opencode`, `gemini`, another name that the relay's configuration knows, or
   * `acp:COMMAND…` and `sidecar:COMMAND…` for any program that speaks these.
   */
  name: string;
  resume?: Resume;
}
/**
 * [`AgentPrompt`].
 */
export interface AgentPromptParams {
  /**
   * Paths of files that were uploaded to the session: images are shown to the agent, others named to it.
   */
  attachments?: string[];
  /**
   * The message's pieces.
   */
  content: ContentBlock[];
  delivery?: Delivery;
  /**
   * The message's id; a retry keeps it and is taken once. None = a new one.
   */
  message_id?: string | null;
  /**
   * A program wrote it, not a person.
   */
  script?: boolean;
  /**
   * Which session.
   */
  session: string;
}
/**
 * [`AgentSetMode`].
 */
export interface AgentSetModeParams {
  /**
   * The command's id; a retry keeps it. None = a new one.
   */
  command_id?: string | null;
  /**
   * The mode.
   */
  mode: string;
  /**
   * Which session.
   */
  session: string;
}
/**
 * [`AgentSetModel`].
 */
export interface AgentSetModelParams {
  /**
   * The command's id; a retry keeps it. None = a new one.
   */
  command_id?: string | null;
  /**
   * The model.
   */
  model: string;
  /**
   * Which session.
   */
  session: string;
}
/**
 * [`AgentView`].
 */
export interface AgentViewResult {
  view: ConversationView;
}
/**
 * What a conversation adds up to.
 */
export interface ConversationView {
  /**
   * Commands that a message may begin with.
   */
  commands?: CommandInfo[];
  features: Features;
  /**
   * The current mode.
   */
  mode?: string | null;
  /**
   * The current model.
   */
  model?: string | null;
  /**
   * Models that can be chosen.
   */
  models?: ModeInfo[];
  /**
   * Modes that can be chosen.
   */
  modes?: ModeInfo[];
  next: Seq;
  /**
   * The agent's plan.
   */
  plan?: PlanEntry[];
  /**
   * Prompts that are open or answered but not yet applied, oldest first.
   */
  prompts?: Prompt[];
  /**
   * Messages that wait, next one first.
   */
  queue?: QueuedMessage[];
  /**
   * The vendor's limits over time.
   */
  rate_windows?: RateWindow[];
  state: AgentState;
  /**
   * What the vendor calls it.
   */
  title?: string | null;
  /**
   * The turn that runs.
   */
  turn?: TurnView | null;
  /**
   * Turns so far.
   */
  turns: number;
  usage: Usage;
  vendor: Vendor;
  /**
   * The vendor's own id of the conversation.
   */
  vendor_session?: string | null;
}
/**
 * A message that waits for the turn to end.
 */
export interface QueuedMessage {
  /**
   * The key of its command.
   */
  message_id: string;
  origin: Origin;
  /**
   * How it begins.
   */
  text: string;
}
/**
 * The turn that runs.
 */
export interface TurnView {
  number: TurnNumber;
  origin: Origin;
  /**
   * When, microseconds since 1970.
   */
  started_at_micros: number;
}
/**
 * [`AgentWithdraw`].
 */
export interface AgentWithdrawParams {
  /**
   * The message that still waits.
   */
  message_id: string;
  /**
   * Which session.
   */
  session: string;
}
/**
 * [`SessionAttach`].
 */
export interface AttachParams {
  behind?: Behind;
  from?: AttachFrom;
  role?: AttachRole;
  /**
   * Which session.
   */
  session: string;
  /**
   * The local client's agent socket, re-pointed when it owns; ignored from others.
   */
  ssh_auth_sock?: string | null;
  /**
   * Rendered-byte credit; see `limits::CREDIT_WINDOW_RANGE_BYTES`.
   */
  window?: number | null;
}
/**
 * The one client that may write to a session.
 */
export interface Owner {
  client: ClientId;
  /**
   * What it calls itself, for people.
   */
  name: string;
  principal: Principal;
}
/**
 * On which machine a session is, as a hub sees it.
 */
export interface OnMachine {
  label: MachineLabel;
  machine: MachineId;
  /**
   * Set while the hub has no link: everything else is what was last known. Microseconds since 1970.
   */
  unreachable_since?: number | null;
}
/**
 * Size of a terminal in cells, and in pixels where the client knows them (else 0).
 */
export interface TerminalSize {
  /**
   * Columns.
   */
  cols: number;
  /**
   * Rows.
   */
  rows: number;
  /**
   * Width in pixels.
   */
  xpixel?: number;
  /**
   * Height in pixels.
   */
  ypixel?: number;
}
/**
 * A process that outlived its session's program.
 */
export interface LeftProcess {
  /**
   * Its command, for people.
   */
  command: string;
  /**
   * Its pid at that moment.
   */
  pid: number;
}
/**
 * Something that happened to the instance.
 */
export interface AuditEntry {
  /**
   * When, in microseconds since 1970.
   */
  at: number;
  /**
   * What: `login_ok`, `token_created` and so on. Words are only added.
   */
  event: string;
  [k: string]: unknown;
}
/**
 * [`AuditList`].
 */
export interface AuditListParams {
  /**
   * `next` of the page before; none = the newest.
   */
  before?: string | null;
  /**
   * Events of a page; none = 100, more than 500 are 500.
   */
  limit?: number | null;
}
/**
 * A page of the journal.
 */
export interface AuditListResult {
  /**
   * Newest first.
   */
  entries: AuditEntry[];
  /**
   * Where the next, older page begins; none = there is none.
   */
  next?: string | null;
}
/**
 * A letter in a mailbox.
 */
export interface CarriedLetter {
  /**
   * Its number in the mailbox.
   */
  item: number;
  /**
   * Sealed, base64url.
   */
  sealed: string;
}
/**
 * Where an identity lives, signed by itself; keys and signature base64url.
 */
export interface MailCard {
  /**
   * Greater for each new card.
   */
  generation: number;
  /**
   * The hub that has its mailbox.
   */
  home: string;
  /**
   * Whose.
   */
  identity: string;
  /**
   * What ratchets with it begin from.
   */
  ratchet: string;
  /**
   * By the identity.
   */
  signature: string;
}
/**
 * A key for new ratchets, signed by the identity that published it; both base64url.
 */
export interface MailKey {
  /**
   * The key.
   */
  key: string;
  /**
   * By its identity.
   */
  signature: string;
}
/**
 * A method that takes only an attachment.
 */
export interface ChannelParams {
  channel: Channel;
}
/**
 * [`SessionCreate`].
 */
export interface CreateParams {
  /**
   * An agent instead of a terminal; `argv` must be empty then.
   */
  agent?: AgentParams | null;
  /**
   * Command line; empty = a login shell.
   */
  argv?: string[];
  /**
   * The local client's environment; ignored from callers that are not local.
   */
  client_env?: {
    [k: string]: string;
  };
  /**
   * Where it starts; none = the relay user's home.
   */
  cwd?: string | null;
  /**
   * Variables asked for by name; they win over all others.
   */
  env?: {
    [k: string]: string;
  };
  /**
   * The mail identity for which it speaks; none = its project's.
   */
  identity?: string | null;
  /**
   * Start it again when the machine has been restarted.
   */
  keep?: boolean;
  /**
   * The label; none = the command's name and the lowest free number.
   */
  label?: Label | null;
  /**
   * Record what is typed as well.
   */
  record_input?: boolean;
  /**
   * A vendor's Remote Control instead of a terminal; `argv` and `agent` must be empty then.
   */
  remote_control?: RemoteParams | null;
  /**
   * A retry with the same id gets the first session; drawn by the caller, at most 64 characters.
   */
  request_id?: string | null;
  /**
   * First size; none = 80 × 24.
   */
  size?: TerminalSize | null;
  /**
   * In a git working tree of its own, of the repository that `cwd` is in.
   */
  worktree?: WorktreeParams | null;
}
/**
 * What a Remote Control session is to be.
 */
export interface RemoteParams {
  /**
   * The vendor's configuration directory on the relay's machine, absolute: another account.
   */
  account?: string | null;
  /**
   * Start although the preflight says that it cannot work.
   */
  anyway?: boolean;
  /**
   * Further words for the vendor's program.
   */
  args?: string[];
  /**
   * Sessions at a time.
   */
  capacity?: number | null;
  mode?: RemoteMode;
  /**
   * What the app calls it.
   */
  name?: string | null;
  /**
   * A profile of the relay's configuration, by its name; none = the vendor's built-in one.
   */
  profile?: string | null;
  restart?: RemoteRestart;
  /**
   * Where sessions start.
   */
  spawn?: RemoteSpawn | null;
  /**
   * Variables that the program is not to see.
   */
  strip?: string[];
  vendor?: RemoteVendor;
}
/**
 * [`SessionCreate`] in a git working tree of its own.
 */
export interface WorktreeParams {
  /**
   * Its name: one that is there is used again. None = the session's label, or a new one.
   */
  name?: string | null;
}
/**
 * `session.detached`: the relay ended an attachment.
 */
export interface Detached {
  channel: Channel;
  /**
   * Why: `removed`, `replaced` (the same client attached again) or `shutdown`.
   */
  why: string;
}
/**
 * A browser that a hub knows.
 */
export interface DeviceInfo {
  /**
   * When it logged in first, in seconds since 1970.
   */
  created_at: number;
  /**
   * Whether it is the caller itself.
   */
  current?: boolean;
  device: DeviceId;
  /**
   * When it ends, in seconds since 1970.
   */
  expires_at?: number | null;
  /**
   * When it last came in, in seconds since 1970.
   */
  last_used_at?: number | null;
  /**
   * What people call it.
   */
  name: string;
  principal: Principal;
  scopes: Scopes;
}
/**
 * [`DeviceInvite`].
 */
export interface DeviceInviteParams {
  /**
   * Seconds for which the browser stays known, from its login on; none = until it is revoked.
   */
  device_expires_in_s?: number | null;
  /**
   * What the browser is called in lists: `phone`; none = what it calls itself.
   */
  name?: string | null;
  /**
   * Name of the principal behind it; none = the caller's.
   */
  principal?: string | null;
  /**
   * What it may do; none = what the caller may.
   */
  scopes?: Scopes | null;
}
/**
 * A one-time link; shown once.
 */
export interface DeviceInviteResult {
  /**
   * Seconds for which it works.
   */
  expires_in_s: number;
  /**
   * Whether other machines can open it too: the hub listens for them, or has a public address.
   */
  reachable: boolean;
  /**
   * The link. Its secret stands in the fragment, which no browser sends to a server.
   */
  url: string;
}
/**
 * [`DeviceList`].
 */
export interface DeviceListResult {
  /**
   * The one that was used last comes first.
   */
  devices: DeviceInfo[];
}
/**
 * [`DeviceRevoke`].
 */
export interface DeviceParams {
  /**
   * Its id, or its name where only one has it.
   */
  device: string;
}
/**
 * [`RelayDirectories`].
 */
export interface DirectoriesParams {
  /**
   * Absolute, or `~` and what is below it; none = the home directory, or the first place where sessions
   * may start.
   */
  directory?: string | null;
  /**
   * Only those whose names begin so, in whichever case. Hidden ones are told if it begins with a dot.
   */
  prefix?: string;
}
/**
 * [`RelayDirectories`]: where a session could start.
 */
export interface DirectoriesResult {
  /**
   * By name.
   */
  directories: DirectoryEntry[];
  /**
   * The directory that was looked into, absolute.
   */
  directory: string;
  /**
   * The home directory of the relay's user.
   */
  home: string;
  /**
   * There are more than are listed.
   */
  more?: boolean;
}
/**
 * A directory in another.
 */
export interface DirectoryEntry {
  /**
   * Its name.
   */
  name: string;
  /**
   * It is the top of a git working tree.
   */
  project?: boolean;
}
/**
 * No parameters, or nothing to say.
 */
export interface Empty {}
export interface ErrorData {
  detail?: ErrorDetail | null;
  error: string;
}
/**
 * [`RelayGc`].
 */
export interface GcParams {
  /**
   * Only say what would go.
   */
  dry_run?: boolean;
  /**
   * Remove sessions that ended longer ago than this many seconds.
   */
  ended_before_s?: number | null;
  /**
   * Bytes that all logs may take; none = the configured quota.
   */
  quota_bytes?: number | null;
}
/**
 * [`RelayGc`].
 */
export interface GcResult {
  /**
   * Bytes freed.
   */
  freed_bytes: number;
  /**
   * Bytes that the logs take now.
   */
  log_bytes: number;
  /**
   * Sessions that are gone.
   */
  removed: SessionId[];
  /**
   * Sessions whose oldest records are gone.
   */
  trimmed: SessionId[];
}
/**
 * Changes as text.
 */
export interface GitDiff {
  /**
   * It is longer than this.
   */
  more?: boolean;
  /**
   * A unified diff, new files included; what is not UTF-8 is replaced.
   */
  text: string;
}
/**
 * A file with changes.
 */
export interface GitFile {
  change: GitChange;
  /**
   * Its path before, if it was renamed.
   */
  from?: string | null;
  /**
   * Its path below the working tree; a directory of new files ends in `/`.
   */
  path: string;
}
/**
 * [`SessionGit`].
 */
export interface GitParams {
  /**
   * The changes themselves as well, not only which files have some.
   */
  diff?: boolean;
  /**
   * Which session.
   */
  session: string;
}
/**
 * [`SessionGit`]: what changed in a session's directory since the last commit there.
 */
export interface GitResult {
  /**
   * The branch that is checked out; none for a commit alone.
   */
  branch?: string | null;
  /**
   * The changes, where they were asked for.
   */
  diff?: GitDiff | null;
  /**
   * Files with changes, those that git ignores left out.
   */
  files: GitFile[];
  /**
   * The commit that is checked out; none before the first.
   */
  head?: string | null;
  /**
   * There are more files than are listed.
   */
  more?: boolean;
  /**
   * The working tree that the directory is in; paths are below it.
   */
  root: string;
}
/**
 * [`Hello`].
 */
export interface HelloParams {
  /**
   * A hub says that it has hooks and tells them what happens here; the relay then need not.
   */
  hooks?: boolean;
  /**
   * A hub says which it is where the connection does not prove it: over ssh or a Unix socket.
   */
  hub?: HubId | null;
  /**
   * Through a hub: act on this machine as if connected to its relay. The connection ends with the hub's
   * link to it.
   */
  machine?: string | null;
  /**
   * What people see as the client's name: `qd on laptop`.
   */
  name: string;
  /**
   * The ticket of an earlier `hello`, to come back as the same client.
   */
  ticket?: string | null;
  /**
   * Send `sync` and the notifications after it.
   */
  watch?: boolean;
}
/**
 * [`Hello`].
 */
export interface HelloResult {
  client_id: ClientId;
  /**
   * The caller is a hub and may make requests for its own clients ([`Acting`]). A relay that does not
   * say so would not understand them, and would do all of it in the hub's own name.
   */
  delegate?: boolean;
  generation: Generation;
  /**
   * Set by a hub: what answers is one, and `relay_id` is its id as well.
   */
  hub?: HubId | null;
  /**
   * Set when the caller runs inside this session.
   */
  inside?: SessionId | null;
  /**
   * Instance name.
   */
  instance: string;
  /**
   * Host name of the machine.
   */
  machine: string;
  principal: Principal;
  relay_id: RelayId;
  scopes: Scopes;
  /**
   * Secret with which the caller can come back as this client.
   */
  ticket: string;
  /**
   * Product version.
   */
  version: string;
}
/**
 * A hook and how it fares.
 */
export interface HookInfo {
  /**
   * Events that were given up.
   */
  dropped: number;
  /**
   * Why.
   */
  error?: string | null;
  /**
   * Attempts that failed.
   */
  failed: number;
  /**
   * When an attempt failed last, in microseconds since 1970.
   */
  failed_at?: number | null;
  kind: HookKind;
  /**
   * Its name in the configuration.
   */
  name: string;
  /**
   * What it tells.
   */
  on: HookEvent[];
  /**
   * Events that were told.
   */
  sent: number;
  /**
   * When something was told last, in microseconds since 1970.
   */
  sent_at?: number | null;
  /**
   * Whom: scheme and host. The rest of an address may be a secret.
   */
  to: string;
  /**
   * Events that wait.
   */
  waiting: number;
}
/**
 * [`HookList`].
 */
export interface HookListResult {
  /**
   * The hooks of this relay or hub.
   */
  hooks: HookInfo[];
  /**
   * A relay leaves the telling to a hub that is linked.
   */
  rests: boolean;
}
/**
 * [`HookTest`].
 */
export interface HookTestParams {
  /**
   * Which hook.
   */
  name: string;
}
/**
 * [`HookTest`].
 */
export interface HookTestResult {
  /**
   * How long it took, in milliseconds.
   */
  took_ms: number;
}
/**
 * [`HookTold`].
 */
export interface HookToldParams {
  /**
   * The event's key.
   */
  key: string;
}
/**
 * A hub that is paired with a relay.
 */
export interface HubInfo {
  /**
   * When it was paired, in seconds since 1970.
   */
  created_at: number;
  /**
   * Whether it may make requests for its own clients.
   */
  delegate: boolean;
  /**
   * Where this relay dials it; none = the hub dials.
   */
  dial?: string | null;
  hub: HubId;
  /**
   * When it last had a link, in seconds since 1970.
   */
  last_used_at?: number | null;
  /**
   * Links that stand.
   */
  links: number;
  /**
   * Its name on this relay.
   */
  name: string;
  scopes: Scopes;
  /**
   * Why this relay's own dialling rests or waits, in words.
   */
  trouble?: string | null;
}
/**
 * [`PairingRevoke`].
 */
export interface HubNameParams {
  /**
   * Its name on this relay, or its id.
   */
  hub: string;
}
/**
 * [`HubStatus`].
 */
export interface HubStatusResult {
  /**
   * Connections.
   */
  clients: number;
  /**
   * Machines with a link.
   */
  connected: number;
  hub: HubId;
  /**
   * Instance name.
   */
  instance: string;
  /**
   * Addresses that it accepts connections on.
   */
  listening: string[];
  /**
   * Host name of the machine.
   */
  machine: string;
  /**
   * Machines.
   */
  machines: number;
  /**
   * Its pid.
   */
  pid: number;
  /**
   * Pin of its certificate.
   */
  pin?: string | null;
  /**
   * When it started, in microseconds since 1970.
   */
  started_at: number;
  /**
   * Product version.
   */
  version: string;
}
/**
 * How much mail of an identity waits for people.
 */
export interface IdentityMail {
  /**
   * Contacts that ask, or whose key has changed.
   */
  asking: number;
  /**
   * Messages that wait for a session, a decision or another policy.
   */
  held: number;
  /**
   * The identity.
   */
  identity: string;
  /**
   * Messages for people that nobody has read, and dead ones that nobody has looked at.
   */
  unread: number;
}
/**
 * [`SessionInput`].
 */
export interface InputParams {
  /**
   * Its number for this client; a retry keeps it. None = one more than the last.
   */
  n?: InputNumber | null;
  /**
   * Which session.
   */
  session: string;
  /**
   * UTF-8 text to type, as it is; a carriage return is `\r`.
   */
  text: string;
}
/**
 * `input.rejected`: why an `INACK` said so.
 */
export interface InputRejected {
  channel: Channel;
  error: RpcError;
  n: InputNumber;
}
/**
 * The error of a response.
 */
export interface RpcError {
  /**
   * The JSON-RPC number of an [`ErrorCode`].
   */
  code: number;
  /**
   * The stable word of the code, and the typed detail.
   */
  data?: ErrorData | null;
  /**
   * A sentence that is safe to show; no internal text.
   */
  message: string;
}
/**
 * [`SessionInput`].
 */
export interface InputResult {
  n: InputNumber;
  out: Out;
}
/**
 * [`InstanceCreate`].
 */
export interface InstanceCreateParams {
  /**
   * Its name: 1 to 32 of `a-z 0-9 . _ -`, first a letter or digit. Another spelling is refused, with
   * the canonical one as the hint.
   */
  name: string;
}
/**
 * The running hub of an instance.
 */
export interface InstanceHub {
  /**
   * Where it listens, as URLs.
   */
  listening?: string[];
  /**
   * Its pid; none when its record cannot be read.
   */
  pid?: number | null;
}
/**
 * An instance of this machine.
 */
export interface InstanceInfo {
  /**
   * The base directory that it is in.
   */
  base_dir?: string;
  /**
   * Where its relay was started.
   */
  cwd?: string | null;
  /**
   * Its state directory.
   */
  directory: string;
  /**
   * Host of its first network address, when its relay listens on one.
   */
  host?: string | null;
  /**
   * Its hub, when one runs: that is what shows its page.
   */
  hub?: InstanceHub | null;
  /**
   * The relay's id, once one has run.
   */
  id?: RelayId | null;
  /**
   * Where its relay listens, as URLs.
   */
  listening?: string[];
  /**
   * Its name.
   */
  name: string;
  /**
   * Pid of its relay, when one runs.
   */
  pid?: number | null;
  /**
   * Port of that address.
   */
  port?: number | null;
  /**
   * Version of the program that runs, or ran last.
   */
  product_version?: string | null;
  /**
   * Version of its record's form.
   */
  schema_version?: number | null;
  /**
   * Sessions whose holders live, whether a relay runs or not.
   */
  sessions?: number;
  /**
   * When its relay was started; microseconds since 1970.
   */
  started_at?: number | null;
  state?: InstanceState;
}
/**
 * [`InstanceList`].
 */
export interface InstanceListResult {
  /**
   * By directory.
   */
  instances: InstanceInfo[];
  /**
   * State directory of the instance that answers; none when no daemon was asked.
   */
  own?: string | null;
}
/**
 * [`InstanceOpen`].
 */
export interface InstanceOpenParams {
  /**
   * The base directory that it is in, as `instance.list` tells it; none = the hub's own.
   */
  base_dir?: string | null;
  /**
   * Its name.
   */
  name: string;
}
/**
 * [`InstanceCreate`].
 */
export interface InstanceResult {
  instance: InstanceInfo;
}
/**
 * `lease.changed`: a session's lease as it is now.
 */
export interface LeaseChanged {
  lease: LeaseView;
  rev: Rev;
  session: SessionId;
}
/**
 * A method that gives a lease.
 */
export interface LeaseResult {
  lease: LeaseView;
  role: Role;
}
/**
 * A record of the log, for reading.
 */
export interface LogEntry {
  /**
   * Raw payload of output, in base64.
   */
  base64?: string | null;
  /**
   * JSON payload of the other kinds. Recorded input is left out without `admin`.
   */
  body?: {
    [k: string]: unknown;
  };
  /**
   * Its kind.
   */
  kind: string;
  out: Out;
  seq: Seq;
  /**
   * When, in microseconds since 1970.
   */
  time: number;
}
/**
 * [`SessionLog`].
 */
export interface LogParams {
  /**
   * First record wanted; one that is gone gives the first there is, with a gap.
   */
  after?: Seq | null;
  /**
   * At most this many records; a page also ends by bytes.
   */
  max?: number | null;
  /**
   * Which session.
   */
  session: string;
}
/**
 * [`SessionLog`].
 */
export interface LogResult {
  /**
   * Nothing more is there yet.
   */
  end: boolean;
  /**
   * The page.
   */
  entries: LogEntry[];
  next: Seq;
}
/**
 * What a relay said at the last link.
 */
export interface MachineRelay {
  /**
   * Whether the hub's clients are known there each by name.
   */
  delegate: boolean;
  /**
   * Host name.
   */
  host: string;
  /**
   * Instance.
   */
  instance: string;
  scopes: Scopes;
  /**
   * Version.
   */
  version: string;
}
/**
 * [`MachineInvite`].
 */
export interface MachineInviteParams {
  /**
   * `HOST:PORT` by which the machine reaches this hub; none = where it listens.
   */
  address?: string | null;
  /**
   * Name of the machine that will join; none = its host's.
   */
  label?: MachineLabel | null;
}
/**
 * [`MachineList`].
 */
export interface MachineListResult {
  /**
   * The hub's own machine first, then by label.
   */
  machines: MachineInfo[];
}
/**
 * A method that takes only a machine.
 */
export interface MachineParams {
  /**
   * Its label or id.
   */
  machine: string;
}
/**
 * [`MachineRename`].
 */
export interface MachineRenameParams {
  label: MachineLabel;
  /**
   * Its label or id.
   */
  machine: string;
}
/**
 * A method that gives a machine.
 */
export interface MachineResult {
  machine: MachineInfo;
}
/**
 * [`MachineUpdate`]: what is not named stays as it is.
 */
export interface MachineUpdateParams {
  /**
   * Whether the hub links it by itself when it starts; the link that is there stays as it is.
   */
  auto_connect?: boolean | null;
  /**
   * Its label or id.
   */
  machine: string;
  /**
   * Pins of its certificate, separated by commas, after it was changed there. For a token also empty: a known
   * authority vouches for it.
   */
  pin?: string | null;
  /**
   * Another token, for a machine that is reached by one.
   */
  token?: string | null;
}
/**
 * Whether messages are answered while their session does not live.
 */
export interface MailAutorespondParams {
  /**
   * Of which identity.
   */
  identity?: string | null;
  /**
   * Turn it on or off; without it nothing changes.
   */
  on?: boolean | null;
}
/**
 * [`MailAutorespondParams`]' answer.
 */
export interface MailAutorespondResult {
  /**
   * Whether a program is named that would.
   */
  configured: boolean;
  /**
   * Whether messages are answered.
   */
  on: boolean;
}
/**
 * Brings what came.
 */
export interface MailBringParams {
  /**
   * The link's own words.
   */
  link: string;
  /**
   * What came, in this order.
   */
  news: CarryNews[];
}
/**
 * `mail.changed`, and a part of `sync`: a relay's mail has changed. Numbers only, and only for who has
 * `drive` and no limit to sessions.
 */
export interface MailChanged {
  /**
   * Another one when anything of the mail is another: then it is looked at anew.
   */
  change: number;
  /**
   * In the order of their names.
   */
  identities: IdentityMail[];
  /**
   * Whose, as a hub says it; a relay says nothing.
   */
  machine?: MachineId | null;
  rev: Rev;
}
/**
 * A label that an agent had, and what shows that it is the same agent.
 */
export interface MailClaimAgain {
  label: Label;
  secret: ClaimSecret;
}
/**
 * [`MailClaim`].
 */
export interface MailClaimParams {
  /**
   * The label that it had before its connection broke.
   */
  again?: MailClaimAgain | null;
  /**
   * What the agent calls itself: `claude-code`. The label begins with its first word.
   */
  client: string;
  /**
   * Where it works: which identity is its.
   */
  cwd?: string | null;
}
/**
 * [`MailClaim`]'s answer.
 */
export interface MailClaimResult {
  kind: SpeakerKind;
  label: Label;
  /**
   * Shown to get the same label again; only for [`SpeakerKind::Outside`].
   */
  secret?: ClaimSecret | null;
}
/**
 * One contact.
 */
export interface MailContact {
  /**
   * Its address.
   */
  address: string;
  /**
   * The fingerprint of another key that it claims, which nobody has accepted.
   */
  changed?: string | null;
  /**
   * What people compare.
   */
  fingerprint: string;
  /**
   * What is done with its mail: `accept`, `hold`, `refuse`.
   */
  inbound: string;
  /**
   * What it is called here.
   */
  name: string;
  /**
   * What it said when it asked: a stranger's words.
   */
  note?: string | null;
  /**
   * `asked`, `asking`, `accepted`, `blocked`.
   */
  standing: string;
}
/**
 * Somebody to be a contact.
 */
export interface MailContactAddParams {
  /**
   * The address; the name of one that asked.
   */
  contact: string;
  /**
   * Of which identity.
   */
  identity?: string | null;
  /**
   * What it is to be called here; by the rule of labels. A person gives a known contact another name by it.
   */
  name?: string | null;
  /**
   * A word to it.
   */
  note?: string;
}
/**
 * Decides about a contact.
 */
export interface MailContactParams {
  /**
   * Its address or name.
   */
  contact: string;
  decision: ContactDecision;
  /**
   * Of which identity.
   */
  identity?: string | null;
}
/**
 * The contacts.
 */
export interface MailContactsResult {
  /**
   * In the order of their names.
   */
  contacts: MailContact[];
}
/**
 * Decides about a message that is held.
 */
export interface MailDecideParams {
  decision: MailDecision;
  /**
   * Of which identity.
   */
  identity?: string | null;
  /**
   * The message's number.
   */
  number: number;
}
/**
 * One message, whichever way it went.
 */
export interface MailEntry {
  /**
   * When it came or was to be sent, in milliseconds since 1970.
   */
  at: number;
  /**
   * Whether nobody was asked to write it.
   */
  auto?: boolean;
  direction: MailDirection;
  /**
   * The session that sent it; as claimed, of what came.
   */
  from_session?: string | null;
  /**
   * Its id, which a reply names. Of what came these are the sender's words, as everything but `peer`.
   */
  id: string;
  /**
   * The id of the message that it answers.
   */
  in_reply_to?: string | null;
  /**
   * The name by which that is known here.
   */
  name: string;
  /**
   * Its number here, of what came: `#12` names it in a reply, whatever its id looks like.
   */
  number?: number | null;
  /**
   * The address of the other side; the identity's own between its sessions.
   */
  peer: string;
  /**
   * Whether it was read: here, of what came; over there, of what was sent.
   */
  read?: boolean;
  role: Role2;
  /**
   * The word.
   */
  state: string;
  /**
   * What is said.
   */
  text: string;
  /**
   * The session that it is for.
   */
  to_session?: string | null;
  /**
   * With `failed`: why, in one word.
   */
  why?: string | null;
}
/**
 * Fetches what is to be carried.
 */
export interface MailFetchParams {
  /**
   * The link's own words: what an identity signs on it is worth nothing on another one.
   */
  link: string;
  /**
   * How long to wait for something, in milliseconds.
   */
  wait_ms: number;
}
/**
 * What is to be carried, in this order.
 */
export interface MailFetchResult {
  /**
   * The orders.
   */
  orders: CarryOrder[];
}
/**
 * [`MailHistory`].
 */
export interface MailHistoryParams {
  /**
   * What is older than a page: its `before`.
   */
  before?: string | null;
  /**
   * Only with this contact, by name or address; `self` for what sessions of the identity wrote to each other.
   */
  contact?: string | null;
  /**
   * Only what came and waits: for a session, a decision or another policy.
   */
  held?: boolean;
  /**
   * Of which identity; the caller's own, or the default one, without it.
   */
  identity?: string | null;
  /**
   * Messages in the page, at most 200; 50 without it.
   */
  limit?: number | null;
}
/**
 * A page of an identity's mail, newest first.
 */
export interface MailHistoryResult {
  /**
   * Where the next page begins, when there is one.
   */
  before?: string | null;
  /**
   * The messages.
   */
  messages: MailEntry[];
}
/**
 * Chooses the hub that has an identity's mailbox.
 */
export interface MailHomeParams {
  /**
   * The hub's name on this relay, or its id.
   */
  hub: string;
  /**
   * Of which identity.
   */
  identity?: string | null;
}
/**
 * The identities.
 */
export interface MailIdentitiesResult {
  /**
   * In the order of their names.
   */
  identities: MailIdentity[];
}
/**
 * One identity of the relay.
 */
export interface MailIdentity {
  /**
   * Its address.
   */
  address: string;
  /**
   * Whether sessions have it that have no other.
   */
  default: boolean;
  /**
   * What people compare.
   */
  fingerprint: string;
  /**
   * The hub that has its mailbox, once it met one.
   */
  home?: string | null;
  /**
   * What it is called here.
   */
  name: string;
  /**
   * Directories whose sessions have it.
   */
  projects?: string[];
  /**
   * Sessions that have it wherever they work.
   */
  sessions?: SessionId[];
}
/**
 * A new identity.
 */
export interface MailIdentityAddParams {
  /**
   * What it is called here; by the rule of labels.
   */
  name: string;
}
/**
 * Whose contacts.
 */
export interface MailIdentityParams {
  /**
   * The identity; the caller's own, or the default one, without it.
   */
  identity?: string | null;
}
/**
 * Assigns an identity: to a project, to a session, or to all that have no other.
 */
export interface MailIdentityUseParams {
  /**
   * Which; none takes back what was assigned to the project or the session.
   */
  name?: string | null;
  /**
   * To the sessions that work in this directory or below it.
   */
  project?: string | null;
  /**
   * To this session, wherever it works and however often it is started again.
   */
  session?: string | null;
}
/**
 * Which mail is looked at.
 */
export interface MailInboxParams {
  /**
   * Also what was read before.
   */
  all?: boolean;
  /**
   * Of which identity.
   */
  identity?: string | null;
  /**
   * Leave what is shown unread.
   */
  peek?: boolean;
  /**
   * Of which session; all of the identity's without it.
   */
  session?: string | null;
}
/**
 * Mail, oldest first.
 */
export interface MailInboxResult {
  /**
   * The messages.
   */
  messages: MailMessage[];
  /**
   * There is more.
   */
  more?: boolean;
}
/**
 * A message that came.
 */
export interface MailMessage {
  /**
   * When it came, in milliseconds since 1970.
   */
  at: number;
  /**
   * Whether nobody was asked to write it, as claimed.
   */
  auto?: boolean;
  /**
   * The address of its sender: the one thing that is certain.
   */
  from: string;
  /**
   * The session that sent it, as claimed.
   */
  from_session?: string | null;
  /**
   * The sender's id of it, which a reply names. The sender's words, as everything but `from`.
   */
  id: string;
  /**
   * The id of the message that it answers.
   */
  in_reply_to?: string | null;
  /**
   * The name by which the sender is known here.
   */
  name?: string | null;
  /**
   * Its number here: `#12` names it in a reply, whatever its id looks like.
   */
  number: number;
  /**
   * Whether it was read before.
   */
  read?: boolean;
  role: Role2;
  /**
   * Where it is: `held`, `delivered`, `dead`.
   */
  state: string;
  /**
   * What is said.
   */
  text: string;
  /**
   * The session that it is for.
   */
  to_session?: string | null;
  /**
   * Why it is held or dead, in one word.
   */
  why?: string | null;
}
/**
 * A message that was taken to be sent. It is stored: it outlives the relay.
 */
export interface MailJob {
  /**
   * When, in milliseconds since 1970.
   */
  at: number;
  from_session: Label;
  /**
   * Its id, which a reply names.
   */
  id: string;
  /**
   * The word.
   */
  state: string;
  /**
   * The address of its recipient.
   */
  to: string;
  /**
   * The session that it is for.
   */
  to_session?: Label | null;
  /**
   * With `failed`: why, in one word.
   */
  why?: string | null;
}
/**
 * [`MailNext`].
 */
export interface MailNextParams {
  /**
   * The last message that was shown: it counts as delivered, and what is asked for comes after it.
   */
  shown?: number;
  /**
   * How long to wait, in milliseconds; at most 25 000.
   */
  wait_ms?: number;
}
/**
 * [`MailNext`]'s answer.
 */
export interface MailNextResult {
  /**
   * The message, if there is one. It stays unread.
   */
  message?: MailToShow | null;
}
/**
 * A message as an agent is to see it.
 */
export interface MailToShow {
  /**
   * The name by which the sender is known here, or the address.
   */
  from: string;
  /**
   * The session that sent it, as claimed.
   */
  from_session?: string | null;
  /**
   * The sender's id of it.
   */
  id: string;
  /**
   * Its number here.
   */
  number: number;
  /**
   * What it says, behind words that say whose it is and that it permits nothing.
   */
  text: string;
}
/**
 * A session whose rest is awaited.
 */
export interface MailNotifyParams {
  session: Label;
}
/**
 * Changes what an identity does with its mail; also what waits already is looked at anew. What is left
 * out stays as it is.
 */
export interface MailPolicyParams {
  /**
   * How long mail that comes from now on waits for its session, in seconds.
   */
  hold_s?: number | null;
  /**
   * Of which identity.
   */
  identity?: string | null;
  /**
   * The label of the session that is primary while it lives; empty takes it back.
   */
  primary?: string | null;
  /**
   * For mail that names no session.
   */
  unaddressed?: Unaddressed | null;
}
/**
 * What an identity does with its mail.
 */
export interface MailPolicyResult {
  /**
   * How long mail waits for its session, in seconds.
   */
  hold_s: number;
  /**
   * The session that is primary while it lives; otherwise the first one in natural order is.
   */
  primary?: Label | null;
  unaddressed: Unaddressed;
}
/**
 * [`MailRead`].
 */
export interface MailReadParams {
  /**
   * Of which identity.
   */
  identity?: string | null;
  /**
   * The messages' numbers, at most 200. Those for sessions stay as they are.
   */
  numbers: number[];
}
/**
 * A contact with which another ratchet is begun.
 */
export interface MailResetParams {
  /**
   * Its address or name.
   */
  contact: string;
  /**
   * Of which identity.
   */
  identity?: string | null;
}
/**
 * Sends a message.
 */
export interface MailSendParams {
  /**
   * Nobody was asked to write it: it is marked so, and nobody answers it by itself.
   */
  auto?: boolean;
  /**
   * What is said.
   */
  body: string;
  /**
   * As which identity; the caller's own, or the default one, without it.
   */
  identity?: string | null;
  /**
   * The id of the message that it answers.
   */
  in_reply_to?: string | null;
  /**
   * The caller's own id of this request: a retry sends nothing twice.
   */
  request_id?: string | null;
  role?: Role2;
  /**
   * To whom: an identity's name or address, a contact; without it one of the own identity's sessions.
   */
  to?: string | null;
  /**
   * To which session of theirs.
   */
  to_session?: Label | null;
}
/**
 * A session that can be written to.
 */
export interface MailSession {
  /**
   * The identity that it belongs to.
   */
  identity: string;
  /**
   * Whether it has nothing to do; nobody knows it of an agent outside.
   */
  idle?: boolean | null;
  kind?: SpeakerKind;
  label: Label;
  /**
   * Whether it is the caller's own.
   */
  own?: boolean;
  /**
   * Its id; an agent outside is no session.
   */
  session?: SessionId | null;
  /**
   * What it says that it does.
   */
  status?: string | null;
}
/**
 * What a session does, in its agent's words.
 */
export interface MailSetStatusParams {
  /**
   * A few words; empty takes them back.
   */
  status: string;
}
/**
 * Which messages that were sent are looked at.
 */
export interface MailStatusParams {
  /**
   * This one only.
   */
  id?: string | null;
  /**
   * Of which identity.
   */
  identity?: string | null;
}
/**
 * What was sent, newest first.
 */
export interface MailStatusResult {
  /**
   * How many that came wait for a session, a decision or another policy.
   */
  held: number;
  /**
   * The messages.
   */
  jobs: MailJob[];
}
/**
 * Waits for a message.
 */
export interface MailWaitParams {
  /**
   * Whose; anybody's without it.
   */
  from?: string | null;
  /**
   * The session that was asked, for peers that name no id.
   */
  from_session?: Label | null;
  /**
   * Of which identity.
   */
  identity?: string | null;
  /**
   * The id of the message that it answers.
   */
  in_reply_to?: string | null;
  /**
   * How long, in milliseconds; at most 25 000, so that a call ends before its own limit.
   */
  wait_ms?: number;
}
/**
 * What came, if it came in time.
 */
export interface MailWaitResult {
  /**
   * The message; it is read now, and goes to no session.
   */
  message?: MailMessage | null;
}
/**
 * Who the caller is as far as mail goes.
 */
export interface MailWhoamiResult {
  /**
   * Its address.
   */
  address: string;
  /**
   * What people compare.
   */
  fingerprint: string;
  /**
   * The identity's name.
   */
  identity: string;
  /**
   * The caller's own session.
   */
  label?: Label | null;
  /**
   * All live sessions of this relay that take mail, in natural order.
   */
  sessions: MailSession[];
}
/**
 * [`LeaseOffer`].
 */
export interface OfferParams {
  /**
   * Which session.
   */
  session: string;
  /**
   * To whom; none = who asked first.
   */
  to?: ClientId | null;
}
/**
 * [`PairingInvite`].
 */
export interface PairingInviteParams {
  /**
   * `HOST:PORT` by which the hub reaches this relay; none = where it listens.
   */
  address?: string | null;
  /**
   * Whether it may make requests for its own clients, each recorded as its own principal.
   */
  delegate?: boolean;
  /**
   * The hub's name on this relay, unique; none = `hub` and a number.
   */
  name?: string | null;
  scopes: Scopes;
}
/**
 * A one-use line; shown once.
 */
export interface PairingInviteResult {
  /**
   * Seconds for which it works.
   */
  expires_in_s: number;
  /**
   * `HOST:PORT#PIN#CODE`.
   */
  line: string;
}
/**
 * [`PairingJoin`].
 */
export interface PairingJoinParams {
  /**
   * Whether it may make requests for its own clients, each recorded as its own principal.
   */
  delegate?: boolean;
  /**
   * The line that the hub made: `HOST:PORT#PIN#CODE`.
   */
  line: string;
  /**
   * The hub's name on this relay, unique; none = `hub` and a number.
   */
  name?: string | null;
  scopes: Scopes;
}
/**
 * [`PairingList`].
 */
export interface PairingListResult {
  /**
   * By name.
   */
  hubs: HubInfo[];
}
/**
 * A prompt and whose it is.
 */
export interface PromptInfo {
  ask: Ask;
  /**
   * When it was asked, microseconds since 1970.
   */
  asked_at_micros: number;
  /**
   * What people should know before they answer.
   */
  cautions?: Caution[];
  id: PromptId;
  label: Label;
  /**
   * On which machine, as a hub sees it.
   */
  on?: OnMachine | null;
  /**
   * Why it is asked, in the vendor's words.
   */
  reason?: string | null;
  session: SessionId;
  state: PromptState;
  /**
   * One line for people.
   */
  title: string;
  /**
   * The turn it belongs to.
   */
  turn?: TurnNumber | null;
}
/**
 * [`PromptList`].
 */
export interface PromptListParams {
  /**
   * Which session; none = all that the credential reaches.
   */
  session?: string | null;
}
/**
 * [`PromptList`].
 */
export interface PromptListResult {
  /**
   * There are more than one answer holds: ask per session.
   */
  more?: boolean;
  /**
   * Prompts that are open, or answered and not yet applied; oldest first.
   */
  prompts: PromptInfo[];
}
/**
 * `prompt.opened`: an agent asks a human. Open prompts follow each `sync`, too.
 */
export interface PromptOpened {
  /**
   * Hooks were told of it already: by the relay, or by a hub.
   */
  announced?: boolean;
  prompt: PromptInfo;
  rev: Rev;
}
/**
 * [`RelayStatus`].
 */
export interface RelayStatusResult {
  /**
   * Connections.
   */
  clients: number;
  /**
   * Sessions that have ended.
   */
  ended: number;
  generation: Generation;
  /**
   * Instance name.
   */
  instance: string;
  /**
   * Addresses that it accepts connections on: `wss://127.0.0.1:7717`, `unix:/…`.
   */
  listening: string[];
  /**
   * Sessions whose program runs.
   */
  live: number;
  /**
   * Bytes of all logs.
   */
  log_bytes: number;
  /**
   * Host name of the machine.
   */
  machine: string;
  /**
   * Pid of the relay.
   */
  pid: number;
  /**
   * Pin of its certificate.
   */
  pin?: string | null;
  relay_id: RelayId;
  /**
   * When it started, in microseconds since 1970.
   */
  started_at: number;
  /**
   * Product version.
   */
  version: string;
}
/**
 * One thing that a preflight looked at.
 */
export interface RemoteFinding {
  /**
   * What to type.
   */
  advice?: string | null;
  check: RemoteCheck;
  level: RemoteLevel;
  /**
   * A sentence for people.
   */
  message: string;
}
/**
 * `remote.preflight`: can it work?
 */
export interface RemotePreflightParams {
  /**
   * The local client's environment; ignored from callers that are not local.
   */
  client_env?: {
    [k: string]: string;
  };
  /**
   * Where it would start; none = the relay user's home, whose trust is not asked about then.
   */
  cwd?: string | null;
  /**
   * One start; none = every profile, in server mode.
   */
  remote?: RemoteParams | null;
}
/**
 * `remote.preflight`.
 */
export interface RemotePreflightResult {
  /**
   * One for each start that was looked at.
   */
  reports: RemoteReport[];
}
/**
 * What a preflight found.
 */
export interface RemoteReport {
  /**
   * One for each thing that was looked at, in the order in which they matter.
   */
  findings: RemoteFinding[];
  /**
   * Which profile.
   */
  profile: string;
  /**
   * Whether nothing stands in the way, as far as can be known before.
   */
  ready: boolean;
  vendor: RemoteVendor;
}
/**
 * [`SessionRename`].
 */
export interface RenameParams {
  label: Label;
  /**
   * Which session.
   */
  session: string;
}
/**
 * [`SessionResize`].
 */
export interface ResizeParams {
  /**
   * Which session.
   */
  session: string;
  size: TerminalSize;
}
/**
 * [`SessionResume`].
 */
export interface ResumeParams {
  /**
   * The local client's environment; ignored from callers that are not local.
   */
  client_env?: {
    [k: string]: string;
  };
  /**
   * Which session.
   */
  session: string;
  /**
   * The terminal's size; none = as it was.
   */
  size?: TerminalSize | null;
}
/**
 * [`SessionScrollback`].
 */
export interface ScrollbackParams {
  before: Out;
  /**
   * How many lines are wanted in all; the page may have fewer or somewhat more.
   */
  lines: number;
  /**
   * Which session.
   */
  session: string;
}
/**
 * [`SessionScrollback`].
 */
export interface ScrollbackResult {
  /**
   * Whether the page began at a known screen; else its first lines may differ.
   */
  exact: boolean;
  from: Out;
  /**
   * The output bytes `from..before` pushed these lines off the screen, oldest first.
   */
  lines: ScrolledLine[];
  /**
   * Nothing older is in the log.
   */
  oldest: boolean;
}
/**
 * A line that left the top of the screen.
 */
export interface ScrolledLine {
  /**
   * Text with SGR and link sequences, ending in the default pen.
   */
  text: string;
  /**
   * It continues in the next line: no line break stood there.
   */
  wrapped?: boolean;
}
/**
 * `session.changed`: a new or changed session.
 */
export interface SessionChanged {
  rev: Rev;
  session: SessionInfo;
}
/**
 * `session.event`: a record other than output, in its place in a channel's stream.
 */
export interface SessionEvent {
  /**
   * The record's payload.
   */
  body: {
    [k: string]: unknown;
  };
  channel: Channel;
  /**
   * The record's kind: `start`, `resize`, `termios`, `lease`, `note`, `gap`, `exit`, `lost`.
   */
  event: string;
  out: Out;
  seq: Seq;
  /**
   * When it was recorded, in microseconds since 1970.
   */
  time: number;
}
/**
 * [`SessionList`].
 */
export interface SessionListResult {
  /**
   * Newest first.
   */
  sessions: SessionInfo[];
}
/**
 * A method that takes only a session.
 */
export interface SessionParams {
  /**
   * Which session.
   */
  session: string;
}
/**
 * `session.removed`: a session is gone from the relay.
 */
export interface SessionRemoved {
  rev: Rev;
  session: SessionId;
}
/**
 * A method that gives a session.
 */
export interface SessionResult {
  session: SessionInfo;
}
/**
 * [`SessionSignal`].
 */
export interface SignalParams {
  /**
   * Which session.
   */
  session: string;
  /**
   * `INT`, `TERM`, `HUP`, `KILL`, `QUIT`, `USR1`, `USR2`, `STOP`, `CONT`, `WINCH`.
   */
  signal: string;
  to: SignalTarget;
}
/**
 * [`SessionStop`].
 */
export interface StopParams {
  /**
   * Begin with SIGKILL.
   */
  now?: boolean;
  /**
   * Why; needed by `admin` to stop a session that another principal owns.
   */
  reason?: string | null;
  /**
   * Milliseconds between the rungs of the ladder; none = 3000.
   */
  rung_ms?: number | null;
  /**
   * Which session.
   */
  session: string;
}
/**
 * `sync`: the whole view, after `hello` with `watch` and whenever `rev` jumped.
 */
export interface Sync {
  generation: Generation;
  /**
   * Whether it is the last; a receiver replaces its view when it has all parts.
   */
  last: boolean;
  /**
   * All machines of a hub, in the first part.
   */
  machines?: MachineInfo[];
  /**
   * In the first part: how much mail waits, for who may know it; of a relay one, of a hub one of each machine.
   */
  mail?: MailChanged[];
  /**
   * Which part this is, from 0.
   */
  part: number;
  /**
   * In the last part: how many `prompt.opened` follow. When they are there, the receiver has all.
   */
  prompts?: number;
  relay_id: RelayId;
  rev: Rev;
  /**
   * The sessions of this part.
   */
  sessions: SessionInfo[];
}
/**
 * [`LeaseTake`].
 */
export interface TakeParams {
  /**
   * Why; needed to take it from another principal.
   */
  reason?: string | null;
  /**
   * Which session.
   */
  session: string;
}
/**
 * [`TokenCreate`].
 */
export interface TokenCreateParams {
  /**
   * The only wire that it opens; none = `quarterdeck.v1`.
   */
  dialect?: Dialect | null;
  /**
   * Seconds until it expires; none = never.
   */
  expires_in_s?: number | null;
  /**
   * The token's own name, unique: `phone`.
   */
  name: string;
  /**
   * Name of the principal behind it; none = the caller's.
   */
  principal?: string | null;
  scopes: Scopes;
  /**
   * Only these sessions; empty = all.
   */
  sessions?: SessionId[];
}
/**
 * A token without its secret.
 */
export interface TokenInfo {
  /**
   * When it was made, in seconds since 1970.
   */
  created_at: number;
  /**
   * The only wire that it opens; none = `quarterdeck.v1`.
   */
  dialect?: Dialect | null;
  /**
   * When it expires.
   */
  expires_at?: number | null;
  /**
   * When it was last presented and right.
   */
  last_used_at?: number | null;
  /**
   * Its name.
   */
  name: string;
  /**
   * Until when the secret before the last rotation works.
   */
  overlap_until?: number | null;
  principal: Principal;
  scopes: Scopes;
  /**
   * Only these sessions; empty = all.
   */
  sessions: SessionId[];
}
/**
 * [`TokenList`].
 */
export interface TokenListResult {
  /**
   * By name.
   */
  tokens: TokenInfo[];
}
/**
 * [`TokenRevoke`].
 */
export interface TokenNameParams {
  /**
   * Which token.
   */
  name: string;
}
/**
 * [`TokenRotate`].
 */
export interface TokenRotateParams {
  /**
   * Which token.
   */
  name: string;
  /**
   * Seconds for which the old secret works on; none = 3600.
   */
  overlap_s?: number | null;
}
/**
 * A new secret; shown once.
 */
export interface TokenSecret {
  /**
   * When it expires, in seconds since 1970.
   */
  expires_at?: number | null;
  /**
   * Which token.
   */
  name: string;
  /**
   * The secret.
   */
  token: string;
}
/**
 * `turn.ended`: an agent's turn has ended. Not told to who was not there.
 */
export interface TurnEnded {
  /**
   * When the relay learnt of it, in microseconds since 1970.
   */
  at: number;
  rev: Rev;
  session: SessionId;
  stop_reason: StopReason;
  /**
   * Which turn, counted from 1.
   */
  turn: number;
}
/**
 * [`SessionUpload`]: the next bytes of a file. One request at a time; each may be sent again.
 */
export interface UploadParams {
  /**
   * Base64; at most [`MAX_UPLOAD_CHUNK_BYTES`](crate::limits::MAX_UPLOAD_CHUNK_BYTES).
   */
  data: string;
  /**
   * The file is complete with these.
   */
  last?: boolean;
  /**
   * What the file is called; the relay makes a safe name of it.
   */
  name: string;
  /**
   * Bytes of the file before these; 0 begins it.
   */
  offset: number;
  /**
   * Which session.
   */
  session: string;
  to?: UploadTo;
  /**
   * The upload: a word that the client chooses, the same for all bytes of one file.
   */
  upload: string;
}
/**
 * [`SessionUpload`]: how far it is.
 */
export interface UploadResult {
  /**
   * Bytes of the file that are there: the next offset.
   */
  bytes: number;
  /**
   * The file, once it is complete.
   */
  file?: UploadedFile | null;
}
/**
 * A file that was uploaded.
 */
export interface UploadedFile {
  /**
   * What sort of image it is, if it is one that agents take.
   */
  mime_type?: string | null;
  /**
   * Its absolute path on the session's machine.
   */
  path: string;
}
/** Every method: what it takes, what it gives, the scope that it needs. */
export interface Methods {
  'agent.interrupt': { params: AgentInterruptParams; result: AgentCommandResult; scope: 'drive' };
  'agent.prompt': { params: AgentPromptParams; result: AgentCommandResult; scope: 'drive' };
  'agent.set_mode': { params: AgentSetModeParams; result: AgentCommandResult; scope: 'drive' };
  'agent.set_model': { params: AgentSetModelParams; result: AgentCommandResult; scope: 'drive' };
  'agent.view': { params: SessionParams; result: AgentViewResult; scope: 'read' };
  'agent.withdraw': { params: AgentWithdrawParams; result: AgentCommandResult; scope: 'drive' };
  'audit.list': { params: AuditListParams; result: AuditListResult; scope: 'admin' };
  'device.invite': { params: DeviceInviteParams; result: DeviceInviteResult; scope: 'admin' };
  'device.list': { params: Empty; result: DeviceListResult; scope: 'admin' };
  'device.revoke': { params: DeviceParams; result: Empty; scope: 'admin' };
  'hello': { params: HelloParams; result: HelloResult; scope: null };
  'hook.list': { params: Empty; result: HookListResult; scope: 'read' };
  'hook.test': { params: HookTestParams; result: HookTestResult; scope: 'admin' };
  'hook.told': { params: HookToldParams; result: Empty; scope: 'read' };
  'http.open': { params: Empty; result: ChannelParams; scope: null };
  'hub.shutdown': { params: Empty; result: Empty; scope: 'admin' };
  'hub.status': { params: Empty; result: HubStatusResult; scope: 'read' };
  'instance.create': { params: InstanceCreateParams; result: InstanceResult; scope: 'admin' };
  'instance.list': { params: Empty; result: InstanceListResult; scope: 'read' };
  'instance.open': { params: InstanceOpenParams; result: DeviceInviteResult; scope: 'admin' };
  'lease.offer': { params: OfferParams; result: LeaseResult; scope: 'drive' };
  'lease.release': { params: SessionParams; result: LeaseResult; scope: 'drive' };
  'lease.request': { params: SessionParams; result: LeaseResult; scope: 'drive' };
  'lease.take': { params: TakeParams; result: LeaseResult; scope: 'drive' };
  'machine.add': { params: MachineAddParams; result: MachineResult; scope: 'admin' };
  'machine.connect': { params: MachineParams; result: MachineResult; scope: 'admin' };
  'machine.disconnect': { params: MachineParams; result: MachineResult; scope: 'admin' };
  'machine.invite': { params: MachineInviteParams; result: PairingInviteResult; scope: 'admin' };
  'machine.list': { params: Empty; result: MachineListResult; scope: 'read' };
  'machine.remove': { params: MachineParams; result: Empty; scope: 'admin' };
  'machine.rename': { params: MachineRenameParams; result: MachineResult; scope: 'admin' };
  'machine.update': { params: MachineUpdateParams; result: MachineResult; scope: 'admin' };
  'mail.autorespond': { params: MailAutorespondParams; result: MailAutorespondResult; scope: 'drive' };
  'mail.bring': { params: MailBringParams; result: Empty; scope: null };
  'mail.claim': { params: MailClaimParams; result: MailClaimResult; scope: 'drive' };
  'mail.contact': { params: MailContactParams; result: MailContactsResult; scope: 'admin' };
  'mail.contact_add': { params: MailContactAddParams; result: MailContact; scope: 'drive' };
  'mail.contacts': { params: MailIdentityParams; result: MailContactsResult; scope: 'read' };
  'mail.decide': { params: MailDecideParams; result: Empty; scope: 'admin' };
  'mail.fetch': { params: MailFetchParams; result: MailFetchResult; scope: null };
  'mail.history': { params: MailHistoryParams; result: MailHistoryResult; scope: 'drive' };
  'mail.home': { params: MailHomeParams; result: MailIdentitiesResult; scope: 'admin' };
  'mail.identities': { params: Empty; result: MailIdentitiesResult; scope: 'read' };
  'mail.identity_add': { params: MailIdentityAddParams; result: MailIdentitiesResult; scope: 'admin' };
  'mail.identity_use': { params: MailIdentityUseParams; result: MailIdentitiesResult; scope: 'admin' };
  'mail.inbox': { params: MailInboxParams; result: MailInboxResult; scope: 'drive' };
  'mail.leave': { params: Empty; result: Empty; scope: 'drive' };
  'mail.next': { params: MailNextParams; result: MailNextResult; scope: 'drive' };
  'mail.notify': { params: MailNotifyParams; result: Empty; scope: 'drive' };
  'mail.policy': { params: MailPolicyParams; result: MailPolicyResult; scope: 'admin' };
  'mail.read': { params: MailReadParams; result: Empty; scope: 'drive' };
  'mail.reset': { params: MailResetParams; result: MailContactsResult; scope: 'drive' };
  'mail.send': { params: MailSendParams; result: MailJob; scope: 'drive' };
  'mail.set_status': { params: MailSetStatusParams; result: Empty; scope: 'drive' };
  'mail.status': { params: MailStatusParams; result: MailStatusResult; scope: 'read' };
  'mail.wait': { params: MailWaitParams; result: MailWaitResult; scope: 'drive' };
  'mail.whoami': { params: MailIdentityParams; result: MailWhoamiResult; scope: 'read' };
  'pairing.invite': { params: PairingInviteParams; result: PairingInviteResult; scope: 'admin' };
  'pairing.join': { params: PairingJoinParams; result: HubInfo; scope: 'admin' };
  'pairing.list': { params: Empty; result: PairingListResult; scope: 'admin' };
  'pairing.revoke': { params: HubNameParams; result: Empty; scope: 'admin' };
  'prompt.answer': { params: PromptAnswerParams; result: PromptAnswerResult; scope: 'answer' };
  'prompt.list': { params: PromptListParams; result: PromptListResult; scope: 'read' };
  'relay.directories': { params: DirectoriesParams; result: DirectoriesResult; scope: 'create' };
  'relay.gc': { params: GcParams; result: GcResult; scope: 'admin' };
  'relay.shutdown': { params: Empty; result: Empty; scope: 'admin' };
  'relay.status': { params: Empty; result: RelayStatusResult; scope: 'read' };
  'remote.preflight': { params: RemotePreflightParams; result: RemotePreflightResult; scope: 'create' };
  'session.attach': { params: AttachParams; result: AttachResult; scope: 'read' };
  'session.create': { params: CreateParams; result: SessionResult; scope: 'create' };
  'session.detach': { params: ChannelParams; result: Empty; scope: 'read' };
  'session.git': { params: GitParams; result: GitResult; scope: 'read' };
  'session.input': { params: InputParams; result: InputResult; scope: 'drive' };
  'session.list': { params: Empty; result: SessionListResult; scope: 'read' };
  'session.log': { params: LogParams; result: LogResult; scope: 'read' };
  'session.remove': { params: SessionParams; result: Empty; scope: 'drive' };
  'session.rename': { params: RenameParams; result: SessionResult; scope: 'drive' };
  'session.resize': { params: ResizeParams; result: Empty; scope: 'drive' };
  'session.resume': { params: ResumeParams; result: SessionResult; scope: 'create' };
  'session.scrollback': { params: ScrollbackParams; result: ScrollbackResult; scope: 'read' };
  'session.signal': { params: SignalParams; result: Empty; scope: 'drive' };
  'session.stop': { params: StopParams; result: Empty; scope: 'drive' };
  'session.upload': { params: UploadParams; result: UploadResult; scope: 'drive' };
  'token.create': { params: TokenCreateParams; result: TokenSecret; scope: 'admin' };
  'token.list': { params: Empty; result: TokenListResult; scope: 'admin' };
  'token.revoke': { params: TokenNameParams; result: Empty; scope: 'admin' };
  'token.rotate': { params: TokenRotateParams; result: TokenSecret; scope: 'admin' };
}
/** Every notification. */
export interface Notifications {
  'agent.events': AgentEvents;
  'input.rejected': InputRejected;
  'lease.changed': LeaseChanged;
  'mail.changed': MailChanged;
  'prompt.opened': PromptOpened;
  'prompt.settled': PromptSettled;
  'session.changed': SessionChanged;
  'session.detached': Detached;
  'session.event': SessionEvent;
  'session.removed': SessionRemoved;
  'sync': Sync;
  'turn.ended': TurnEnded;
}
/** Error words and their JSON-RPC numbers. */
export const ERROR_CODES = {
  agent_not_ready: -32024,
  ambiguous: -32005,
  ceiling: -32015,
  ended: -32012,
  forbidden: -32003,
  hello_required: -32002,
  holder_silent: -32018,
  input_full: -32017,
  instance_exists: -32029,
  internal: -32603,
  invalid_params: -32602,
  invalid_request: -32600,
  label_taken: -32006,
  lease_held: -32011,
  machine_exists: -32027,
  not_found: -32004,
  not_offered: -32023,
  not_owner: -32010,
  overloaded: -32001,
  own_session: -32016,
  pairing_failed: -32028,
  parse_error: -32700,
  prompt_answered: -32021,
  prompt_settled: -32022,
  shutting_down: -32020,
  start_failed: -32014,
  still_running: -32013,
  storage: -32019,
  unauthenticated: -32007,
  unreachable: -32026,
  unsupported: -32601,
  wrong_kind: -32025,
} as const;
/** What can go wrong, by its stable word. */
export type ErrorWord = keyof typeof ERROR_CODES;
