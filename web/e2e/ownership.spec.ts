import { expect, look, PROMPT, row, startTerminal, terminal, test, type } from './fixtures';

test('a second browser of the same person follows, and takes over by a key press', async ({ site }) => {
  const first = await site.person();
  await startTerminal(first, 'sh:1');
  const second = await site.person({ context: { viewport: { width: 900, height: 600 } } });
  await row(second, 'sh:1').click();
  await expect(terminal(second, 'sh:1')).toContainText(PROMPT);
  await type(second, 'sh:1', 'x');
  await expect(second.getByText('You are following.')).toBeVisible();
  await look(second, 'follower');
  await second.getByRole('button', { name: 'Take over' }).click();
  await expect(second.getByRole('button', { name: 'Owner: you own it' })).toBeVisible();
  await type(second, 'sh:1', 'echo second-$((1+1))\n');
  await expect(terminal(first, 'sh:1')).toContainText('second-2');
  // taking it keeps the size: fitting is an act of its own
  const size = () => site.here.qdJson<{ sessions: { size: { cols: number } }[] }>('ls').sessions[0]!.size.cols;
  const before = size();
  await second.getByRole('button', { name: 'Fit to my screen' }).click();
  await expect.poll(size).toBeLessThan(before);
  // what the first types now does not arrive
  await type(first, 'sh:1', 'y');
  await expect(first.getByText('You are following.')).toBeVisible();
  await look(first, 'followed');
});

test('somebody else asks, the owner is told, and hands it over', async ({ site }) => {
  const ann = await site.person({ principal: 'ann' });
  await startTerminal(ann, 'sh:1');
  const bob = await site.person({ principal: 'bob', scopes: ['read', 'drive'] });
  await row(bob, 'sh:1').click();
  await expect(terminal(bob, 'sh:1')).toContainText(PROMPT);
  await type(bob, 'sh:1', 'x');
  await bob.getByRole('button', { name: 'Ask for it' }).click();
  await expect(ann.getByText('asks for')).toBeVisible();
  await look(ann, 'asked');
  await ann.getByRole('button', { name: 'Hand it over' }).click();
  await expect(bob.getByRole('button', { name: 'Owner: you own it' })).toBeVisible();
  await type(bob, 'sh:1', 'echo bob-$((1+1))\n');
  await expect(terminal(ann, 'sh:1')).toContainText('bob-2');
});

test('who may only read is offered nothing else', async ({ site }) => {
  const owner = await site.person();
  await startTerminal(owner, 'sh:1');
  const reader = await site.person({ principal: 'rita', scopes: ['read'] });
  await row(reader, 'sh:1').click();
  await expect(terminal(reader, 'sh:1')).toContainText(PROMPT);
  await type(reader, 'sh:1', 'x');
  await expect(reader.getByText('Your credential may only watch.')).toBeVisible();
  await expect(reader.getByRole('button', { name: 'Take over' })).toHaveCount(0);
});
