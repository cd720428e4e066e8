/**
 * `-o jsonpath=PATH`: picks values out of a result. A part of JSONPath (RFC 9535): names, indexes, wildcards and descendants; no
 * filters and no slices. As kubectl has it, braces around the path and `$` at its beginning may be left out or written.
 */

import { AppError } from '../shared/base/app-error.ts';
import { ownValue } from '../shared/base/own-value.ts';

type Step =
  | { readonly kind: 'name'; readonly name: string; readonly isDeep: boolean }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'all'; readonly isDeep: boolean };

export interface JsonPath {
  /** Every value at the path, in the order of the document; none when the path leads nowhere. */
  select(value: unknown): readonly unknown[];
}

const STEP = /(\.\.?)(\*|[A-Za-z_][\w-]*)|\[(?:(-?\d{1,9})|(\*)|'([^']*)'|"([^"]*)")\]/y;

/** Throws `bad_usage`, saying where the path cannot be read. */
export function parseJsonPath(text: string): JsonPath {
  const path = text
    .trim()
    .replace(/^\{(.*)\}$/s, '$1')
    .trim()
    .replace(/^\$/, '');
  // `models[*].id` is read as `.models[*].id`.
  const rest = /^[A-Za-z_*]/.test(path) ? `.${path}` : path;
  const steps: Step[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < rest.length && rest !== '.') {
    const from = STEP.lastIndex;
    const match = STEP.exec(rest);
    if (!match) {
      throw new AppError(
        'bad_usage',
        `Cannot read the JSONPath "${text}" at "${rest.slice(from)}": expected .name, ['name'], [0], [*] or ..name.`,
      );
    }
    steps.push(stepOf(match));
  }
  return { select: (value) => steps.reduce<readonly unknown[]>(follow, [value]) };
}

function stepOf([, dots, dotted, index, star, single, double]: RegExpExecArray): Step {
  const isDeep = dots === '..';
  if (star !== undefined || dotted === '*') return { kind: 'all', isDeep };
  if (index !== undefined) return { kind: 'index', index: Number(index) };
  return { kind: 'name', name: dotted ?? single ?? double ?? '', isDeep };
}

function follow(values: readonly unknown[], step: Step): readonly unknown[] {
  const from = 'isDeep' in step && step.isDeep ? values.flatMap(descendants) : values;
  return from.flatMap((value) => {
    if (step.kind === 'all') return children(value);
    if (step.kind === 'index') return Array.isArray(value) ? value.slice(step.index).slice(0, 1) : [];
    return typeof value === 'object' && value !== null && Object.hasOwn(value, step.name)
      ? [ownValue(value as Record<string, unknown>, step.name)]
      : [];
  });
}

function children(value: unknown): readonly unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : [];
}

/** The value itself and all in it. */
function descendants(value: unknown): readonly unknown[] {
  return [value, ...children(value).flatMap(descendants)];
}
