/** Renders docs/ERRORS.md from the catalogue; a test fails when the page and the catalogue differ. */
import type { ErrorEntry } from '../shared/errors/error-entry.ts';

export function renderErrorsPage(catalogue: Readonly<Record<string, ErrorEntry>>): string {
  const sections = Object.entries(catalogue)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, { status, retry, meaning, fix }]) => {
      const retryText = retry === 'later' ? 'may succeed later' : 'does not help without a change';
      return `## ${code}\n\nHTTP ${status}. Trying again ${retryText}.\n\n${meaning}\n\n_What to do:_ ${fix}\n`;
    });
  return `${head}\n${sections.join('\n')}`;
}

const head = `# Errors

Made from \`shared/errors/\` by \`npm run docs:errors\`; change it there.

Every refusal of modelfleet has one of these codes: in the \`code\` field of an HTTP answer (problem details, RFC 9457), in an update event of a device, below the message of a command. A code keeps its meaning; one that is retired is not used again.
`;
