/** `pairs.parquet`: a row for every pair of a cache. */
import { ParquetTable, type CacheRow, type ParquetColumn } from '@selective-dpo/data';
import type { PairColumns } from '../site-contract.js';
import type { Repetition } from './duplicates.js';

const text = { type: 'UTF8', compression: 'SNAPPY' } as const;
const whole = { type: 'INT32', compression: 'SNAPPY' } as const;
const real = { type: 'DOUBLE', compression: 'SNAPPY' } as const;

/** In order. */
const COLUMNS: Readonly<Record<keyof PairColumns, ParquetColumn>> = {
  ...{ pair_index: whole, pair_id: text, source_row: whole },
  ...{ prompt_tokens: whole, chosen_tokens: whole, rejected_tokens: whole },
  ...{ ref_chosen_logps: real, ref_rejected_logps: real },
  duplicate_of: { ...whole, optional: true },
  duplicate_kind: { ...text, optional: true },
  opening: { ...text, optional: true },
};

/** @param emit takes the bytes of the file in order. */
export function openPairTable(emit: (bytes: Uint8Array) => Promise<void> | void): Promise<ParquetTable> {
  return ParquetTable.open(COLUMNS, emit);
}

/** A pair as the table has it. @param sums of the reference's log-probs, in nats. */
export function pairColumns(
  index: number,
  row: CacheRow,
  sums: { chosen: number; rejected: number },
  repetition: Repetition | undefined,
  opening: string | undefined,
): PairColumns {
  return {
    ...{ pair_index: index, pair_id: row.pairId, source_row: row.sourceRow },
    prompt_tokens: row.promptIds.length,
    chosen_tokens: row.chosenIds.length,
    rejected_tokens: row.rejectedIds.length,
    ...{ ref_chosen_logps: sums.chosen, ref_rejected_logps: sums.rejected },
    ...(repetition && { duplicate_of: repetition.of, duplicate_kind: repetition.kind }),
    ...(opening === undefined ? {} : { opening }),
  };
}
