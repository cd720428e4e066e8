/** How the agent's commands give their result: on standard output, as JSON or as lines, with nothing in it that moves a terminal. */
import { safeJson, safeLines } from '../../shared/base/safe-text.ts';

export interface Result {
  readonly value: unknown;
  readonly lines: () => readonly string[];
  /** Spaces that nested JSON is indented by; left out: all on one line. */
  readonly indent?: number;
}

export function printResult(json: boolean | undefined, { value, lines, indent }: Result): void {
  process.stdout.write(json ? `${safeJson(JSON.stringify(value, null, indent))}\n` : safeLines(lines()));
}
