import { join, relative } from 'node:path';
import type { Expression, Node } from 'typescript/unstable/ast';
import { SyntaxKind } from 'typescript/unstable/ast';
import { isBinaryExpression, isElementAccessExpression } from 'typescript/unstable/ast/is';
import { API, TypeFlags } from 'typescript/unstable/sync';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const sources = /^(agent|cli|hub|platform|runner|shared)\//;
/** The one place where an object is asked for a key that may come from outside. */
const asks = 'shared/base/own-value.ts';

/** Fields that are set or deleted on objects that the code made itself: nothing is asked. */
const assignments: ReadonlySet<string> = new Set([
  "platform/completion.ts: given[open.long ?? '']",
  'platform/completion.ts: given[option.long]',
  'platform/completion.ts: given[argument.name()]',
  'hub/http/named-schemas.ts: copy[key]',
  'hub/http/trusted-proxies.ts: headers[name]',
]);

interface Lookup {
  readonly node: Node;
  readonly key: Expression;
}

/** Each `object[key]` and `key in object` below `node`. */
function lookups(node: Node, found: Lookup[] = []): readonly Lookup[] {
  if (isElementAccessExpression(node)) found.push({ node, key: node.argumentExpression });
  if (isBinaryExpression(node) && node.operatorToken.kind === SyntaxKind.InKeyword) {
    found.push({ node, key: node.left });
  }
  node.forEachChild((child) => void lookups(child, found));
  return found;
}

/** Every file and text of a lookup whose key can be any string, by the types that the compiler finds. */
function lookupsByAnyName(): readonly string[] {
  const api = new API({ cwd: root });
  try {
    const project = api.updateSnapshot({ openProjects: [join(root, 'tsconfig.json')] }).getProjects()[0]!;
    const files = project.program
      .getSourceFileNames()
      .filter((file) => sources.test(relative(root, file)) && relative(root, file) !== asks);
    expect(files.length).toBeGreaterThan(200);
    return files.flatMap((file) => {
      const source = project.program.getSourceFile(file)!;
      return lookups(source)
        .filter(({ key }) => {
          const type = project.checker.getTypeAtLocation(key);
          return type !== undefined && (type.flags & (TypeFlags.String | TypeFlags.TemplateLiteral)) !== 0;
        })
        .map(({ node }) => `${relative(root, file)}: ${source.text.slice(node.pos, node.end).trim()}`);
    });
  } finally {
    api.close();
  }
}

// A model may be called `constructor`, which every plain object answers to. `ownValue` or a Map is the way.
it('asks no plain object for a name that may come from outside', () => {
  const found = lookupsByAnyName().filter((one) => !assignments.has(one));
  expect(found).toEqual([]);
});
