/** What a PromQL query reads: names of metrics, and of labels that it selects or groups by. No parser; enough for the files under deploy. */

/** Words of the language; functions are followed by a bracket. */
const words = new Set([
  'and',
  'or',
  'unless',
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'bool',
  'offset',
]);

export interface Reads {
  readonly metrics: readonly string[];
  readonly labels: readonly string[];
}

export function readsOf(query: string): Reads {
  const labels = [
    ...[...query.matchAll(/\{([^{}]*)\}/g)].flatMap(([, inside]) =>
      [...inside!.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, name]) => name!),
    ),
    ...[...query.matchAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)/g)].flatMap(
      ([, inside]) =>
        inside!
          .split(',')
          .map((name) => name.trim())
          .filter((name) => name !== ''),
    ),
  ];
  const bare = query
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^{}]*\}/g, ' ')
    .replaceAll(/\[[^[\]]*\]/g, ' ')
    .replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)/g, ' ');
  const metrics = [...bare.matchAll(/(?<![\w.:])[a-zA-Z_:][\w:]*(?!\w)(?!\s*\()/g)]
    .map(([name]) => name)
    .filter((name) => !words.has(name));
  return { metrics: [...new Set(metrics)], labels: [...new Set(labels)] };
}
