/**
 * What a version changes of the interface that clients of the version before were written for. Pure. A change is
 * breaking when a request that was right before is refused, or when an answer no longer means what it meant.
 */
import { limits } from '../base/limits.ts';
import { ownValue } from '../base/own-value.ts';
import type { ModelManifest } from '../manifest/model-manifest.ts';
import { showShape } from './exact-values.ts';
import type { TensorSpec } from './tensor.ts';

export type ModelInterface = ModelManifest['interface'];

/**
 * Each breaking change as a phrase that names the tensor, what was and what is; empty when clients need not change. A
 * renamed tensor is one that is gone and one that is new. Not breaking: an output more, an input dimension that now takes
 * any size, classes added at the end.
 */
export function breakingChanges(before: ModelInterface, after: ModelInterface): readonly string[] {
  return [
    ...inputChanges(before.inputs, after.inputs),
    ...outputChanges(before.outputs, after.outputs),
    ...classChanges(before.classes, after.classes),
    ...unitChanges(before.units, after.units),
  ];
}

/** The changes as part of a sentence, those beyond a bound counted. */
export function listChanges(changes: readonly string[]): string {
  const named = changes.slice(0, limits.interfaceChangesNamedMax);
  const more = changes.length - named.length;
  return `${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

function inputChanges(before: readonly TensorSpec[], after: readonly TensorSpec[]): string[] {
  const changes: string[] = [];
  for (const old of before) {
    const now = after.find((spec) => spec.name === old.name);
    if (!now) changes.push(`input "${old.name}" is gone`);
    else if (now.datatype !== old.datatype) {
      changes.push(`input "${old.name}" was ${old.datatype} and is ${now.datatype}`);
    } else if (!takesAll(now.shape, old.shape)) changes.push(shapeChange('input', old, now));
  }
  const added = after.filter((spec) => !before.some((old) => old.name === spec.name));
  return [...changes, ...added.map(({ name }) => `input "${name}" is new, and no client sends it`)];
}

function outputChanges(before: readonly TensorSpec[], after: readonly TensorSpec[]): string[] {
  const changes: string[] = [];
  for (const old of before) {
    const now = after.find((spec) => spec.name === old.name);
    if (!now) changes.push(`output "${old.name}" is gone`);
    else if (now.datatype !== old.datatype) {
      changes.push(`output "${old.name}" was ${old.datatype} and is ${now.datatype}`);
    } else if (showShape(now.shape) !== showShape(old.shape)) changes.push(shapeChange('output', old, now));
  }
  return changes;
}

/** A client reads a class by its place: the places it knows must keep their names. */
function classChanges(before: readonly string[] = [], after: readonly string[] = []): string[] {
  const place = before.findIndex((name, i) => after[i] !== name);
  if (place === -1) return [];
  const now = after[place];
  return [
    `class ${place} was "${before[place]}" and is ${now === undefined ? 'no longer named' : `"${now}"`}`,
  ];
}

function unitChanges(before: ModelInterface['units'] = {}, after: ModelInterface['units'] = {}): string[] {
  return Object.entries(before)
    .map(([name, unit]) => ({ name, unit, now: ownValue(after, name) }))
    .filter(({ unit, now }) => now !== undefined && now !== unit)
    .map(({ name, unit, now }) => `"${name}" was in ${unit} and is in ${now}`);
}

/** Whether every tensor of shape `old` is also one of shape `now`. */
function takesAll(now: readonly number[], old: readonly number[]): boolean {
  return now.length === old.length && now.every((size, axis) => size === -1 || size === old[axis]);
}

function shapeChange(what: 'input' | 'output', old: TensorSpec, now: TensorSpec): string {
  return `${what} "${old.name}" had shape ${showShape(old.shape)} and has ${showShape(now.shape)}`;
}
