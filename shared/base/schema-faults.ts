/**
 * Why a value does not fit a schema: the first few faults, and there it stops. The validator's own list of errors looks at
 * all of a value, which costs whoever refuses a million wrong entries seconds and gigabytes. Here only parts that do
 * not fit are entered, and each is found with a compiled check.
 */
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import { nearestName } from './nearest-name.ts';
import { ownValue } from './own-value.ts';
import { shorten } from './safe-text.ts';

export interface SchemaFault {
  /** JSON pointer; empty for the whole. */
  readonly path: string;
  readonly message: string;
  readonly value: unknown;
}

/** What of JSON Schema our schemas are made of. */
interface Node extends TSchema {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly patternProperties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: boolean | Node;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly allOf?: readonly Node[];
}

const NAME_CHARS_SHOWN = 100;
const PATH_CHARS_SHOWN = 300;
const NAMES_SHOWN = 20;

/** At most `most` faults of `value`, in the order in which the schema names its parts. */
export function schemaFaults(schema: TSchema, value: unknown, most: number): readonly SchemaFault[] {
  const faults: SchemaFault[] = [];
  enter(schema as Node, { value, path: '' }, { faults, most });
  return faults;
}

interface Place {
  readonly value: unknown;
  readonly path: string;
}

interface Found {
  readonly faults: SchemaFault[];
  readonly most: number;
}

function enter(node: Node, place: Place, found: Found): void {
  if (isFull(found) || fits(node, place.value)) return;
  if (node.anyOf) {
    enterUnion(node.anyOf, place, found);
    return;
  }
  for (const part of node.allOf ?? []) enter(part, place, found);
  const isOfKind = addOwnFaults(node, place, found);
  if (!isOfKind) return;
  if (Array.isArray(place.value)) enterItems(node, place, found);
  else if (typeof place.value === 'object' && place.value !== null) enterFields(node, place, found);
}

/** Faults of the value itself, without what is in it. False when what is in it needs no look. */
function addOwnFaults(node: Node, { value, path }: Place, found: Found): boolean {
  const {
    properties: _p,
    patternProperties: _n,
    additionalProperties: _a,
    items: _i,
    allOf: _l,
    ...own
  } = node;
  let isOfKind = true;
  for (const { keyword, message, params } of Value.Errors(own, value)) {
    add({ path, message: faultText(node, keyword, { message, params, value }), value }, found);
    if (['type', 'maxItems', 'maxProperties'].includes(keyword)) isOfKind = false;
  }
  return isOfKind;
}

function enterItems({ items }: Node, { value, path }: Place, found: Found): void {
  if (items === undefined) return;
  for (const [index, item] of (value as readonly unknown[]).entries()) {
    if (isFull(found)) return;
    if (!fits(items, item)) enter(items, { value: item, path: `${path}/${index}` }, found);
  }
}

function enterFields(node: Node, { value, path }: Place, found: Found): void {
  const { properties = {}, patternProperties = {}, additionalProperties } = node;
  const patterns = Object.entries(patternProperties).map(([text, part]) => ({
    pattern: new RegExp(text, 'u'),
    part,
  }));
  for (const name in value as object) {
    if (isFull(found)) return;
    const field = ownValue(value as Record<string, unknown>, name);
    if (!Object.hasOwn(value as object, name) || ownValue(properties, name)) continue;
    const place = { value: field, path: `${path}/${pointerPart(name)}` };
    const fitting = patterns.filter(({ pattern }) => pattern.test(name));
    for (const { part } of fitting) enter(part, place, found);
    if (fitting.length > 0) continue;
    if (additionalProperties === false) add({ ...place, message: unknownText(name, properties) }, found);
    else if (typeof additionalProperties === 'object') enter(additionalProperties, place, found);
  }
  for (const [name, part] of Object.entries(properties)) {
    if (!Object.hasOwn(value as object, name)) continue;
    const field = ownValue(value as Record<string, unknown>, name);
    if (field !== undefined) enter(part, { value: field, path: `${path}/${pointerPart(name)}` }, found);
  }
}

/** Of several forms, the one that is nearest to the value: the one with the fewest faults. */
function enterUnion(forms: readonly Node[], place: Place, found: Found): void {
  if (forms.every((form) => 'const' in form)) {
    const allowed = forms.map((form) => String(form.const));
    add({ ...place, message: `must be one of ${allowed.join(', ')}` }, found);
    return;
  }
  const { most } = found;
  const tries = forms.map((form) => {
    const faults: SchemaFault[] = [];
    enter(form, place, { faults, most });
    return faults;
  });
  const entered = tries.filter((faults) => faults.some(({ path }) => path !== place.path));
  const candidates = entered.length > 0 ? entered : tries;
  const fewest = Math.min(...candidates.map((faults) => faults.length));
  for (const faults of candidates.filter(({ length }) => length === fewest)) {
    for (const fault of faults) add(fault, found);
  }
}

function isFull({ faults, most }: Found): boolean {
  return faults.length >= most;
}

function add(fault: SchemaFault, found: Found): void {
  if (isFull(found)) return;
  found.faults.push({ ...fault, path: shorten(fault.path, PATH_CHARS_SHOWN) });
}

interface OwnFault {
  readonly message: string;
  readonly params: object;
  readonly value: unknown;
}

/** In words that name what is wanted: the validator gives a regular expression, and not the values of an enumeration. */
function faultText(
  { description, type }: Node,
  keyword: string,
  { message, params, value }: OwnFault,
): string {
  const { allowedValues, allowedValue, requiredProperties } = params as {
    readonly allowedValues?: readonly unknown[];
    readonly allowedValue?: unknown;
    readonly requiredProperties?: readonly string[];
  };
  if (allowedValues) return `must be one of ${allowedValues.join(', ')}`;
  if (allowedValue !== undefined) return `must be ${JSON.stringify(allowedValue)}`;
  if (requiredProperties) return `lacks ${requiredProperties.map((name) => `"${name}"`).join(', ')}`;
  if (keyword === 'pattern' && description !== undefined)
    return `must be ${article(description)} ${lowerFirst(description)}`;
  if (keyword !== 'type' || type === undefined) return message;
  const hint = type === 'string' && typeof value === 'number' ? ': write it in quotes' : '';
  return `must be ${ownValue(typeNames, type) ?? type}${hint}`;
}

const typeNames: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  integer: 'a whole number',
  number: 'a number',
  object: 'an object',
  string: 'a string',
};

function article(noun: string): 'a' | 'an' {
  return /^[aeio]/i.test(noun) ? 'an' : 'a';
}

/** For the middle of a sentence; what begins with two capitals is a name. */
function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text;
}

function unknownText(name: string, properties: Readonly<Record<string, unknown>>): string {
  const known = Object.keys(properties);
  const nearest = nearestName(name, known);
  if (nearest !== undefined) return `is not a known field; did you mean "${nearest}"?`;
  if (known.length === 0) return 'is not a known field';
  const more = known.length > NAMES_SHOWN ? ', …' : '';
  return `is not a known field; known are ${known.slice(0, NAMES_SHOWN).join(', ')}${more}`;
}

function pointerPart(name: string): string {
  return shorten(name, NAME_CHARS_SHOWN).replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Compiled when a value first fails there: most parts of most schemas never see one. */
const checks = new WeakMap<Node, (value: unknown) => boolean>();

function fits(node: Node, value: unknown): boolean {
  let check = checks.get(node);
  if (!check) {
    const validator = Compile(node);
    check = (checked) => validator.Check(checked);
    checks.set(node, check);
  }
  return check(value);
}
