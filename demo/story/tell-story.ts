/** The chapters in their order. */
import { goldenSamplesFail, serviceFails } from './bad-versions.ts';
import { firstVersion } from './first-version.ts';
import { recordStatement, replayedOrder, tamperedArtifact } from './hostile-hands.ts';
import { interruptedDownload, lateWinter } from './interrupted-download.ts';
import { devicesEnrol, hubStarts, keysAreMade } from './opening.ts';
import type { Stage } from './stage.ts';
import { theBooks } from './the-books.ts';
import { secondVersion, springPasses, winterComes } from './winter.ts';

export async function tellStory(stage: Stage): Promise<void> {
  await hubStarts(stage);
  await keysAreMade(stage);
  await devicesEnrol(stage);
  await firstVersion(stage);
  const oldStatement = recordStatement(stage);
  await springPasses(stage);
  const winter = await winterComes(stage);
  await secondVersion(stage);
  await goldenSamplesFail(stage);
  await serviceFails(stage);
  await tamperedArtifact(stage);
  await replayedOrder(stage, oldStatement);
  await interruptedDownload(stage);
  await lateWinter(stage, winter);
  await theBooks(stage);
}
