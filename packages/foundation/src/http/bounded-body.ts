/** A server's answer was longer than anything it was asked for. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';
}

/**
 * The text of a response of at most `maxBytes`, whatever its headers say.
 * @throws BodyTooLarge for a longer one, which is not read to its end; what the connection throws.
 */
export async function readBounded(response: Response, maxBytes: number): Promise<string> {
  if (response.body === null) return '';
  const reader = response.body.getReader();
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(pieces).toString('utf8');
    bytes += value.length;
    if (bytes > maxBytes) {
      await reader.cancel();
      throw new BodyTooLarge(`an answer of more than ${maxBytes} bytes`);
    }
    pieces.push(value);
  }
}
