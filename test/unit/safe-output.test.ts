import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
/** They make safe what they write; the last writes what the printer made safe. */
const writers = [
  'agent/commands/print-result.ts',
  'agent/connection/enrol-command.ts',
  'hub/data-folder/integrity-main.ts',
  'hub/commands/print-result.ts',
  'hub/main.ts',
  'cli/main.ts',
  // A script of its own text.
  'platform/completion-command.ts',
];

// Text of a device or a hub that reached a terminal as it came could clear it, or forge a line.
it('nothing writes to standard output but what makes text safe', () => {
  const files = globSync('{agent,cli,hub,platform,runner,shared}/**/*.ts', { cwd: root });
  const found = files.filter((file) =>
    /\bprocess\.stdout\.write\b|\bconsole\./.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(found.sort()).toEqual([...writers].sort());
});
