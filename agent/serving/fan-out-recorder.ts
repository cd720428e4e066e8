/** Passes what serving records to several recorders, so that telemetry and the local metrics count the same. */
import type { Recorder } from '../telemetry/observation.ts';

export function fanOutRecorder(recorders: readonly Recorder[]): Recorder {
  return {
    serving: (...told) => {
      for (const recorder of recorders) recorder.serving(...told);
    },
    answered: (...told) => {
      for (const recorder of recorders) recorder.answered(...told);
    },
    failed: (...told) => {
      for (const recorder of recorders) recorder.failed(...told);
    },
    refused: (...told) => {
      for (const recorder of recorders) recorder.refused(...told);
    },
    crashed: (...told) => {
      for (const recorder of recorders) recorder.crashed(...told);
    },
    labelled: (...told) => {
      for (const recorder of recorders) recorder.labelled(...told);
    },
  };
}
