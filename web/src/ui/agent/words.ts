// What people read about agents.
import { personName, shortPath } from '../../state/words';
import type { AgentError, Answered, Ask, Caution, OptionKind, Prompt, RuleLifetime, StopReason } from '../../wire/generated';

export function stopWords(reason: StopReason): string {
  switch (reason) {
    case 'end_turn':
      return 'Done';
    case 'max_tokens':
      return 'Stopped at the limit of tokens';
    case 'max_turn_requests':
      return 'Stopped at a limit';
    case 'refusal':
      return 'The model refused';
    case 'cancelled':
      return 'Interrupted';
    case 'error':
      return 'Failed';
    case 'agent_exit':
      return 'The agent ended';
    default:
      return 'Ended';
  }
}

/** What a person can do about an error. */
export function errorHint(error: AgentError): string | undefined {
  switch (error.class) {
    case 'auth':
      return 'Log the agent in on its machine, or check its key.';
    case 'no_key':
      return 'The agent has no key or login on that machine.';
    case 'rate_limit':
      return 'The allowance is used up; try again later.';
    case 'overloaded':
      return 'The service is busy; try again.';
    case 'context_full':
      return 'The conversation is too long for the model.';
    case 'network':
      return 'The machine cannot reach the service.';
    case 'session_not_found':
      return 'The vendor does not know this conversation any more; begin a new one.';
    default:
      return undefined;
  }
}

/** What became of a prompt. */
export function settledWords(prompt: Prompt): string {
  const { state } = prompt;
  switch (state.state) {
    case 'open':
      return 'open';
    case 'answered':
    case 'applied':
      return `${answerWords(state.answered, prompt.ask)}, by ${personName(state.answered.by)}`;
    case 'answered_elsewhere':
      return 'answered at the agent itself';
    case 'withdrawn':
      return 'no longer asked';
    case 'expired':
      return 'nobody answered in time';
    case 'lost':
      return 'lost with the agent; start it again and let it ask again';
    default:
      return 'settled';
  }
}

function answerWords({ answer }: Answered, ask: Ask): string {
  switch (answer.answer) {
    case 'option': {
      const options = 'options' in ask ? ask.options : [];
      return options.find((option) => option.option_id === answer.option_id)?.name ?? answer.option_id;
    }
    case 'edited_input':
      return 'allowed with a changed input';
    case 'deny':
      return answer.message ? `denied: ${answer.message}` : 'denied';
    case 'form':
      return 'answered';
    case 'decline':
      return 'declined';
  }
}

export const isAllowing = (kind: OptionKind): boolean => kind === 'allow_once' || kind === 'allow_always';
export const isLasting = (kind: OptionKind): boolean => kind !== 'allow_once' && kind !== 'reject_once';

export function lifetimeWords(lifetime: RuleLifetime): string {
  switch (lifetime) {
    case 'session':
      return 'for this conversation';
    case 'project':
      return 'for this directory, kept in a file';
    case 'user':
      return 'for this user everywhere, kept in a file';
    default:
      return '(the vendor does not say for how long)';
  }
}

/** What a person should know before they answer. */
export function cautionWords(caution: Caution): string | undefined {
  switch (caution) {
    case 'needs_person':
      return 'Read it before you answer.';
    case 'default_is_no':
      return 'The agent’s vendor would say no.';
    case 'hidden_characters':
      return 'It holds characters that cannot be shown.';
    case 'shortened':
      return 'It is too long to be shown whole.';
    default:
      return undefined;
  }
}

/** What a tool that asks would do, as text: its command, or its file and what goes into it. */
export function askDetail(ask: Ask): string | undefined {
  if (ask.ask !== 'permission') return undefined;
  const input = ask.input ?? ask.tool_call.raw_input;
  if (typeof input !== 'object' || input === null) return undefined;
  const { command, description: _, file_path, path, content, ...others } = input as Record<string, unknown>;
  if (typeof command === 'string') return command;
  if (Array.isArray(command)) return command.join(' ');
  const place = file_path ?? path;
  const rest = Object.keys(others).length > 0 ? JSON.stringify(others, null, 2) : '';
  const parts = [typeof place === 'string' ? shortPath(place) : '', typeof content === 'string' ? content : rest];
  return parts.filter(Boolean).join('\n') || undefined;
}
