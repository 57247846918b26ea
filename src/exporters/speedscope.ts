// Speedscope's own format: its file-format-schema.json. Pure.
import { FrameNumbers, frameFile, frameName } from './frames.js';
import { jsonArray, jsonObject, jsonValue } from './json-text.js';
import { commandOf, type Series, type StackProfile, total } from './profile.js';

/** For each measure a profile of its bytes and one of its blocks. */
export function* speedscopeFile(profile: StackProfile): Generator<string> {
  const numbers = new FrameNumbers();
  const samples = profile.stacks.map(({ frames }) =>
    frames.map((frame) => numbers.numberOf(frame)).reverse(),
  );
  const views = profile.series.flatMap(viewsOf);
  yield* jsonObject({
    $schema: jsonValue('https://www.speedscope.app/file-format-schema.json'),
    exporter: jsonValue('memprof'),
    name: jsonValue(commandOf(profile.process)),
    activeProfileIndex: jsonValue(0),
    shared: jsonObject({ frames: jsonArray(framesOf(numbers)) }),
    profiles: (function* () {
      let opening = '[';
      for (const { name, unit, column } of views) {
        yield opening;
        yield* sampledProfile(name, unit, samples, column);
        opening = ',\n';
      }
      yield ']';
    })(),
  });
}

function viewsOf({ measure, sizeBytes, blockCount }: Series) {
  const blocks = { name: `${measure}: blocks`, unit: 'none', column: blockCount };
  if (sizeBytes === null) return [blocks];
  return [{ name: `${measure}: bytes`, unit: 'bytes', column: sizeBytes }, blocks];
}

function sampledProfile(
  name: string,
  unit: string,
  samples: readonly number[][],
  column: Float64Array,
): Generator<string> {
  const rows = samples.map((_sample, row) => row).filter((row) => column[row] !== 0);
  return jsonObject({
    type: jsonValue('sampled'),
    name: jsonValue(name),
    unit: jsonValue(unit),
    startValue: jsonValue(0),
    endValue: jsonValue(total(column)),
    samples: jsonArray(rows.map((row) => samples[row])),
    weights: jsonArray(rows.map((row) => column[row])),
  });
}

function* framesOf({ frames }: FrameNumbers): Iterable<unknown> {
  for (const frame of frames) {
    const file = frameFile(frame);
    const [line, column] = frame.kind === 'marker' ? [null, null] : [frame.line, frame.column];
    yield {
      name: frameName(frame),
      ...(file === null ? {} : { file }),
      ...(line === null ? {} : { line }),
      ...(line === null || column === null ? {} : { col: column }),
    };
  }
}
