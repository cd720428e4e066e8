/** `-o, --output FORMAT`: how results are printed. */
import { AppError } from '../shared/base/app-error.ts';
import { type JsonPath, parseJsonPath } from './json-path.ts';

const names = ['table', 'wide', 'json', 'yaml', 'name'] as const;

/** A path prints the values that it selects, one a line. */
export type OutputFormat = (typeof names)[number] | JsonPath;

/** What completion offers. */
export const outputChoices: readonly string[] = [...names, 'jsonpath='];

/** Throws `bad_usage` naming what there is. */
export function parseOutputFormat(text: string): OutputFormat {
  const name = names.find((one) => one === text);
  if (name) return name;
  const path = /^jsonpath=(.+)$/s.exec(text)?.[1];
  if (path !== undefined) return parseJsonPath(path);
  throw new AppError(
    'bad_usage',
    `Cannot print as "${text}": expected ${names.join(', ')} or jsonpath=PATH, such as jsonpath='{[*].id}'.`,
  );
}
