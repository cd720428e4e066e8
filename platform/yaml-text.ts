/**
 * YAML, for programs that seldom need it and load this file when they do. Not the package itself: bundled, a package written as
 * CommonJS that is imported late has lost the names of what it exports (build.ts refuses that).
 */
import { parse } from 'yaml';

/** Throws when the text is not YAML. */
export function parseYaml(text: string): unknown {
  return parse(text);
}
