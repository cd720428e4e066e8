/** What `--help` shows under "Examples". A test reads every line with the parser of the program. */
import type { Examples } from '../../platform/command-line.ts';

export const examples: Examples = {
  '': [
    'modelfleet-agent enrol --id press-7 --token-file join-token.txt',
    'modelfleet-agent run',
    'modelfleet-agent status',
    'modelfleet-agent doctor',
  ],
  enrol: [
    'modelfleet-agent enrol --id press-7 --token-file join-token.txt',
    'modelfleet-agent enrol --token-file join-token.txt --data /var/lib/modelfleet',
  ],
  run: ['modelfleet-agent run --data /var/lib/modelfleet', 'modelfleet-agent run --config agent.yaml'],
  status: ['modelfleet-agent status', 'modelfleet-agent status --json'],
  doctor: ['modelfleet-agent doctor --data /var/lib/modelfleet'],
  rollback: ['modelfleet-agent rollback iris'],
  release: ['modelfleet-agent release --model iris'],
  clock: ['modelfleet-agent clock', 'modelfleet-agent clock --reset'],
};
