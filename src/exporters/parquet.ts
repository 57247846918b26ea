// Tables as Parquet, a row group a batch. Pure.
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { wellFormed } from './frames.js';
import type { Table, TableBatch, TableColumn } from './tables.js';

const elements = {
  integer: { type: 'INT64' },
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
} as const;

export function* parquetFile({ columns, batches }: Table): Generator<Uint8Array> {
  const out = new ByteWriter();
  const writer = new ParquetWriter({
    writer: out,
    schema: [
      { name: 'root', num_children: columns.length },
      ...columns.map(({ name, type }) => ({
        name,
        ...elements[type],
        repetition_type: 'OPTIONAL' as const,
      })),
    ],
    createdBy: 'memprof',
  });
  for (const batch of batches) {
    const rowCount = batch[0]?.length ?? 0;
    writer.write({ columnData: columnsOf(columns, batch), rowGroupSize: rowCount });
    yield taken(out);
  }
  writer.finish();
  yield taken(out);
}

function columnsOf(columns: readonly TableColumn[], batch: TableBatch) {
  return columns.map(({ name, type }, at) => ({
    name,
    data: (batch[at] ?? []).map((value) =>
      value === null ? null : type === 'integer' ? BigInt(value) : wellFormed(String(value)),
    ),
  }));
}

/** The writer goes on counting: places in the file are told from its start. */
function taken(out: ByteWriter): Uint8Array {
  const bytes = out.getBytes().slice();
  out.index = 0;
  return bytes;
}
