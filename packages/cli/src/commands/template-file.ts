import { readRegularFile } from '@selective-dpo/foundation';

/** Real templates have up to 20 KB. */
const MAX_TEMPLATE_BYTES = 256 << 10;

/** The text of a chat template. @throws InputError as {@link readRegularFile}. */
export async function readTemplate(file: string): Promise<string> {
  return (await readRegularFile(file, MAX_TEMPLATE_BYTES)).toString('utf8');
}
