/** Renders docs/ERRORS.md from the catalogue; a test fails when the page and the catalogue differ. */
import type { ErrorEntry, ErrorPlace } from '../shared/errors/error-entry.ts';

export function renderErrorsPage(catalogue: Readonly<Record<string, ErrorEntry>>): string {
  const sections = Object.entries(catalogue)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([code, entry]) =>
        `## ${code}\n\n${appearanceOf(entry)} ${retryTextOf(entry)}\n\n${entry.meaning}\n\n_What to do:_ ${entry.fix}\n`,
    );
  return `${head}\n${sections.join('\n')}`;
}

const places: Readonly<Record<ErrorPlace, string>> = {
  command: 'in the output of a command',
  start: 'when the hub or an agent starts',
  device: 'in the events or conditions of a device (`modelfleet devices show ID`)',
  audit: 'in the audit log of the hub (`modelfleet audit list`)',
};

function appearanceOf({ status, seenIn }: ErrorEntry): string {
  if (status !== undefined) return `HTTP ${status}.`;
  return `Appears ${seenIn.map((place) => places[place]).join(', or ')}.`;
}

function retryTextOf({ retry, causeStays }: ErrorEntry): string {
  if (retry === 'never') return 'Trying again does not help without a change.';
  return causeStays ? 'Trying again succeeds once the cause is removed.' : 'Trying again may succeed later.';
}

const head = `# Errors

Made from \`shared/errors/\` by \`npm run docs:errors\`; change it there.

When modelfleet refuses a request or fails, it gives one of these codes. An HTTP answer has it in the field \`code\`, a command prints it below the message, and a device sends it to the hub in its update events. "HTTP" with a number is the status of the answer when the REST API of the hub or the local API of an agent answers with the code; such a code can also appear in the other places. A code keeps its meaning; one that is retired is not used again.
`;
