// An agent of the Agent Client Protocol for the page's tests: one turn with all that a page has to show.
// Started by a relay as `acp:node …/acp-agent.mjs`; speaks newline-separated JSON-RPC on its pipes.
import { createInterface } from 'node:readline';

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const update = (body) => send({ method: 'session/update', params: { sessionId: 'one', update: body } });
const text = (value) => ({ type: 'text', text: value });
const waiting = new Map();
let nextId = 1000;
const ask = (method, params) =>
  new Promise((resolve) => {
    const id = nextId++;
    waiting.set(id, resolve);
    send({ id, method, params });
  });

const BEFORE = `pub fn parse(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let year = parts.next()?.parse().ok()?;
    let month = parts.next()?.parse().ok()?;
    let day = parts.next()?.parse().ok()?;
    Some(Date { year, month, day })
}
`;
const AFTER = `pub fn parse(text: &str) -> Result<Date, ParseDateError> {
    let mut parts = text.splitn(3, '-');
    let mut next = |what| parts.next().ok_or(ParseDateError::Missing(what));
    let year = next("year")?.parse()?;
    let month = next("month")?.parse()?;
    let day = next("day")?.parse()?;
    Date::new(year, month, day)
}
`;
const ANSWER = `The parser now says **what** is wrong with a date:

| Input | Before | Now |
|---|---|---|
| \`2024-13-01\` | accepted | month out of range |
| \`2024-02\` | \`None\` | day is missing |

\`\`\`rust
let date = parse("2024-02-30")?; // Err(DayOutOfRange(30))
\`\`\`

- 14 tests pass
- the old signature is gone, see [the guide](https://example.org/guide)

<script>window.pwned = true</script><img src="https://example.org/x.png" onerror="window.pwned = true">
`;

async function turn() {
  update({ sessionUpdate: 'agent_thought_chunk', content: text('The parser accepts dates that do not exist. I look at how it is used first.') });
  const entries = (done) =>
    ['Read the parser', 'Return an error that says why', 'Run the tests'].map((content, at) => ({
      content,
      priority: 'medium',
      status: at < done ? 'completed' : at === done ? 'in_progress' : 'pending',
    }));
  update({ sessionUpdate: 'plan', entries: entries(0) });
  update({ sessionUpdate: 'agent_message_chunk', content: text('I read the parser and where it is called.') });
  update({ sessionUpdate: 'tool_call', toolCallId: 't1', title: 'Read src/date.rs', kind: 'read', status: 'in_progress', locations: [{ path: '/repo/src/date.rs', line: 12 }] });
  update({ sessionUpdate: 'tool_call_update', toolCallId: 't1', status: 'completed', content: [{ type: 'content', content: text(BEFORE) }] });
  update({ sessionUpdate: 'plan', entries: entries(1) });
  update({ sessionUpdate: 'tool_call', toolCallId: 't2', title: 'Edit src/date.rs', kind: 'edit', status: 'completed', content: [{ type: 'diff', path: '/repo/src/date.rs', oldText: BEFORE, newText: AFTER }] });
  update({ sessionUpdate: 'plan', entries: entries(2) });
  const call = { toolCallId: 't3', title: 'cargo test -p dates', kind: 'execute', status: 'pending', rawInput: { command: 'cargo test -p dates' } };
  update({ sessionUpdate: 'tool_call', ...call });
  const { outcome } = await ask('session/request_permission', {
    sessionId: 'one',
    toolCall: call,
    options: [
      { optionId: 'yes', name: 'Allow once', kind: 'allow_once' },
      { optionId: 'always', name: 'Always allow cargo test', kind: 'allow_always' },
      { optionId: 'no', name: 'Deny', kind: 'reject_once' },
    ],
  });
  const allowed = outcome?.outcome === 'selected' && outcome.optionId !== 'no';
  update({ sessionUpdate: 'tool_call_update', toolCallId: 't3', status: allowed ? 'completed' : 'failed', content: [{ type: 'content', content: text(allowed ? 'test result: ok. 14 passed; 0 failed' : 'denied') }] });
  if (!allowed) return 'end_turn';
  update({ sessionUpdate: 'plan', entries: entries(3) });
  for (const piece of ANSWER.match(/[\s\S]{1,12}/g) ?? []) {
    update({ sessionUpdate: 'agent_message_chunk', content: text(piece) });
  }
  update({ sessionUpdate: 'usage_update', used: 23_400, size: 200_000, cost: { amount: 0.41, currency: 'USD' } });
  return 'end_turn';
}

/** Many small events, for the page's responsiveness. */
function flood(count) {
  let sent = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      for (let n = 0; n < 25; n++) update({ sessionUpdate: 'agent_message_chunk', content: text(`word${sent++} ${sent % 40 === 0 ? '\n\n' : ''}`) });
      if (sent >= count) {
        clearInterval(timer);
        resolve('end_turn');
      }
    }, 50);
  });
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const message = JSON.parse(line);
  if (message.id !== undefined && !message.method) {
    waiting.get(message.id)?.(message.result ?? {});
    waiting.delete(message.id);
    return;
  }
  const answer = (result) => send({ id: message.id, result });
  switch (message.method) {
    case 'initialize':
      return answer({ protocolVersion: 1, agentCapabilities: { loadSession: false, promptCapabilities: {} }, authMethods: [] });
    case 'session/new':
      return answer({ sessionId: 'one' });
    case 'session/prompt': {
      const words = message.params.prompt.map((block) => block.text ?? '').join(' ');
      const flooded = /^flood (\d+)/.exec(words);
      return answer({ stopReason: await (flooded ? flood(Number(flooded[1])) : turn()) });
    }
    default:
      if (message.id !== undefined) send({ id: message.id, error: { code: -32601, message: 'not here' } });
  }
});
