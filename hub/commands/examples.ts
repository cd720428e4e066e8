/** What `--help` shows under "Examples". A test reads every line with the parser of the program. */
import type { Examples } from '../../platform/command-line.ts';

export const examples: Examples = {
  '': [
    'modelfleet-hub --data /var/lib/modelfleet-hub --advertise hub.example',
    'modelfleet-hub --config hub.yaml',
  ],
  backup: ['modelfleet-hub backup /backup/today --data /var/lib/modelfleet-hub'],
  restore: [
    'modelfleet-hub restore /backup/today --check',
    'modelfleet-hub restore /backup/today --data /var/lib/modelfleet-hub',
  ],
  compact: ['modelfleet-hub compact --data /var/lib/modelfleet-hub'],
};
