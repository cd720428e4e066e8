/**
 * YAML, for programs that seldom need it and load this file when they do. Not the package itself: bundled, a package written as
 * CommonJS that is imported late has lost the names of what it exports (build.ts refuses that).
 */
import { Document, parse, visit } from 'yaml';
import { isSafeText, safeJson } from '../shared/base/safe-text.ts';

/** Throws when the text is not YAML. */
export function parseYaml(text: string): unknown {
  return parse(text);
}

/** YAML of a JSON value, with nothing in it that a terminal would act on: such text is quoted, and escaped as in JSON. */
export function formatYaml(value: unknown): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'string' && !isSafeText(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
  return safeJson(document.toString({ lineWidth: 0 }));
}
