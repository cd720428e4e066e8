/**
 * Order of the test files of a run: stories of many processes first,
 * so that no worker is left with one alone at the end.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const folders = ['system', 'faults', 'integration/cli', 'integration', 'fuzz', 'contract', 'unit'];

export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.sort((a, b) => rankOf(a) - rankOf(b));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  return folders.findIndex((folder) => moduleId.includes(`/test/${folder}/`));
}
