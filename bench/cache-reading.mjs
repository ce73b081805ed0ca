/** Reading all rows of a cache once, for the benches beside it. */
import { epochOrder } from '@selective-dpo/data';

/** In the order of the file. */
export async function inFileOrder(reader) {
  let tokens = 0;
  for await (const row of reader.rows()) tokens += row.chosenIds.length + row.rejectedIds.length;
  refuseOtherCount(reader, tokens);
}

/** In the shuffled order of an epoch, in batches; the one after that in use is on its way, as in training. */
export async function inTrainingOrder(reader, epoch, batch) {
  const order = epochOrder(reader.rowCount, 1, epoch);
  const read = (at) => Promise.all(Array.from(order.subarray(at, at + batch), (index) => reader.row(index)));
  let tokens = 0;
  let next = read(0);
  for (let at = 0; at < order.length; at += batch) {
    const rows = await next;
    next = read(at + batch);
    for (const row of rows) tokens += row.chosenIds.length + row.rejectedIds.length;
  }
  refuseOtherCount(reader, tokens);
}

function refuseOtherCount(reader, tokens) {
  const { responseTokens } = reader.manifest;
  if (tokens !== responseTokens) throw new Error(`${tokens} response tokens of ${responseTokens}`);
}
